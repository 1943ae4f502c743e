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

from mmsimtrack.evaluation.read_reports import read_reports
from mmsimtrack.evaluation.reports import MAIN_SCORES, per_cent
from mmsimtrack.visualization import plot_attributes, plot_curves

# kind of curve -> what the legend shows: the first that a report has
LEGENDS = {
    'success': MAIN_SCORES,
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
        reports = read_reports(args.reports, args.names, with_curves=True)
        legends = {
            kind: legend(reports, kind)
            for kind in next(iter(reports.values()))['curves']
        }
        first = next(iter(reports.values()))
        title = args.title or f'{first["benchmark"]} ({first["profile"]})'
        args.out_dir.mkdir(parents=True, exist_ok=True)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for kind, (score, scores) in legends.items():
        path = args.out_dir / f'{kind}.{args.format}'
        curves = {name: r['curves'][kind] for name, r in reports.items()}
        words = kind.replace('norm_', 'normalized ').capitalize()
        plot_curves(curves, path, kind, scores, f'{words} on {title}')
        print(f'{path}: [{score}]')
    draw_attributes(reports, legends['success'], title, args)
    return 0


def legend(reports: dict[str, dict], kind: str) -> tuple[str, dict]:
    """Name and values, per cent, of the score beside a curve.

    Raises:
        ValueError: If it is not defined for a tracker.
    """
    scores = {}
    for name, report in reports.items():
        overall = report['overall']
        key = next((k for k in LEGENDS[kind] if k in overall), None)
        if key is None or overall[key] is None:
            raise ValueError(
                f'{name} has no {key or " or ".join(LEGENDS[kind])}, which '
                f'the legend of {kind} shows. Score it again.'
            )
        scores[name] = per_cent(key, overall[key])
    return key, scores


def draw_attributes(
    reports: dict[str, dict],
    success: tuple[str, dict],
    title: str,
    args: argparse.Namespace,
) -> None:
    """Draw the radar of the attributes that are defined for all trackers.

    Args:
        reports: By tracker.
        success: The `legend` of the success plot.
        title: Of the benchmark.
        args: The command line.
    """
    lacking = [n for n, r in reports.items() if 'per_attribute' not in r]
    if lacking:
        if len(lacking) < len(reports):
            print(f'No radar: {", ".join(lacking)} has no attributes.')
        return
    key, overall = success
    common = [
        name
        for name in next(iter(reports.values()))['per_attribute']
        if all(
            report['per_attribute'].get(name, {}).get(key) is not None
            for report in reports.values()
        )
    ]
    if len(common) < 3:
        print(f'No radar: {len(common)} attributes for all, expected 3.')
        return
    table = {
        name: {
            attribute: per_cent(key, report['per_attribute'][attribute][key])
            for attribute in common
        }
        for name, report in reports.items()
    }
    path = args.out_dir / f'attributes.{args.format}'
    plot_attributes(
        table, overall, path, f'{TITLES[key]} by attribute on {title}'
    )
    print(f'{path}: [{key}]')


if __name__ == '__main__':
    sys.exit(main())
