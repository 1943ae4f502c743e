"""Time the stages of a data pipeline, and its batches from workers."""

from __future__ import annotations

import functools
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple
from unittest import mock

import numpy as np
from mmengine.dataset import default_collate
from official_pipeline import OfficialPipeline
from torch.utils.data import DataLoader, Dataset

from mmsimtrack.datasets import PairDataset, VideoSequence
from mmsimtrack.structures import CropWindow

STAGES = (
    'draw',
    'read + decode',
    'augment frames',
    'crop',
    'augment crops',
    'pack',
    'collate',
)


class StageClock:
    """Adds up the CPU seconds of functions, by stage.

    Attributes:
        seconds: By the name of a stage.
    """

    def __init__(self) -> None:
        self.seconds = Counter()

    def wrap(self, stage: str, function: Callable) -> Callable:
        """The function, under the clock."""

        @functools.wraps(function)
        def timed(*args, **kwargs):
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[stage] += time.process_time() - start

        return timed

    @contextmanager
    def running(self, stages: list[tuple[object, str, str]]) -> Iterator:
        """Put attributes under the clock: (owner, attribute, stage)."""
        with ExitStack() as stack:
            for owner, name, stage in stages:
                timed = self.wrap(stage, getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, timed))
            yield


class Pipeline(NamedTuple):
    """What to time.

    Attributes:
        dataset: Of pairs, by key.
        collate: Makes a batch of them.
        stages: Functions, as (owner, attribute, stage).
    """

    dataset: Dataset
    collate: Callable
    stages: list[tuple[object, str, str]]


def our_stages(pairs: PairDataset) -> Pipeline:
    """Ours, up to what goes to the device."""
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


def official_stages(pairs: PairDataset) -> Pipeline:
    """The official one, of the same pairs."""
    official = OfficialPipeline(pairs)
    stages = [
        (pairs, 'draw', 'draw'),
        (official, 'read', 'read + decode'),
        (official, 'augment_frames', 'augment frames'),
        (official, 'crop', 'crop'),
        (official, 'augment_crop', 'augment crops'),
        (official, 'pack', 'pack'),
    ]
    return Pipeline(official, official.collate, stages)


def time_stages(pipeline: Pipeline, batches: list[list]) -> dict[str, float]:
    """CPU milliseconds per pair in this process, by stage and in `total`."""
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
    loader = DataLoader(
        pipeline.dataset,
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=pipeline.collate,
    )
    cpu, wait, end = _cpu_seconds(), 0.0, None
    for i, _ in enumerate(loader):
        arrival = time.perf_counter()
        if i == 0:
            start = arrival
        else:
            wait += arrival - end
        if i < len(batches) - 1:  # the last one has arrived: no more to wait
            time.sleep(step_time)
        end = time.perf_counter()
    wall = end - start
    cpu = _cpu_seconds() - cpu  # workers have ended with the loader
    return {
        'pairs_per_s': sum(map(len, batches[1:])) / wall,
        'cpu_ms': 1000 * cpu / sum(map(len, batches)),
        'wait': wait / wall,
    }


def _cpu_seconds() -> float:
    usages = map(
        resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def alternate(
    pipelines: dict, repeats: int, measure: Callable
) -> dict[str, list[dict]]:
    """Measure the pipelines in turn, so that what else runs slows both."""
    found = {name: [] for name in pipelines}
    for _ in range(repeats):
        for name, pipeline in pipelines.items():
            found[name].append(measure(pipeline))
    return found


def medians(results: list[dict]) -> dict[str, float]:
    """Of each number over the repetitions."""
    return {
        name: float(np.median([result[name] for result in results]))
        for name in results[0]
    }
