r"""Plot the scores of several trackers.

    python tools/analysis_tools/plot_curves.py A/metrics.json B/metrics.json \
        --names A B --out-dir plots

Draws a plot for each curve of the benchmark (success, precision, normalized
precision), and a radar of attributes where all reports have them. Reports are
what tools/test.py and score_results.py write.
"""

import argparse
import sys
from pathlib import Path

from mmsimtrack.evaluation.functional import FRAME_SCORES
from mmsimtrack.evaluation.reports import main_score, read_reports
from mmsimtrack.visualization import plot_attributes, plot_curves

# kind of curve -> what the legend shows: the first that a report has
LEGENDS = {
    'success': ('auc', 'success_auc', 'ao'),
    'precision': ('precision20', 'precision_auc_0_50px'),
    'norm_precision': ('norm_precision_at_0_2', 'norm_precision_auc_0_0_5'),
}

TITLES = {'auc': 'AUC', 'success_auc': 'Success', 'ao': 'AO'}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add('reports', nargs='+', help='metrics.json of each tracker, or its dir')
    add('--names', nargs='+', help='names of the trackers (default: folders)')
    add('--out-dir', type=Path, required=True, help='folder for the pictures')
    add('--title', help='name of the benchmark, as printed above the plots')
    add(
        '--format',
        default='png',
        choices=('png', 'pdf', 'svg'),
        help='of the pictures (default: png)',
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Read, plot, and name the pictures; the exit status."""
    args = parse(arguments)
    try:
        reports = read_reports(args.reports, args.names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    args.out_dir.mkdir(parents=True, exist_ok=True)
    first = next(iter(reports.values()))
    title = args.title or f'{first["benchmark"]} ({first["profile"]})'
    for kind in first['curves']:
        path = args.out_dir / f'{kind}.{args.format}'
        score = next(k for k in LEGENDS[kind] if k in first['overall'])
        plot_curves(
            {name: r['curves'][kind] for name, r in reports.items()},
            path,
            kind,
            {
                name: per_cent(r['overall'], score)
                for name, r in reports.items()
            },
            f'{kind.replace("norm_", "normalized ").capitalize()} on {title}',
        )
        print(f'{path}: [{score}]')
    if all('per_attribute' in report for report in reports.values()):
        path = args.out_dir / f'attributes.{args.format}'
        score = main_score(first)
        plot_attributes(
            {name: by_attribute(r, score) for name, r in reports.items()},
            path,
            f'{TITLES[score]} by attribute on {title}',
        )
        print(f'{path}: {score}')
    return 0


def by_attribute(report: dict, score: str) -> dict[str, float]:
    """Attribute -> score, per cent."""
    return {
        name: per_cent(scores, score)
        for name, scores in report['per_attribute'].items()
    }


def per_cent(scores: dict, key: str) -> float:
    """A score; those of GOT-10k are fractions."""
    return scores[key] * (100 if key in FRAME_SCORES else 1)


if __name__ == '__main__':
    sys.exit(main())
