"""Plot the losses of one or several trainings, and print where they stand.

    python tools/analysis_tools/analyze_logs.py WORK_DIR [WORK_DIR ...]

A training that was resumed is one curve: a later part replaces the steps that
it repeats. Whatever is logged can be plotted: losses, lr, grad_norm, time,
data_share, pair/iou ...
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np

from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import make_parser, parse_image
from mmsimtrack.evaluation.reports import markdown_table
from mmsimtrack.visualization.ope_plots import new_figure, save_figure

LOG = 'vis_data/scalars.json'
DEFAULT_KEYS = ('loss', 'loss_iou', 'loss_bbox', 'pair/iou')


def read_log(path: Path) -> list[dict]:
    """Read the rows of one log: key -> value, `step` counts training steps.

    Rows of a validation, which count epochs, get the last step before them;
    those of a test are left out.

    Raises:
        ValueError: If a line but the last, which a killed run may leave
            unfinished, is no JSON.
    """
    rows, lines = [], path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                break
            raise ValueError(
                f'{path}, line {number}: {line[:60]!r} is no JSON ({error}). '
                'Expected a row of values; delete the line.'
            ) from error
        if 'lr' in row:
            if row.get('time') and 'data_time' in row:
                row.setdefault('data_share', row['data_time'] / row['time'])
            rows.append(row)
        elif rows:  # the times of a validation are not those of a step
            row = {k: v for k, v in row.items() if not k.endswith('time')}
            rows.append({**row, 'step': rows[-1]['step']})
    return rows


def read_training(path: str | Path) -> list[dict]:
    """Read a training, its parts joined; see `read_log`.

    Args:
        path: Its work dir, the folder of one part, or one `scalars.json`.

    Raises:
        FileNotFoundError: If there is no log.
        ValueError: If the logs hold no training step.
    """
    path = Path(path)
    # folders are named by the time at which a part began
    logs = [*path.glob(LOG), *sorted(path.glob(f'*/{LOG}'))]
    logs = [path] if path.is_file() else logs
    if not logs:
        raise FileNotFoundError(
            f'{path} holds no <date>/{LOG}. Give the work dir of a training, '
            'or a scalars.json.'
        )
    joined = []
    for rows in filter(None, map(read_log, logs)):
        first = rows[0]['step']
        joined = [row for row in joined if row['step'] < first] + rows
    if not joined:
        raise ValueError(
            f'{path} holds logs, but no training step is in them. Wait for '
            'the first line of the log, or give another work dir.'
        )
    return joined


def curve(rows: list[dict], key: str) -> np.ndarray:
    """Take the values of a key: (2, N), steps and values."""
    found = [(row['step'], row[key]) for row in rows if key in row]
    return np.array(found, float).reshape(-1, 2).T


def smooth_values(values: np.ndarray, window: int) -> np.ndarray:
    """Average each value and its neighbors; fewer of them at the ends.

    Args:
        values: (N,); those not finite are left out.
        window: How many values to average, odd; 1 changes nothing.
    """
    padded = np.pad(values, window // 2, constant_values=np.nan)
    near = np.lib.stride_tricks.sliding_window_view(padded, window)
    near = np.ma.masked_invalid(near).mean(axis=1).filled(np.nan)
    return np.where(np.isfinite(values), near, np.nan)


def choose_keys(
    trainings: dict[str, list[dict]], wanted: list[str] | None
) -> list[str]:
    """Choose the keys to plot.

    Raises:
        KeyError: If no training has one of the wanted ones.
    """
    found = {k for rows in trainings.values() for row in rows for k in row}
    found -= {'step', 'iter', 'epoch'}
    if wanted is None:
        return [key for key in DEFAULT_KEYS if key in found]
    missing = [key for key in wanted if key not in found]
    if missing:
        raise KeyError(
            f'--keys: found no {", ".join(missing)} in the logs, expected '
            f'some of: {", ".join(sorted(found))}.'
        )
    return wanted


def plot(
    trainings: dict[str, list[dict]], keys: list[str], window: int, path: str
) -> None:
    """Draw one panel per key, one color per training.

    Args:
        trainings: Label -> rows.
        keys: What to plot.
        window: See `smooth_values`; the values themselves are drawn pale.
        path: Image file to write.
    """
    columns = 2 if len(keys) == 4 else min(len(keys), 3)
    lines = math.ceil(len(keys) / columns)
    figure = new_figure((4.8 * columns, 3.6 * lines))
    for place, key in enumerate(keys, 1):
        axes = figure.add_subplot(lines, columns, place)
        for i, (label, rows) in enumerate(trainings.items()):
            steps, values = curve(rows, key)
            style = dict(color=f'C{i}', marker='.' if len(steps) < 30 else '')
            # what a validation gives is a mean already
            if window > 1 and key in rows[0]:
                axes.plot(steps, values, **style, alpha=0.25)
                values = smooth_values(values, window)
            axes.plot(steps, values, **style, label=label)
        axes.set(title=key, xlabel='step')
        axes.grid(color='0.88', linewidth=0.8)
    if len(trainings) > 1:
        figure.axes[0].legend(fontsize=9)
    save_figure(figure, path, dpi=120)


def summary(trainings: dict[str, list[dict]], keys: list[str]) -> str:
    """Make a table of the last value of each key and of its recent mean."""
    table = []
    for label, rows in trainings.items():
        for key in dict.fromkeys((*keys, 'time', 'data_share')):
            steps, values = curve(rows, key)
            if len(steps):
                mean = values[steps > 0.9 * steps[-1]].mean()
                table.append([label, key, int(steps[-1]), values[-1], mean])
    header = ['training', 'key', 'step', 'last', 'mean of the last tenth']
    return markdown_table(header, table)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('logs', nargs='+', help='work dirs, or files scalars.json')
    text = f'what to plot (default: {" ".join(DEFAULT_KEYS)}, if logged)'
    add('--keys', nargs='+', help=text)
    text = 'names of the trainings (default: as given)'
    add('--labels', nargs='+', help=text)
    text = 'draw means of N logged values, N odd (default: 1, off)'
    add('--smooth', type=int, default=1, metavar='N', help=text)
    text = 'picture to write (default: losses.png)'
    add('--out', type=parse_image, default='losses.png', help=text)
    args = parser.parse_args()
    args.labels = args.labels or args.logs
    if not len(args.logs) == len(args.labels) == len(set(args.labels)):
        parser.error(
            f'--labels: found {args.labels} for {len(args.logs)} trainings, '
            'expected a different one for each'
        )
    if args.smooth < 1 or args.smooth % 2 == 0:
        parser.error(f'--smooth is {args.smooth}, expected 1, 3, 5 ...')
    return args


def main() -> None:
    """Print the table and write the picture."""
    args = parse_args()
    trainings = dict(zip(args.labels, map(read_training, args.logs)))
    keys = choose_keys(trainings, args.keys)
    print(summary(trainings, keys))
    plot(trainings, keys, args.smooth, args.out)
    print(f'Drew {", ".join(keys)} to {args.out}.')


if __name__ == '__main__':
    run_tool(main)
