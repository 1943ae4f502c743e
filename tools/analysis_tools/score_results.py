r"""Score result files of any tracker, without a model.

    python tools/analysis_tools/score_results.py --gt DIR --results DIR \
        --benchmark lasot --out metrics.json

Folders hold `<sequence>.txt` (results of several runs: `<sequence>_001.txt`
and so on) or the layout of the benchmark as downloaded. What cannot be scored
is named in one line, `refused: <file>: <reason>`, and the exit status is 2.
docs/en/evaluate.md defines scores and profiles.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.evaluation.functional import (
    ATTRIBUTES,
    KITS,
    RefusedFile,
    attribute_scores,
    get_profile,
    overall_curves,
    overall_scores,
    sequence_scores,
)
from mmsimtrack.evaluation.layouts import find_sequences
from mmsimtrack.evaluation.reports import (
    check_report_path,
    report,
    rounded,
    write_report,
)
from mmsimtrack.evaluation.result_files import file_errors, read_attributes

# not offered here, but in configs: its numbers are not published as such
PROFILES = tuple(kit for kit in KITS if kit != 'mmtracking')


def main(arguments: list[str] | None = None) -> int:
    """Score, print and write; the exit status."""
    args = parse(arguments)
    kit = args.profile or BENCHMARKS[args.benchmark].profile
    try:
        content, curves = score(args, kit)
    except RefusedFile as error:
        print(f'refused: {error}', file=sys.stderr)
        return 2
    write_report(args.out, content, curves)
    count = len(content['per_sequence'])
    print(f'{args.benchmark}, profile {kit}, {count} sequences')
    for key, value in content['overall'].items():
        print(f'{key:26} {"undefined" if value is None else value}')
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add('--gt', type=Path, required=True, help='folder of annotations')
    add('--results', type=Path, required=True, help='folder of results')
    add('--absent', type=Path, help='folder of flags, 1: target is absent')
    add('--benchmark', choices=BENCHMARKS, required=True)
    add('--profile', choices=PROFILES, help="default: the benchmark's")
    add('--sequences', type=Path, help='file with one name per line')
    add('--attributes', type=Path, help='folder of attributes, 0 or 1 each')
    add(
        '--out',
        type=Path,
        required=True,
        help='JSON file to write; others appear beside it',
    )
    args = parser.parse_args(arguments)
    try:
        check_report_path(args.out)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return args


def score(args: argparse.Namespace, kit: str) -> tuple[dict, dict]:
    """Content of the JSON file, and the curves.

    Raises:
        RefusedFile: If something is missing, damaged, or refused.
    """
    for folder in filter(None, (args.gt, args.results, args.absent)):
        if not folder.is_dir():
            raise RefusedFile(folder, 'there is no such folder.')
    profile = get_profile(kit, args.benchmark)
    sequences = find_sequences(
        args.gt,
        args.results,
        args.benchmark,
        profile,
        args.absent,
        args.sequences and read_names(args.sequences),
    )
    errors = {
        files.name: file_errors(files, args.benchmark, profile)
        for files in sequences
    }
    content = report(
        args.benchmark,
        kit,
        overall_scores(list(errors.values()), profile),
        {name: sequence_scores(e, profile) for name, e in errors.items()},
    )
    if args.attributes:
        names, table = read_attributes(
            args.attributes, list(errors), ATTRIBUTES.get(args.benchmark)
        )
        scores = attribute_scores(errors, table, names, profile)
        content['per_attribute'] = {k: rounded(v) for k, v in scores.items()}
    return content, overall_curves(list(errors.values()), profile)


def read_names(path: Path) -> list[str]:
    """Lines that are or begin with names of sequences."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise RefusedFile(path, error.strerror) from None
    names = list(dict.fromkeys(x.strip() for x in lines if x.strip()))
    if not names:
        raise RefusedFile(path, 'is empty. Write one name per line.')
    return names


if __name__ == '__main__':
    sys.exit(main())
