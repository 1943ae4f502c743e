r"""Compare two trackers, sequence by sequence.

    python tools/analysis_tools/compare.py A/metrics.json B/metrics.json

For each score: the mean over sequences of A and of B, of B - A with a
bootstrap confidence interval (sequences are drawn with replacement, pairs stay
together), and on how many sequences B is better, equal, worse. Where the
interval excludes 0, the choice of sequences hardly explains the difference; of
other trainings of the same model it says nothing.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from mmsimtrack.evaluation.read_reports import read_reports
from mmsimtrack.evaluation.reports import (
    main_score,
    markdown_table,
    per_cent,
    score_names,
    write_json,
)

TIE = 1e-9


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add('a', metavar='A', help='metrics.json of a tracker, or its folder')
    add('b', metavar='B', help='metrics.json of another')
    add('--names', nargs=2, help='names of the trackers (default: folders)')
    add('--confidence', type=float, default=95, help='per cent (default: 95)')
    add('--num-resamples', type=int, default=10000, help='(default: 10000)')
    add('--seed', type=int, default=0, help='of the bootstrap (default: 0)')
    add('--num-shown', type=int, default=5, help='largest gains and losses')
    add('--out', type=Path, help='JSON file to write')
    args = parser.parse_args(arguments)
    if not 0 < args.confidence < 100:
        parser.error(f'--confidence {args.confidence}: expected 0 to 100')
    for name, least in (('num_resamples', 1), ('seed', 0), ('num_shown', 0)):
        value = getattr(args, name)
        if value < least:
            option = name.replace('_', '-')
            parser.error(f'--{option} {value}: expected >= {least}')
    return args


def main(arguments: list[str] | None = None) -> int:
    """Read, compare, print and write; the exit status."""
    args = parse(arguments)
    try:
        reports = read_reports([args.a, args.b], args.names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    (name_a, a), (name_b, b) = reports.items()
    content = {
        'benchmark': a['benchmark'],
        'profile': a['profile'],
        'a': name_a,
        'b': name_b,
        'confidence': args.confidence,
        'num_resamples': args.num_resamples,
        'seed': args.seed,
        'scores': compare(a, b, args),
    }
    print_comparison(content)
    print_extremes(a, b, args.num_shown)
    if args.out:
        write_json(args.out, content)
    return 0


def compare(a: dict, b: dict, args: argparse.Namespace) -> dict[str, dict]:
    """The comparison of each score, in the unit of the reports."""
    result = {}
    for key in score_names(
        [*a['per_sequence'].values(), *b['per_sequence'].values()]
    ):
        values = np.array(list(paired(a, b, key).values())).reshape(-1, 2)
        if not len(values):
            print(f'{key}: no sequence has it in both reports')
            continue
        difference = values[:, 1] - values[:, 0]
        interval = confidence_interval(
            difference, args.confidence, args.num_resamples, args.seed
        )
        result[key] = {
            'num_sequences': len(values),
            'a': float(values[:, 0].mean()),
            'b': float(values[:, 1].mean()),
            'difference': float(difference.mean()),
            'interval': interval,
            'better': int((difference > TIE).sum()),
            'equal': int((abs(difference) <= TIE).sum()),
            'worse': int((difference < -TIE).sum()),
        }
    return result


def paired(a: dict, b: dict, key: str) -> dict[str, tuple[float, float]]:
    """Values of a score, by sequence, where both are defined."""
    pairs = {
        name: (scores.get(key), b['per_sequence'][name].get(key))
        for name, scores in a['per_sequence'].items()
    }
    return {name: pair for name, pair in pairs.items() if None not in pair}


def confidence_interval(
    values: np.ndarray, confidence: float, num_resamples: int, seed: int
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean of (N,) values.

    None for one value, which says nothing of its scatter.
    """
    if len(values) < 2:
        return None
    rng = np.random.default_rng(seed)
    means = [
        values[rng.integers(len(values), size=len(values))].mean()
        for _ in range(num_resamples)
    ]
    tail = (100 - confidence) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def print_comparison(content: dict) -> None:
    """A table, one row per score."""
    a, b, confidence = (content[key] for key in ('a', 'b', 'confidence'))
    print(
        f'{content["benchmark"]}, profile {content["profile"]}: means over '
        'sequences, per cent\n'
    )
    interval = f'{confidence:g} % interval'
    header = ['score', 'N', a, b, 'B - A', interval, 'better/equal/worse']
    rows = [_row(key, row) for key, row in content['scores'].items()]
    print(markdown_table(header, rows))


def _row(key: str, row: dict) -> list[str]:
    interval = '-'
    if row['interval'] is not None:
        low, high = (per_cent(key, value) for value in row['interval'])
        interval = f'{low:+.2f} to {high:+.2f}'
    return [
        key,
        str(row['num_sequences']),
        f'{per_cent(key, row["a"]):.2f}',
        f'{per_cent(key, row["b"]):.2f}',
        f'{per_cent(key, row["difference"]):+.2f}',
        interval,
        f'{row["better"]}/{row["equal"]}/{row["worse"]}',
    ]


def print_extremes(a: dict, b: dict, number: int) -> None:
    """The sequences with the largest losses and gains."""
    key = main_score(a)
    gains = {
        name: per_cent(key, y - x)
        for name, (x, y) in paired(a, b, key).items()
    }
    ranked = sorted(gains, key=gains.__getitem__)
    for title, names in (
        ('losses', [n for n in ranked[:number] if gains[n] < 0]),
        ('gains', [n for n in ranked[::-1][:number] if gains[n] > 0]),
    ):
        each = ', '.join(f'{name} {gains[name]:+.1f}' for name in names)
        print(f'Largest {title}, {key}: {each or "none"}')


if __name__ == '__main__':
    sys.exit(main())
