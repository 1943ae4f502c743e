"""Time the data pipeline of a config, also beside that of the official code.

    python tools/benchmarks/dataloader.py [--released] [--photos DIR]

Writes 1280x720 JPEGs into a temporary folder, and makes the same pairs of
them with all pipelines in turn, first in this process, then in workers.
Prints tables in Markdown; docs/en/throughput.md explains them.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import cv2
import numpy as np
import torch
from measuring import SIZE, StageClock, describe_machine, write_frames
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.logging import MMLogger
from torch.utils.data import DataLoader, Dataset

from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import make_parser
from mmsimtrack.datasets import PairDataset, VideoSequence, fill_pairs
from mmsimtrack.evaluation.reports import markdown_table
from mmsimtrack.structures import CropWindow

ROOT = Path(__file__).parents[2]
SIDES = (20, 400)  # of the target, in pixels; sqrt(w * h)
FRAME_STAGES = ('draw', 'read + decode', 'augment frames')
STAGES = (*FRAME_STAGES, 'crop', 'augment crops', 'pack', 'collate')


class Pipeline(NamedTuple):
    """A way from keys to batches that is timed.

    Attributes:
        dataset: Pairs by key.
        collate: Function that makes a batch of them.
        stages: Functions, as (owner, attribute, stage).
    """

    dataset: Dataset
    collate: Callable
    stages: list[tuple[object, str, str]]


def write_data(root: Path, num_images: int, photos: Path | None) -> None:
    """Write sequences of two frames in the layout of GOT-10k."""
    paths = sorted(photos.rglob('*.jpg')) if photos else []
    if photos and not paths:
        raise FileNotFoundError(f'--photos: no *.jpg in {photos}.')
    names = [f'sequence_{i:04d}' for i in range(-(-num_images // 2))]
    for i, name in enumerate(names):
        rng = np.random.default_rng(i)
        folder = root / 'train' / name
        write_frames(folder, range(1, 3), rng, paths)
        side = np.exp(rng.uniform(*np.log(SIDES)))
        stretch = np.exp(rng.uniform(-0.5, 0.5))  # up to 660 px wide or high
        size = np.array([side * stretch, side / stretch])
        corners = rng.random((2, 2)) * (SIZE - size)
        rows = np.concatenate([corners, np.tile(size, (2, 1))], axis=1)
        np.savetxt(folder / 'groundtruth.txt', rows, '%.4f', ',')
        np.savetxt(folder / 'absence.label', [0, 0], '%d')
        np.savetxt(folder / 'cover.label', [8, 8], '%d')
    (root / 'train/list.txt').write_text('\n'.join(names) + '\n')


def make_pipeline(config: str, root: Path, reduced: bool) -> Pipeline:
    """Make our pipeline, up to what goes to the device."""
    whole = Config.fromfile(config)
    cfg = Config(fill_pairs(whole.train_dataloader.dataset, whole.model))
    cfg.pop('type')
    data = dict(type='Got10kDataset', data_root=str(root), split='train')
    cfg.update(datasets=[data], ratios=[1], reading=dict(reduced=reduced))
    cfg.sampling.update(min_frames=2, min_visible=2)
    pairs = PairDataset(**cfg)
    *augment, pack = pairs.transforms
    stages = [
        (pairs, 'draw', 'draw'),
        (VideoSequence, 'read_frame', 'read + decode'),
        (VideoSequence, 'read_reduced', 'read + decode'),
        (CropWindow, 'cut', 'crop'),
        *((transform, 'transform', 'augment crops') for transform in augment),
        (pack, 'transform', 'pack'),
    ]
    return Pipeline(pairs, default_collate, stages)


def released_pipeline(pairs: PairDataset) -> Pipeline:
    """Make the official pipeline, as rewritten for the tests."""
    sys.path.insert(0, str(ROOT / 'tests'))
    from test_parity.released_pairs import ReleasedPairs

    released = ReleasedPairs(pairs)
    stages = [
        (pairs, 'draw', 'draw'),
        (released, 'read', 'read + decode'),
        (released, 'augment_frames', 'augment frames'),
        (released, 'crop', 'crop'),
        (released, 'augment_crop', 'augment crops'),
        (released, 'pack', 'pack'),
    ]
    return Pipeline(released, torch.utils.data.default_collate, stages)


def time_stages(pipeline: Pipeline, batches: list[list]) -> dict[str, float]:
    """Measure CPU milliseconds per pair, by stage and in `total`."""
    clock = StageClock()
    collate = clock.wrap('collate', pipeline.collate)
    start = time.process_time()
    with clock.running(pipeline.stages):
        for keys in batches:
            collate([pipeline.dataset[key] for key in keys])
    seconds = clock.seconds | Counter(total=time.process_time() - start)
    scale = 1000 / sum(map(len, batches))
    found = {stage: seconds[stage] * scale for stage in (*STAGES, 'total')}
    found['other'] = found['total'] - sum(found[stage] for stage in STAGES)
    return found


def time_workers(
    pipeline: Pipeline, batches: list[list], num_workers: int, step_time: float
) -> dict[str, float]:
    """Load batches as a training does, whose steps sleep.

    Returns:
        `pairs_per_s` (wall), `cpu_ms` per pair, of the workers and of this
        process, and `wait`, the share of time that steps waited for data;
        without the time until the first batch.
    """
    options = dict(num_workers=num_workers, collate_fn=pipeline.collate)
    loader = DataLoader(pipeline.dataset, batch_sampler=batches, **options)
    cpu, arrivals = _cpu_seconds(), []
    for _ in loader:
        arrivals.append(time.perf_counter())
        # the last one has arrived: no more to wait
        time.sleep(step_time * (len(arrivals) < len(batches)))
    cpu = _cpu_seconds() - cpu  # workers have ended with the loader
    whole = arrivals[-1] - arrivals[0]
    return {
        'pairs_per_s': sum(map(len, batches[1:])) / whole,
        'cpu_ms': 1000 * cpu / sum(map(len, batches)),
        'wait': 1 - step_time * (len(batches) - 1) / whole,
    }


def _cpu_seconds() -> float:
    """Add up the time of this process and of those that have ended."""
    return sum(os.times()[:4])


def alternate(
    pipelines: dict, repeats: int, measure: Callable
) -> dict[str, dict[str, float]]:
    """Measure the pipelines in turn, so that what else runs slows all.

    Returns:
        The medians of each pipeline.
    """
    found = {name: [] for name in pipelines}
    for _ in range(repeats):
        for name, pipeline in pipelines.items():
            found[name].append(measure(pipeline))
    return {
        name: {key: np.median([one[key] for one in all_]) for key in all_[0]}
        for name, all_ in found.items()
    }


def benchmark(args: argparse.Namespace, root: Path) -> str:
    """Write the frames, measure, and make the tables."""
    write_data(root, args.images, args.photos)
    pipelines = {'ours': make_pipeline(args.config, root, reduced=False)}
    if args.reduced_decoding:
        reduced = make_pipeline(args.config, root, reduced=True)
        pipelines['ours, reduced'] = reduced
    if args.released:
        released = released_pipeline(pipelines['ours'].dataset)
        pipelines['official'] = released
    keys = [(0, k) for k in range(args.pairs)]
    size = args.batch_size
    batches = [keys[i : i + size] for i in range(0, len(keys), size)]
    alternate(pipelines, 1, lambda p: time_stages(p, batches[:1]))  # warm up
    found = alternate(
        pipelines, args.repeats, lambda p: time_stages(p, batches)
    )
    rows = [
        [stage, *(f'{times[stage]:.2f}' for times in found.values())]
        for stage in (*STAGES, 'other', 'total')
    ]
    speeds = (f'{1000 / times["total"]:.0f}' for times in found.values())
    header = ['CPU time per pair, ms', *found]
    rows.append(['pairs/s per core', *speeds])
    tables = [describe_machine() + '\n', markdown_table(header, rows)]
    for num in filter(None, args.num_workers):
        found = alternate(
            pipelines,
            args.repeats,
            lambda p, num=num: time_workers(p, batches, num, args.step_time),
        )
        rows = []
        for name, row in found.items():
            pairs, cpu, wait = row.values()
            rows.append([name, f'{pairs:.0f}', f'{cpu:.2f}', f'{wait:.0%}'])
        header = [f'{num} workers', 'pairs/s', 'CPU ms per pair', 'wait']
        tables.append(markdown_table(header, rows))
    return '\n'.join(tables)


def main(argv: list[str] | None = None) -> None:
    """Measure, and print tables."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    config = ROOT / 'configs/simtrack/sim_b16_lasot.py'
    add('--config', default=config, help='its crops and transforms are taken')
    add('--images', type=int, default=120, help='JPEGs to write')
    add('--photos', type=Path, help='folder of photographs to make them of')
    add('--pairs', type=int, default=320, help='pairs of a repetition')
    add('--repeats', type=int, default=5, help='repetitions of each pipeline')
    add('--num-workers', type=int, nargs='*', default=[2], metavar='N')
    add('--batch-size', type=int, default=32)
    text = 'seconds that a step of the training takes, for the wait'
    add('--step-time', type=float, default=0.2, help=text)
    text = 'measure ours with reading.reduced too'
    add('--reduced-decoding', action='store_true', help=text)
    text = 'measure the official pipeline too; needs tests/'
    add('--released', action='store_true', help=text)
    args = parser.parse_args(argv)
    MMLogger.get_current_instance().setLevel('WARNING')
    # one thread per process, as in workers
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with (
        tempfile.TemporaryDirectory() as root,
        mock.patch.dict(os.environ, MMSIMTRACK_CACHE=f'{root}/cache'),
    ):
        print(benchmark(args, Path(root)))


if __name__ == '__main__':
    run_tool(main)
