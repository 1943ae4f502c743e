"""Plot the losses of one or several trainings, and print where they stand.

    python tools/analysis_tools/analyze_logs.py WORK_DIR [WORK_DIR ...]

A training that was resumed is one curve: a later part replaces the steps that
it repeats. What is logged can be plotted: losses, lr, grad_norm, time,
data_share, pair/iou ...
"""

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parent))
from visualize_attention import parse_image  # noqa: E402

from mmsimtrack.fileio import replace_atomically

LOG = 'vis_data/scalars.json'
DEFAULT_KEYS = ('loss', 'loss_iou', 'loss_bbox', 'pair/iou')


def find_logs(path: str | Path) -> list[Path]:
    """Logs of a training in the order of its parts.

    Args:
        path: Its work dir, the folder of one part, or one `scalars.json`.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    # folders are named by the time at which a part began
    logs = [*path.glob(LOG), *sorted(path.glob(f'*/{LOG}'))]
    if not logs:
        raise FileNotFoundError(
            f'{path} holds no <date>/{LOG}. Give the work dir of a training, '
            'or a scalars.json.'
        )
    return logs


def read_log(path: Path) -> list[dict]:
    """Rows of one log: key -> value, with the training step as `step`.

    Rows of a validation, which count epochs, get the last step before them;
    those of a test are left out.

    Raises:
        ValueError: If a line but the last, which a killed run may leave
            unfinished, is no JSON.
    """
    rows, step = [], None
    lines = path.read_text().splitlines()
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
            step = row['step']
            if row.get('time') and 'data_time' in row:
                row.setdefault('data_share', row['data_time'] / row['time'])
        elif step is None:
            continue
        else:
            # its times are not those of training steps
            times = ('data_time', 'time')
            row = {k: v for k, v in row.items() if k not in times}
            row.update(step=step)
        rows.append(row)
    return rows


def read_training(path: str | Path) -> list[dict]:
    """Rows of a training, its parts joined; see `read_log`.

    Raises:
        FileNotFoundError: If there is no log.
        ValueError: If the logs hold no training step.
    """
    joined = []
    for log in find_logs(path):
        rows = read_log(log)
        if rows:
            first = rows[0]['step']
            joined = [row for row in joined if row['step'] < first] + rows
    if not joined:
        raise ValueError(
            f'{path} holds logs, but no training step is in them. Wait for '
            'the first line of the log, or give another work dir.'
        )
    return joined


def curve(rows: Sequence[dict], key: str) -> tuple[np.ndarray, np.ndarray]:
    """(N,) steps and (N,) values of a key."""
    rows = [row for row in rows if key in row]
    return (
        np.array([row['step'] for row in rows]),
        np.array([row[key] for row in rows], float),
    )


def smooth_values(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of each value and its neighbours; fewer of them at the ends.

    Args:
        values: (N,); those not finite are left out.
        window: How many values to average; 1 changes nothing.
    """
    known = np.isfinite(values)
    total, count = (
        np.convolve(np.pad(one, window // 2), np.ones(window), 'valid')
        for one in (np.where(known, values, 0), known)
    )
    return np.where(known, total, np.nan) / count.clip(1)


def choose_keys(
    trainings: dict[str, list[dict]], wanted: Sequence[str] | None
) -> list[str]:
    """Keys to plot.

    Raises:
        KeyError: If no training has one of the wanted ones.
    """
    found = {
        key
        for rows in trainings.values()
        for row in rows
        for key in row
        if key not in ('step', 'iter', 'epoch')
    }
    if wanted is None:
        return [key for key in DEFAULT_KEYS if key in found]
    missing = [key for key in wanted if key not in found]
    if missing:
        raise KeyError(
            f'--keys: found no {", ".join(missing)} in the logs, expected '
            f'some of: {", ".join(sorted(found))}.'
        )
    return list(wanted)


def plot(
    trainings: dict[str, list[dict]],
    keys: Sequence[str],
    window: int,
    path: str | Path,
) -> None:
    """Draw one panel per key, one color per training.

    Args:
        trainings: Label -> rows.
        keys: To plot.
        window: Of `smooth_values`; the values themselves are drawn pale.
        path: Image file to write.
    """
    columns = 2 if len(keys) == 4 else min(len(keys), 3)
    lines = math.ceil(len(keys) / columns)
    size = (4.8 * columns, 3.6 * lines)
    figure = Figure(figsize=size, layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False).flat
    for key, axes in zip(keys, panels):
        for i, (label, rows) in enumerate(trainings.items()):
            steps, values = curve(rows, key)
            if not len(steps):
                continue
            style = dict(color=f'C{i}', marker='.' if len(steps) < 30 else '')
            # what a validation gives is a mean already
            if window > 1 and key in rows[0]:
                axes.plot(steps, values, **style, alpha=0.25)
                values = smooth_values(values, window)
            axes.plot(steps, values, **style, label=label)
        axes.set(title=key, xlabel='step')
        axes.grid(color='0.88', linewidth=0.8)
        axes.spines[['top', 'right']].set_visible(False)
    for axes in list(panels):  # what is left over in the last line
        axes.remove()
    if len(trainings) > 1:
        figure.axes[0].legend(framealpha=0.9, edgecolor='0.8', fontsize=9)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix[1:], dpi=120)


def last_epoch(rows: Sequence[dict]) -> list[dict]:
    """Rows of the last whole epoch; without epochs, the last tenth."""
    epochs = [row['epoch'] for row in rows if row.get('epoch') is not None]
    if not epochs:
        return list(rows[-math.ceil(len(rows) / 10) :])
    sizes = Counter(epochs)
    last = max(e for e, size in sizes.items() if size == max(sizes.values()))
    return [row for row in rows if row.get('epoch') == last]


def print_table(trainings: dict[str, list[dict]], keys: Sequence[str]) -> None:
    """Print where each key of each training stands."""
    table = [('training', 'key', 'step', 'last', 'mean of last epoch')]
    for label, rows in trainings.items():
        for key in dict.fromkeys((*keys, 'time', 'data_share')):
            steps, values = curve(rows, key)
            if len(steps):
                recent = curve(last_epoch(rows), key)[1]
                mean = f'{recent.mean():.4g}' if len(recent) else '-'
                last = f'{values[-1]:.4g}'
                table.append((label, key, str(steps[-1]), last, mean))
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        # words left, numbers right
        words = [cell.ljust(width) for cell, width in zip(row[:2], widths)]
        numbers = [
            cell.rjust(width) for cell, width in zip(row[2:], widths[2:])
        ]
        print('  '.join(words + numbers))


def parse_args() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        'logs', nargs='+', help='work dirs, or files scalars.json'
    )
    parser.add_argument(
        '--keys',
        nargs='+',
        help=f'what to plot (default: {" ".join(DEFAULT_KEYS)}, if logged)',
    )
    parser.add_argument(
        '--labels', nargs='+', help='their names (default: as given)'
    )
    parser.add_argument(
        '--smooth',
        type=int,
        default=1,
        metavar='N',
        help='draw means of N logged values of the training, N odd (default: '
        '1, off)',
    )
    parser.add_argument(
        '--out',
        type=parse_image,
        default='losses.png',
        help='picture to write (default: losses.png)',
    )
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
    print_table(trainings, keys)
    plot(trainings, keys, args.smooth, args.out)
    print(f'Drew {", ".join(keys)} to {args.out}.')


if __name__ == '__main__':
    main()
