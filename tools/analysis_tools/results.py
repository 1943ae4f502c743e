r"""Scores of trackers: make, plot, compare and look at them.

    python tools/analysis_tools/results.py score --gt DIR --results DIR \
        --benchmark lasot --out metrics.json
    python tools/analysis_tools/results.py plot A B --out-dir plots
    python tools/analysis_tools/results.py compare A B
    python tools/analysis_tools/results.py worst CONFIG WORK_DIR --out-dir x
    python tools/analysis_tools/results.py pack CONFIG WORK_DIR --out x.zip

`score` takes result files of any tracker, without a model; `pack` makes a
submission for the server of GOT-10k or TrackingNet. A and B are reports,
`metrics.json` or its folder. docs/en/evaluate.md defines scores and profiles.
"""

import argparse
import html
import sys
from pathlib import Path
from urllib.parse import quote

import numpy as np
from mmengine.config import Config
from scipy import stats

import mmsimtrack  # noqa: F401  (checks the installation first)
from mmsimtrack import fileio
from mmsimtrack import visualization as pictures
from mmsimtrack.benchmarks import BENCHMARKS, use_benchmark
from mmsimtrack.cli.options import add_cfg_options, at_least, make_parser
from mmsimtrack.cli.settings import change_settings
from mmsimtrack.datasets import VideoSequence
from mmsimtrack.evaluation import OPEMetric, annotations, functional, reports
from mmsimtrack.evaluation.functional import RefusedFile
from mmsimtrack.evaluation.metrics.submission import write_submission
from mmsimtrack.evaluation.reports import main_score, per_cent, read_reports
from mmsimtrack.evaluation.results import find_results
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures import aligned_iou, xywh_to_xyxy

# kind of curve -> what the legend shows: the first that a report has
LEGENDS = {
    'success': reports.MAIN_SCORES,
    'precision': ('precision20', 'precision_auc_0_50px'),
    'norm_precision': ('norm_precision_at_0_2', 'norm_precision_auc_0_0_5'),
}
TITLES = {'auc': 'AUC', 'success_auc': 'Success', 'ao': 'AO'}
TIE = 1e-9
LOST = 0.1  # a target is lost where the overlap is below

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; max-width: 1320px; margin: 2em auto }}
img {{ display: block; max-width: 100% }}
</style></head><body>
<h1>{title}</h1>
<p>Green: annotation. Red: prediction. Below the frames: overlap in each frame
of the sequence; gray: target not visible; lines: the frames above.</p>
{body}
</body></html>
"""


def parse_args(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    def command(function, text, of_test=False):
        name = function.__name__.removeprefix('run_')
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=function)
        if of_test:
            sub.add_argument('config', help='config file of the test')
            text = 'metrics.json of the test, or its folder'
            sub.add_argument('report', metavar='WORK_DIR', help=text)
            text = 'benchmark that the test was given'
            sub.add_argument('--benchmark', choices=BENCHMARKS, help=text)
            add_cfg_options(sub)
        return sub.add_argument

    add = command(run_score, 'score result files of any tracker')
    add('--gt', type=Path, required=True, help='folder of annotations')
    add('--results', type=Path, required=True, help='folder of results')
    add('--absent', type=Path, help='folder of flags, 1: target is absent')
    add('--benchmark', choices=BENCHMARKS, required=True)
    add('--profile', choices=functional.KITS, help="default: the benchmark's")
    add('--sequences', type=Path, help='file with one name per line')
    add('--attributes', type=Path, help='folder of attributes, 0 or 1 each')
    add('--out', required=True, help='JSON file; others appear beside it')

    add = command(run_plot, 'plot curves and attributes of trackers')
    add('reports', nargs='+', help='metrics.json of each tracker, or its dir')
    add('--names', nargs='+', help='names of the trackers (default: folders)')
    add('--out-dir', type=Path, required=True, help='folder for the pictures')
    add('--title', help='name of the benchmark, as printed above the plots')
    add('--format', default='png', choices=('png', 'pdf', 'svg'))

    add = command(run_compare, 'compare two trackers, sequence by sequence')
    add('reports', nargs=2, metavar='REPORT', help='reports of trackers')
    add('--names', nargs=2, help='names of the trackers (default: folders)')
    text = 'confidence of the intervals in per cent (default: 95)'
    add('--confidence', type=at_least(1, 100, float), default=95, help=text)
    add('--num-resamples', type=at_least(1), default=10000)
    add('--seed', type=at_least(0), default=0, help='seed of the bootstrap')
    text = 'largest gains and losses to print (default: 5)'
    add('--num-shown', type=at_least(0), default=5, help=text)
    add('--out', type=Path, help='JSON file to write')

    add = command(run_worst, 'make a page of the worst sequences', True)
    add('--out-dir', type=Path, required=True, help='folder for the page')
    add('--num-sequences', type=at_least(1), default=10)
    text = 'frames to show of each sequence (default: 8)'
    add('--num-frames', type=at_least(2), default=8, help=text)
    text = 'result files of the tracker (default: beside the report)'
    add('--results', type=Path, help=text)

    add = command(run_pack, 'pack a submission for a server', True)
    add('--out', required=True, help='zip file to write')
    text = 'pack another number of sequences than the server expects'
    add('--allow-incomplete', action='store_true', help=text)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit status."""
    args = parse_args(arguments)
    try:
        args.run(args)
    except (OSError, ValueError) as error:
        prefix = 'refused: ' if isinstance(error, RefusedFile) else ''
        print(f'{prefix}{error}', file=sys.stderr)
        return 2
    return 0


def run_score(args: argparse.Namespace) -> None:
    """Score result files, print the scores and write them.

    Raises:
        RefusedFile: If something is missing, damaged, or refused.
    """
    reports.check_report_path(args.out)
    for folder in filter(None, (args.gt, args.results, args.absent)):
        if not folder.is_dir():
            raise RefusedFile(folder, 'there is no such folder.')
    metric = OPEMetric(
        args.results, args.benchmark, args.profile, adds_ao=False
    )
    names = args.sequences and read_list(args.sequences)
    sequences = annotations.read_annotations(
        args.gt, args.benchmark, metric.rules, args.absent, names
    )
    errors, content = metric.score(sequences)
    if args.attributes:
        names, table = annotations.read_attributes(
            args.attributes, list(errors), args.benchmark
        )
        scores = functional.attribute_scores(
            errors, table, names, metric.rules
        )
        scores = {name: reports.rounded(row) for name, row in scores.items()}
        content['per_attribute'] = scores
    reports.write_report(args.out, content, metric.curves)
    num = len(errors)
    print(f'{args.benchmark}, profile {metric.profile}, {num} sequences')
    for key, value in content['overall'].items():
        print(f'{key:26} {"undefined" if value is None else value}')


def read_list(path: Path) -> list[str]:
    """Read lines that are or begin with names of sequences."""
    if not path.is_file():
        raise RefusedFile(path, 'No such file. Write one name per line.')
    names = list(dict.fromkeys(fileio.read_names(path)))
    if not names:
        raise RefusedFile(path, 'is empty. Write one name per line.')
    return names


def run_plot(args: argparse.Namespace) -> None:
    """Draw a plot of each curve, and a radar of attributes."""
    found = read_reports(args.reports, args.names, with_curves=True)
    first = next(iter(found.values()))
    legends = {kind: legend(found, kind) for kind in first['curves']}
    title = args.title or f'{first["benchmark"]} ({first["profile"]})'
    for kind, (score, scores) in legends.items():
        path = args.out_dir / f'{kind}.{args.format}'
        curves = {name: r['curves'][kind] for name, r in found.items()}
        words = kind.replace('norm_', 'normalized ').capitalize()
        pictures.plot_curves(curves, path, kind, scores, f'{words} on {title}')
        print(f'{path}: [{score}]')
    path = args.out_dir / f'attributes.{args.format}'
    draw_attributes(found, legends['success'], title, path)


def legend(found: dict[str, dict], kind: str) -> tuple[str, dict]:
    """Find name and values, per cent, of the score beside a curve.

    Raises:
        ValueError: If it is not defined for a tracker.
    """
    scores = {}
    for name, report in found.items():
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
    found: dict[str, dict], success: tuple[str, dict], title: str, path: Path
) -> None:
    """Draw the radar of the attributes that are defined for all trackers.

    Args:
        found: Reports by tracker.
        success: The `legend` of the success plot.
        title: Name of the benchmark.
        path: Picture to write.
    """
    key, overall = success
    table = {
        name: {
            attribute: per_cent(key, scores[key])
            for attribute, scores in report.get('per_attribute', {}).items()
            if scores.get(key) is not None
        }
        for name, report in found.items()
    }
    if not any(table.values()):
        return
    first, *others = table.values()
    common = [name for name in first if all(name in s for s in others)]
    if len(common) < 3:
        counts = ', '.join(f'{n} has {len(s)}' for n, s in table.items())
        print(f'No radar: expected 3 attributes in common, {counts}.')
        return
    table = {n: {a: s[a] for a in common} for n, s in table.items()}
    title = f'{TITLES[key]} by attribute on {title}'
    pictures.plot_attributes(table, overall, path, title)
    print(f'{path}: [{key}]')


def run_compare(args: argparse.Namespace) -> None:
    """Compare score by score, print and write.

    For each score: the mean over sequences of A and of B, of B - A with a
    bootstrap confidence interval (sequences are drawn with replacement, pairs
    stay together), and on how many sequences B is better, equal, worse.
    """
    (name_a, a), (name_b, b) = read_reports(args.reports, args.names).items()
    rows, scores = [], {}
    each = [*a['per_sequence'].values(), *b['per_sequence'].values()]
    for key in reports.score_names(each):
        values = np.array(list(paired(a, b, key).values()))
        if len(values):
            scores[key] = compare(values, args)
            rows.append(_row(key, scores[key]))
        else:
            print(f'{key}: no sequence has it in both reports')
    benchmark, profile = a['benchmark'], a['profile']
    print(f'{benchmark}, profile {profile}: means over sequences, per cent\n')
    interval = f'{args.confidence:g} % interval'
    means = [name_a, name_b, 'B - A', interval]
    header = ['score', 'N', *means, 'better/equal/worse']
    print(reports.markdown_table(header, rows))
    print_extremes(a, b, args.num_shown)
    if args.out:
        options = ('confidence', 'num_resamples', 'seed')
        content = dict(
            benchmark=benchmark, profile=profile, a=name_a, b=name_b
        )
        content |= {key: getattr(args, key) for key in options}
        fileio.write_json(args.out, content | {'scores': scores})


def compare(values: np.ndarray, args: argparse.Namespace) -> dict:
    """Compare the values of a score, (N, 2), in the unit of the reports."""
    difference = values[:, 1] - values[:, 0]
    return {
        'num_sequences': len(values),
        'a': float(values[:, 0].mean()),
        'b': float(values[:, 1].mean()),
        'difference': float(difference.mean()),
        'interval': confidence_interval(
            difference, args.confidence, args.num_resamples, args.seed
        ),
        'better': int((difference > TIE).sum()),
        'equal': int((abs(difference) <= TIE).sum()),
        'worse': int((difference < -TIE).sum()),
    }


def paired(a: dict, b: dict, key: str) -> dict[str, tuple[float, float]]:
    """Find the values of a score, by sequence, where both are defined."""
    first, second = a['per_sequence'], b['per_sequence']
    pairs = {n: (first[n].get(key), second[n].get(key)) for n in first}
    return {name: pair for name, pair in pairs.items() if None not in pair}


def confidence_interval(
    values: np.ndarray, confidence: float, num_resamples: int, seed: int
) -> tuple[float, float] | None:
    """Compute the percentile bootstrap interval of the mean of (N,) values.

    It is None for one value, which says nothing of its scatter.
    """
    if len(values) < 2:
        return None
    interval = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=num_resamples,
        batch=1000,
        confidence_level=confidence / 100,
        method='percentile',
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _row(key: str, row: dict) -> list:
    """Make the row of a score in the table of a comparison."""
    bounds = [per_cent(key, value) for value in row['interval'] or ()]
    return [
        key,
        row['num_sequences'],
        *(f'{per_cent(key, row[tracker]):.2f}' for tracker in 'ab'),
        f'{per_cent(key, row["difference"]):+.2f}',
        ' to '.join(f'{bound:+.2f}' for bound in bounds) or '-',
        f'{row["better"]}/{row["equal"]}/{row["worse"]}',
    ]


def print_extremes(a: dict, b: dict, number: int) -> None:
    """Print the sequences with the largest losses and gains."""
    key = main_score(a)
    pairs = paired(a, b, key).items()
    gains = sorted((per_cent(key, y - x), name) for name, (x, y) in pairs)
    losses = [gain for gain in gains if gain[0] < 0][:number]
    gains = [gain for gain in gains[::-1] if gain[0] > 0][:number]
    for title, found in (('losses', losses), ('gains', gains)):
        each = ', '.join(f'{name} {gain:+.1f}' for gain, name in found)
        print(f'Largest {title}, {key}: {each or "none"}')


def load_test_set(
    args: argparse.Namespace,
) -> tuple[Config, dict[str, VideoSequence]]:
    """Load the config of a test, and its sequences by name.

    Raises:
        OSError: If the config or data are missing.
        ValueError: If the config has no test set.
    """
    cfg = fileio.read_config(args.config)
    if not cfg.get('test_dataloader'):
        raise ValueError(
            f'{args.config} has no test_dataloader. Give the config of the '
            'test.'
        )
    if args.benchmark:
        use_benchmark(cfg, args.benchmark)
    change_settings(cfg, args.cfg_options)
    cfg.test_dataloader.dataset.test_mode = False  # a test has checked frames
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    sequences = map(dataset.get_sequence, range(len(dataset)))
    return cfg, {sequence.name: sequence for sequence in sequences}


def run_worst(args: argparse.Namespace) -> None:
    """Write a page of the worst sequences, with pictures.

    The frames come from the test set of the config, the scores from the
    report and the boxes from `results` beside it. Frames are spread evenly,
    but for one, from which on the target is lost for the longest time.
    """
    ((name, report),) = read_reports([args.report]).items()
    _, found = load_test_set(args)
    names = reports.worst_sequences(report, args.num_sequences)
    for lacking in set(names) - set(found):
        raise ValueError(
            f'{lacking} is in the report, but not in the test set of '
            f'{args.config}. Give the config, --benchmark and --cfg-options '
            'of the test.'
        )
    beside = reports.report_file(args.report).with_name('results')
    folder = args.results or beside
    bboxes = {each: read_result(folder, found[each]) for each in names}
    key, parts = main_score(report), []
    for each, pred in bboxes.items():
        heading = f'{each}: {key} {report["per_sequence"][each][key]:.4g}'
        parts.append(draw(found[each], pred, heading, args))
        print(heading)
    title = html.escape(f'{name}: lowest {key}')
    page = PAGE.format(title=title, body='\n'.join(parts))
    fileio.write_text(args.out_dir / 'index.html', page)
    print(args.out_dir / 'index.html')


def read_result(folder: Path, sequence: VideoSequence) -> np.ndarray:
    """Read (T, 4) xyxy in frame pixels; of several runs, the first.

    Raises:
        ValueError: If the result is missing, or it or the annotation has not
            one box per frame.
    """
    path = find_results(folder, sequence.name)[0]
    bboxes = xywh_to_xyxy(fileio.read_bboxes_xywh(path))
    for what, found in ((path, bboxes), (sequence.name, sequence.bboxes)):
        if len(found) != len(sequence):
            raise ValueError(
                f'{what} has {len(found)} boxes, expected {len(sequence)}, '
                'one per frame. Track the sequence again; test sets of which '
                'only the first box is public have no scores.'
            )
    return bboxes


def draw(sequence: VideoSequence, pred: np.ndarray, heading: str, args) -> str:
    """Write the pictures of a sequence and return its part of the page."""
    iou, visible = aligned_iou(pred, sequence.bboxes), sequence.visible
    lost_at, lost_for = longest_loss(iou, visible)
    extra = [lost_at] if lost_for else []
    numbers = choose_frames(len(sequence), args.num_frames, extra)
    frames = []
    for t in numbers:
        gt, text = None, f'#{t}'
        if visible[t]:
            gt, text = sequence.bboxes[t], f'#{t}  {iou[t]:.2f}'
        frame = sequence.read_frame(t)
        frames.append(
            pictures.SOTVisualizer.draw_frame(frame, pred[t], gt, text)
        )
    files = f'{sequence.name}.jpg', f'{sequence.name}_overlap.png'
    sheet, strip = (args.out_dir / file for file in files)
    pictures.write_image(sheet, pictures.contact_sheet(frames))
    pictures.plot_overlaps(iou, visible, strip, numbers)
    text = f'{len(sequence)} frames'
    if lost_for:
        text += f'; overlap below {LOST} from #{lost_at} on, {lost_for} frames'
    images = ''.join(f'<img src="{quote(file)}" alt="">' for file in files)
    return f'<h2>{html.escape(heading)}</h2>\n<p>{text}</p>\n{images}'


def longest_loss(overlaps: np.ndarray, visible: np.ndarray) -> tuple[int, int]:
    """Find where the target is lost for the longest time, and for how long.

    Args:
        overlaps: (T,).
        visible: (T,) bool; other frames do not count.

    Returns:
        First frame of it, and number of frames; 0 and 0 if it is never lost.
    """
    frames = np.flatnonzero(visible)
    # the target is not lost before the first and after the last of them
    padded = np.pad(overlaps[frames], 1, constant_values=1)
    held = np.flatnonzero(padded >= LOST)
    lengths = np.diff(held) - 1
    if not lengths.any():
        return 0, 0
    longest = lengths.argmax()
    return int(frames[held[longest]]), int(lengths[longest])


def choose_frames(num_frames: int, number: int, extra: list[int]) -> list[int]:
    """Choose at most `number` frames: spread evenly, and the extra ones."""
    spread = np.linspace(0, num_frames - 1, number - len(extra))
    return sorted({*spread.round().astype(int).tolist(), *extra})


def run_pack(args: argparse.Namespace) -> None:
    """Check that each sequence has its result, and pack.

    Raises:
        ValueError: If the test set is annotated, or results are not complete.
    """
    cfg, sequences = load_test_set(args)
    for sequence in sequences.values():
        if len(sequence.bboxes_xywh) == len(sequence) > 1:
            raise ValueError(
                f'{sequence.name} of {args.config} is annotated, so '
                'tools/test.py scores it. Give the test split, of which only '
                'first boxes are public.'
            )
    num_frames = {name: len(each) for name, each in sequences.items()}
    folders = (Path(args.report, name) for name in ('results', 'times'))
    benchmark = cfg.test_evaluator.benchmark
    write_submission(
        benchmark, *folders, num_frames, args.out, args.allow_incomplete
    )
    print(f'{args.out}: {len(num_frames)} sequences of {benchmark}')


if __name__ == '__main__':
    sys.exit(main())
