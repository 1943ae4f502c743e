r"""Compare two trackers, sequence by sequence.

    python tools/analysis_tools/compare.py A/metrics.json B/metrics.json

For each score: the mean over sequences of A and of B, of B - A with a
bootstrap confidence interval (sequences are drawn with replacement, pairs stay
together), and on how many sequences B is better, equal, worse. An interval
that excludes 0 says that the difference is not due to the choice of sequences;
it says nothing of other trainings of the same model.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from mmsimtrack.evaluation.functional import FRAME_SCORES
from mmsimtrack.evaluation.reports import (
    main_score,
    markdown_table,
    read_reports,
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
    if args.num_resamples < 1:
        parser.error(f'--num-resamples {args.num_resamples}: expected >= 1')
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
        'scores': compare(a, b, args),
    }
    print_comparison(content)
    print_extremes(a, b, args.num_shown)
    if args.out:
        write_json(args.out, content)
    return 0


def compare(a: dict, b: dict, args: argparse.Namespace) -> dict[str, dict]:
    """The comparison of each score that is defined on some sequence."""
    result = {}
    for key in next(iter(a['per_sequence'].values())):
        pairs = paired(a, b, key)
        if not pairs:
            continue
        values = np.array(list(pairs.values()))
        difference = values[:, 1] - values[:, 0]
        low, high = confidence_interval(
            difference, args.confidence, args.num_resamples, args.seed
        )
        result[key] = {
            'num_sequences': len(pairs),
            'a': float(values[:, 0].mean()),
            'b': float(values[:, 1].mean()),
            'difference': float(difference.mean()),
            'interval': [low, high],
            'better': int((difference > TIE).sum()),
            'equal': int((abs(difference) <= TIE).sum()),
            'worse': int((difference < -TIE).sum()),
        }
    return result


def paired(a: dict, b: dict, key: str) -> dict[str, tuple[float, float]]:
    """Values of a score, per cent, by sequence, where both are defined."""
    scale = 100 if key in FRAME_SCORES else 1
    pairs = {
        name: (scores.get(key), b['per_sequence'][name].get(key))
        for name, scores in a['per_sequence'].items()
    }
    return {
        name: (scale * x, scale * y)
        for name, (x, y) in pairs.items()
        if x is not None and y is not None
    }


def confidence_interval(
    values: np.ndarray, confidence: float, num_resamples: int, seed: int
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of (N,) values."""
    rng = np.random.default_rng(seed)
    # multinomial counts are the draws with replacement, without their order
    shares = np.full(len(values), 1 / len(values))
    counts = (
        rng.multinomial(len(values), shares) for _ in range(num_resamples)
    )
    means = [count @ values / len(values) for count in counts]
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
    header = ['score', a, b, 'difference', interval, 'better/equal/worse']
    rows = [
        [
            key,
            f'{row["a"]:.2f}',
            f'{row["b"]:.2f}',
            f'{row["difference"]:+.2f}',
            '{:+.2f} to {:+.2f}'.format(*row['interval']),
            f'{row["better"]}/{row["equal"]}/{row["worse"]}',
        ]
        for key, row in content['scores'].items()
    ]
    print(markdown_table(header, rows))


def print_extremes(a: dict, b: dict, number: int) -> None:
    """The sequences with the largest losses and gains."""
    key = main_score(a)
    gains = {name: y - x for name, (x, y) in paired(a, b, key).items()}
    ranked = sorted(gains, key=gains.__getitem__)
    for title, names in (
        ('losses', [n for n in ranked[:number] if gains[n] < 0]),
        ('gains', [n for n in ranked[::-1][:number] if gains[n] > 0]),
    ):
        each = ', '.join(f'{name} {gains[name]:+.1f}' for name in names)
        print(f'Largest {title}, {key}: {each or "none"}')


if __name__ == '__main__':
    sys.exit(main())
