"""Measure the annotation index: start-up, size, memory per worker.

Writes a data set in the layout of TrackingNet into a temporary folder, with
empty frames that videos of a length share through links, and prints a table
in Markdown. Linux only.

    python tools/benchmarks/index.py
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from measuring import describe_machine, elapsed
from mmengine.logging import MMLogger

from mmsimtrack.cli.options import make_parser
from mmsimtrack.datasets import TrackingNetDataset
from mmsimtrack.evaluation.reports import markdown_table

NUM_CHUNKS = 12
LENGTHS = range(317, 637, 20)  # frames of a video; 467 on average
MIB = 2**20


def make_trackingnet(root: Path, num_sequences: int) -> None:
    """Write annotations, and folders of empty frames."""
    for length in LENGTHS:
        shared = root / 'frames' / str(length)
        shared.mkdir(parents=True)
        for t in range(length):
            (shared / f'{t}.jpg').touch()
        walk = np.random.default_rng(length).normal(size=(length, 4))
        rows = 100 + np.abs(walk.cumsum(0))
        np.savetxt(root / f'frames/{length}.txt', rows, '%.2f', ',')
    for i in range(num_sequences):
        chunk, name = root / f'TRAIN_{i % NUM_CHUNKS}', f'video_{i:06d}_0'
        shared = root / f'frames/{LENGTHS[i // NUM_CHUNKS % len(LENGTHS)]}'
        for folder in ('anno', 'frames'):
            (chunk / folder).mkdir(parents=True, exist_ok=True)
        text = shared.with_suffix('.txt').read_text()
        (chunk / 'anno' / f'{name}.txt').write_text(text)
        (chunk / 'frames' / name).symlink_to(shared)


def load(root: Path) -> TrackingNetDataset:
    """Load the data set; small ones do not fill all chunks."""
    chunks = range(len(list(root.glob('TRAIN_*'))))
    return TrackingNetDataset(root, 'train', chunks)


def time_start(root: Path) -> dict:
    """Load the data set; to be called in a fresh process.

    Returns:
        `wall` and `cpu` time in seconds, `frames`, `rss`: memory that was
        resident at most, in MiB, code included.
    """
    wall, cpu, dataset = elapsed(load, root)
    frames = int(dataset.num_frames().sum())
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {'wall': wall, 'cpu': cpu, 'frames': frames, 'rss': rss}


def memory_after(dataset: TrackingNetDataset | None, num_draws: int) -> float:
    """Draw from a data set, if any, and return `own_memory`."""
    rng = np.random.default_rng(os.getpid())
    for _ in range(num_draws if dataset else 0):
        sequence = dataset.get_sequence(int(rng.integers(len(dataset))))
        t = rng.choice(np.flatnonzero(sequence.visible))
        sequence.frame_path(t), sequence.bboxes[t].sum()
    return own_memory()


def own_memory() -> float:
    """Read the memory that no other process shares (USS), in MiB."""
    rows = Path('/proc/self/smaps_rollup').read_text().splitlines()
    private = [row.split()[1] for row in rows if row.startswith('Private_')]
    return sum(map(int, private)) / 1024


def measure_workers(
    dataset: TrackingNetDataset, start_method: str, num_workers: int
) -> list[float]:
    """Measure the USS that the index adds to each worker, in MiB.

    Args:
        dataset: To draw from, as many draws per worker as it has sequences.
        start_method: `fork` or `spawn`.
        num_workers: Processes that draw.
    """
    found = []
    for one in (None, dataset):
        jobs = [(one, len(dataset))] * num_workers
        with multiprocessing.get_context(start_method).Pool(num_workers) as p:
            found.append(sorted(p.starmap(memory_after, jobs, chunksize=1)))
    return [total - base for base, total in zip(*found)]


def benchmark(root: Path, args: argparse.Namespace) -> str:
    """Measure everything, and make a table."""
    make_trackingnet(root, args.sequences)
    starts = []
    for _ in range(1 + args.repeats):
        with multiprocessing.get_context('fork').Pool(1) as pool:
            starts.append(pool.apply(time_start, (root,)))
    cold, warm = starts[0], min(starts[1:], key=lambda found: found['wall'])
    files = Path(os.environ['MMSIMTRACK_CACHE']).rglob('*')
    size = sum(file.stat().st_size for file in files if file.is_file())
    rows = [
        ('sequences', f'{args.sequences:,}'),
        ('frames', f'{cold["frames"]:,}'),
        ('index on disk', f'{size / MIB:.1f} MiB'),
    ]
    for name, found in (('first', cold), ('warm', warm)):
        times = f'{found["wall"]:.2f} s ({found["cpu"]:.2f} s)'
        rows.append((f'{name} start-up, wall (CPU)', times))
        rows.append((f'{name} start-up, RSS', f'{found["rss"]:.0f} MiB'))
    for method in args.methods:
        added = measure_workers(load(root), method, args.workers)
        texts = ', '.join(f'{memory:.1f}' for memory in added)
        rows.append((f'USS per worker, {method}', f'{texts} MiB'))
    return markdown_table((describe_machine(), ''), rows)


def main() -> None:
    """Measure in a temporary folder, which is deleted."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    text = 'sequences of the data set, 467 frames each (default: 30000)'
    add('--sequences', type=int, default=30_000, help=text)
    text = 'processes that draw (default: 2)'
    add('--workers', type=int, default=2, help=text)
    text = 'warm starts, of which the best counts (default: 3)'
    add('--repeats', type=int, default=3, help=text)
    methods = ['fork', 'spawn']
    add('--methods', nargs='+', default=methods, help='to start workers with')
    args = parser.parse_args()
    MMLogger.get_current_instance().setLevel('WARNING')
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, MMSIMTRACK_CACHE=f'{folder}/cache'),
    ):
        print(benchmark(Path(folder) / 'trackingnet', args))


if __name__ == '__main__':
    main()
