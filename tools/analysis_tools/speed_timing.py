"""Time a tracker frame by frame, and many videos at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
import torch
from pipeline_timing import StageClock

from mmsimtrack.datasets import FrameReader, read_frame
from mmsimtrack.engine.loops.sequence_batch import (
    open_sequences,
    track_together,
)
from mmsimtrack.models import SOTTracker, TrackState
from mmsimtrack.structures import CropWindow, SOTDataSample

STAGES = ('decode', 'crop', 'copy', 'network', 'rest')


@dataclass
class Subject:
    """What is timed: a tracker, the frames and the box of its target.

    The box is put back after each frame, so that windows keep their size
    whatever the weights.

    Attributes:
        model: On its device.
        precision: Makes the context in which it runs.
        paths: Image files, taken again and again.
        bbox: (4,) xyxy of the target in frame pixels.
    """

    model: SOTTracker
    precision: Callable[[], AbstractContextManager]
    paths: list[str]
    bbox: np.ndarray

    def synchronize(self) -> None:
        """Wait until the device has done all it was told to do."""
        if next(self.model.parameters()).device.type != 'cpu':
            torch.accelerator.synchronize()

    def start(self, frames: list, samples: list) -> TrackState:
        """First state of as many videos as frames."""
        with self.precision():
            state = self.model.init(
                frames, np.stack([self.bbox] * len(frames))
            )
        self.synchronize()
        return state

    def track(self, frames: list, state: TrackState) -> TrackState:
        """The next state, with the boxes of the one before."""
        with self.precision():
            found = self.model.track(frames, state)
        self.synchronize()
        return replace(found, bboxes=state.bboxes)


class SyncedClock(StageClock):
    """Adds up seconds that pass on the wall, the work of the device included.

    Args:
        synchronize: Waits for the device.
    """

    def __init__(self, synchronize: Callable) -> None:
        super().__init__()
        self.synchronize = synchronize

    def wrap(self, stage: str, function: Callable) -> Callable:
        """The function, under the clock."""

        def timed(*args, **kwargs):
            self.synchronize()
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.synchronize()
                self.seconds[stage] += time.perf_counter() - start

        return timed


def time_latency(
    subject: Subject, num_frames: int, warm_up: int
) -> dict[str, float]:
    """Track in one video, one frame after the other, nothing overlaps.

    Args:
        subject: What is timed.
        num_frames: To measure, once as a whole and once by stages.
        warm_up: Frames before.

    Returns:
        Milliseconds: `median` and `p95` from the file to the box, and the
        median of each stage in a second pass, which waits for the device at
        the border of each.
    """
    clock = SyncedClock(subject.synchronize)
    decode = clock.wrap('decode', read_frame)
    state = subject.start([decode(subject.paths[0])], [])
    whole = _time_frames(subject, state, read_frame, warm_up + num_frames)
    stages = [
        (CropWindow, 'cut', 'crop'),
        (subject.model.data_preprocessor, 'normalize', 'copy'),
        (subject.model.backbone, 'forward', 'network'),
        (subject.model.head, 'predict', 'network'),
    ]
    rows = []
    with clock.running(stages):
        for i in range(warm_up + num_frames):
            clock.seconds.clear()
            (total,) = _time_frames(subject, state, decode, 1, first=i)
            found = [clock.seconds[stage] for stage in STAGES[:-1]]
            rows.append([*found, total - sum(found)])
    medians = 1000 * np.median(rows[warm_up:], axis=0)
    median, p95 = 1000 * np.quantile(whole[warm_up:], [0.5, 0.95])
    return {
        'median': median,
        'p95': p95,
        'stages': dict(zip(STAGES, medians.tolist())),
    }


def _time_frames(
    subject: Subject,
    state: TrackState,
    read: Callable,
    num_frames: int,
    first: int = 0,
) -> list[float]:
    """Seconds from the file to the box, of each frame."""
    seconds = []
    for i in range(first, first + num_frames):
        start = time.perf_counter()
        subject.track([read(subject.paths[i % len(subject.paths)])], state)
        seconds.append(time.perf_counter() - start)
    return seconds


class Videos:
    """A data set whose sequences have the same few frames again and again.

    Args:
        paths: Image files.
        length: Frames of each sequence.
    """

    def __init__(self, paths: list[str], length: int) -> None:
        self.paths = [paths[i % len(paths)] for i in range(length)]

    def __getitem__(self, i: int) -> dict:
        """Item i; all are the same."""
        return {
            'inputs': FrameReader(self.paths),
            'data_samples': SOTDataSample(),
        }


def time_throughput(
    subject: Subject, num_slots: int, num_steps: int, warm_up: int
) -> dict[str, float]:
    """Track in many videos at once, as the test loop does.

    Frames are read from files and decoded ahead, in threads.

    Args:
        subject: What is timed.
        num_slots: Videos.
        num_steps: Batches to measure.
        warm_up: Batches before, the first frames among them.

    Returns:
        `frames_per_s`, and `cpu_ms`, the time of all cores per frame.
    """
    videos = Videos(subject.paths, warm_up + num_steps)
    batches = track_together(
        open_sequences(videos, range(num_slots), num_slots),
        num_slots,
        subject.start,
        subject.track,
    )
    for _ in range(warm_up):
        next(batches)
    wall, cpu = time.perf_counter(), time.process_time()
    num_frames = sum(batch_size for batch_size, _ in batches)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        'frames_per_s': num_frames / wall,
        'cpu_ms': 1000 * cpu / num_frames,
    }
