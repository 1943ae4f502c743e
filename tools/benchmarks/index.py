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
import time
from pathlib import Path
from unittest import mock

import numpy as np
from measuring import describe_machine, make_table
from mmengine.logging import MMLogger
from torch.utils.data import DataLoader, Dataset

from mmsimtrack.datasets import TrackingNetDataset

NUM_CHUNKS = 12
LENGTHS = range(317, 637, 20)  # frames of a video; 467 on average
DRAWS_PER_SAMPLE = 1000
MIB = 2**20


def make_trackingnet(root: Path, num_sequences: int) -> None:
    """Write annotations, and folders of empty frames."""
    texts = {}
    for length in LENGTHS:
        shared = root / 'frames' / str(length)
        shared.mkdir(parents=True)
        for t in range(length):
            (shared / f'{t}.jpg').touch()
        walk = np.random.default_rng(length).normal(size=(length, 4))
        rows = 100 + np.abs(walk.cumsum(0))
        lines = (','.join(f'{value:.2f}' for value in row) for row in rows)
        texts[length] = '\n'.join(lines) + '\n'
    for i in range(num_sequences):
        chunk = root / f'TRAIN_{i % NUM_CHUNKS}'
        length = LENGTHS[i // NUM_CHUNKS % len(LENGTHS)]
        for name in ('anno', 'frames'):
            (chunk / name).mkdir(parents=True, exist_ok=True)
        name = f'video_{i:06d}_0'
        (chunk / 'anno' / f'{name}.txt').write_text(texts[length])
        shared = root / 'frames' / str(length)
        (chunk / 'frames' / name).symlink_to(shared)


def load(root: Path, num_sequences: int) -> TrackingNetDataset:
    """Load the data set; small ones do not fill all chunks."""
    chunks = range(min(num_sequences, NUM_CHUNKS))
    return TrackingNetDataset(root, 'train', chunks)


def time_start(root: Path, num_sequences: int) -> dict:
    """Load the data set in a fresh process.

    Returns:
        `wall` and `cpu` time in seconds, `frames`, `rss`: memory that was
        resident at most, in MiB, code included.
    """
    context = multiprocessing.get_context('fork')
    with context.Pool(1) as pool:
        return pool.apply(_time_start, (root, num_sequences))


def _time_start(root: Path, num_sequences: int) -> dict:
    wall, cpu = time.perf_counter(), time.process_time()
    dataset = load(root, num_sequences)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    frames = int(dataset.num_frames().sum())
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {'wall': wall, 'cpu': cpu, 'frames': frames, 'rss': rss}


class Draws(Dataset):
    """A sample: the own memory of a worker after many draws from an index.

    Args:
        dataset: Data set to draw from; None to measure a worker without one.
        num_samples: Samples of all workers together.
    """

    def __init__(
        self, dataset: TrackingNetDataset | None, num_samples: int
    ) -> None:
        self.dataset = dataset
        self.num_samples = num_samples

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, i: int) -> tuple[int, float]:
        """Draw, and return the process and its memory in MiB."""
        rng = np.random.default_rng(i)
        for _ in range(DRAWS_PER_SAMPLE if self.dataset else 0):
            which = int(rng.integers(len(self.dataset)))
            sequence = self.dataset.get_sequence(which)
            t = rng.choice(np.flatnonzero(sequence.visible))
            sequence.frame_path(t), sequence.bboxes[t].sum()
        return os.getpid(), own_memory()


def own_memory() -> float:
    """Read the memory that no other process shares (USS), in MiB."""
    rows = Path('/proc/self/smaps_rollup').read_text().splitlines()
    private = [row.split()[1] for row in rows if row.startswith('Private_')]
    return sum(map(int, private)) / 1024


def measure_workers(
    dataset: TrackingNetDataset, start_method: str, num_workers: int
) -> list[float]:
    """Measure the highest USS that the index adds to each worker, in MiB.

    Args:
        dataset: To draw from, as many draws per worker as it has sequences.
        start_method: `fork` or `spawn`.
        num_workers: Workers of the data loader.
    """
    num_samples = num_workers * (len(dataset) // DRAWS_PER_SAMPLE + 1)
    highest = []
    for one in (None, dataset):
        loader = DataLoader(
            Draws(one, num_samples),
            batch_size=None,
            num_workers=num_workers,
            multiprocessing_context=start_method,
        )
        found = {}
        for process, memory in loader:
            found[process] = max(memory, found.get(process, 0))
        highest.append(sorted(found.values()))
    return [total - base for base, total in zip(*highest)]


def benchmark(root: Path, args: argparse.Namespace) -> str:
    """Measure everything, and make a table."""
    cold = time_start(root, args.sequences)
    warm = [time_start(root, args.sequences) for _ in range(args.repeats)]
    warm = min(warm, key=lambda found: found['wall'])
    files = Path(os.environ['MMSIMTRACK_CACHE']).rglob('*')
    size = sum(file.stat().st_size for file in files if file.is_file())
    rows = [
        (describe_machine(), ''),
        ('sequences', f'{args.sequences:,}'),
        ('frames', f'{cold["frames"]:,}'),
        ('index on disk', f'{size / MIB:.1f} MiB'),
    ]
    for name, found in (('first', cold), ('warm', warm)):
        times = f'{found["wall"]:.2f} s ({found["cpu"]:.2f} s)'
        rows.append((f'{name} start-up, wall (CPU)', times))
        rows.append((f'{name} start-up, RSS', f'{found["rss"]:.0f} MiB'))
    dataset = load(root, args.sequences)
    for method in args.methods:
        added = measure_workers(dataset, method, args.workers)
        texts = ', '.join(f'{memory:.1f}' for memory in added)
        rows.append((f'USS per worker, {method}', f'{texts} MiB'))
    return make_table(rows)


def main() -> None:
    """Measure in a temporary folder, which is deleted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add('--sequences', type=int, default=30_000, help='467 frames each')
    add('--workers', type=int, default=2, help='of the data loader')
    add('--repeats', type=int, default=3, help='warm starts; the best counts')
    methods = ['fork', 'spawn']
    add('--methods', nargs='+', default=methods, help='to start workers with')
    args = parser.parse_args()
    MMLogger.get_current_instance().setLevel('WARNING')
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, MMSIMTRACK_CACHE=f'{folder}/cache'),
    ):
        root = Path(folder) / 'trackingnet'
        make_trackingnet(root, args.sequences)
        print(benchmark(root, args))


if __name__ == '__main__':
    main()
