"""Time the data pipeline of a config beside that of the official code.

    python tools/analysis_tools/benchmark_dataloader.py [--photos DIR]

Writes 1280x720 JPEGs into a temporary folder, and makes the same pairs of
them with both pipelines in turn, first in this process, then in workers.
Prints tables in Markdown; docs/en/throughput.md explains them.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import torch
from benchmark_frames import make_frames
from mmengine.config import Config
from mmengine.logging import MMLogger
from pipeline_timing import (
    STAGES,
    alternate,
    medians,
    official_stages,
    our_stages,
    time_stages,
    time_workers,
)

from mmsimtrack.datasets import PairDataset, fill_pairs
from mmsimtrack.fileio import replace_atomically

ROOT = Path(__file__).parents[2]


def load_pairs(config: str, root: Path, reduced: bool) -> PairDataset:
    """The pairs of a config, of the generated frames."""
    whole = Config.fromfile(config)
    pairs = whole.train_dataloader.dataset
    cfg = Config(fill_pairs(pairs, whole.model))
    cfg.pop('type')
    data = dict(type='Got10kDataset', data_root=str(root), split='train')
    cfg.update(datasets=[data], ratios=[1])
    cfg.sampling.update(min_frames=2, min_visible=2)
    cfg.reading = dict(reduced=reduced)
    return PairDataset(**cfg)


def benchmark(args: argparse.Namespace) -> dict:
    """Write the frames and measure; see the option `--out`."""
    # one thread per process, as in workers
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with (
        tempfile.TemporaryDirectory() as root,
        mock.patch.dict(os.environ, MMSIMTRACK_CACHE=f'{root}/cache'),
    ):
        mean_size = make_frames(Path(root), args.images, args.photos)
        pairs = load_pairs(args.config, Path(root), reduced=False)
        pipelines = {'official': official_stages(pairs)}
        pipelines['ours'] = our_stages(pairs)
        if args.reduced_decoding:
            pairs = load_pairs(args.config, Path(root), reduced=True)
            pipelines['ours, reduced'] = our_stages(pairs)
        return {
            'command': ' '.join(['python', *sys.argv]),
            'machine': describe_machine(),
            'frame_kb': mean_size / 1000,
            'options': {k: str(v) for k, v in vars(args).items()},
            **measure(pipelines, args),
        }


def measure(pipelines: dict, args: argparse.Namespace) -> dict:
    """Measure pipelines in this process, then in workers."""
    size = args.batch_size
    keys = [(0, k) for k in range(args.pairs)]
    batches = [keys[i : i + size] for i in range(0, len(keys), size)]
    for pipeline in pipelines.values():  # warm up
        time_stages(pipeline, batches[:1])
    single = alternate(
        pipelines, args.repeats, lambda p: time_stages(p, batches)
    )
    official = [result['total'] for result in single['official']]
    ratios = {
        name: np.divide(official, [result['total'] for result in results])
        for name, results in single.items()
    }
    workers = {
        num: alternate(
            pipelines,
            args.repeats,
            functools.partial(
                time_workers,
                batches=batches,
                num_workers=num,
                step_time=args.step_time,
            ),
        )
        for num in args.num_workers
        if num
    }
    return {
        'ms_per_pair': {k: medians(v) for k, v in single.items()},
        'speed': {
            name: [np.median(ratio), ratio.min(), ratio.max()]
            for name, ratio in ratios.items()
        },
        'workers': {
            num: {k: medians(v) for k, v in found.items()}
            for num, found in workers.items()
        },
    }


def describe_machine() -> str:
    """Cores and processor, for tables of measurements."""
    lines = Path('/proc/cpuinfo')
    names = [
        line.split(': ')[1]
        for line in (lines.read_text() if lines.exists() else '').splitlines()
        if line.startswith('model name')
    ]
    cpu = names[0] if names else platform.processor()
    return (
        f'{os.cpu_count()} cores {cpu}, Python {platform.python_version()}, '
        f'OpenCV {cv2.__version__}, torch {torch.__version__}'
    )


def report(result: dict) -> str:
    """Tables in Markdown."""
    found = result['ms_per_pair']
    totals = [times['total'] for times in found.values()]
    rows = [
        ['CPU time per pair, ms', *found],
        ['---', *['---:'] * len(found)],
    ]
    for stage in (*STAGES, 'other', 'total'):
        rows.append([stage, *(f'{t[stage]:.2f}' for t in found.values())])
    rows.append(['pairs/s per core', *(f'{1000 / t:.0f}' for t in totals)])
    speeds = (
        '{:.2f} ({:.2f} to {:.2f})'.format(*speed)
        for speed in result['speed'].values()
    )
    rows.append(['speed, official = 1', *speeds])
    lines = [
        result['machine'],
        f'frames of {result["frame_kb"]:.0f} kB on average',
        '',
        *_table(rows),
    ]
    rows = [
        ['workers', 'pipeline', 'pairs/s', 'CPU ms per pair', 'wait'],
        ['---:', '---', '---:', '---:', '---:'],
    ]
    for num, found in result['workers'].items():
        for name, row in found.items():
            speed, cpu = f'{row["pairs_per_s"]:.0f}', f'{row["cpu_ms"]:.2f}'
            rows.append([str(num), name, speed, cpu, f'{row["wait"]:.0%}'])
    if result['workers']:
        lines += ['', *_table(rows)]
    return '\n'.join(lines)


def _table(rows: list[list[str]]) -> list[str]:
    return [f'| {" | ".join(row)} |' for row in rows]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add(
        '--config',
        default=ROOT / 'configs/simtrack/sim_b16_lasot.py',
        help='its crops, jitter and transforms are taken',
    )
    add('--images', type=int, default=120, help='JPEGs to write')
    add('--photos', type=Path, help='folder of photographs to make them of')
    add('--pairs', type=int, default=320, help='pairs of a repetition')
    add('--repeats', type=int, default=5, help='repetitions of each pipeline')
    add('--num-workers', type=int, nargs='*', default=[2], metavar='N')
    add('--batch-size', type=int, default=32)
    add(
        '--step-time',
        type=float,
        default=0.2,
        help='seconds that a step of the training takes, for the wait',
    )
    add(
        '--reduced-decoding',
        action='store_true',
        help='measure ours with reading.reduced too',
    )
    add('--out', help='JSON file for the numbers')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure, print, and write the numbers."""
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('WARNING')
    result = benchmark(args)
    print(report(result))
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(args.out) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
    main()
