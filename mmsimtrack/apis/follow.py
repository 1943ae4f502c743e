"""Following targets through several sources, all in one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from mmsimtrack.apis.sources import Footage
from mmsimtrack.models.trackers import SOTTracker, TrackState


@dataclass(frozen=True)
class Step:
    """The targets in one frame.

    Attributes:
        number: Number of the frame in its source, from 0.
        time: In seconds since frame 0.
        frame: (H, W, 3) RGB uint8.
        ids: Of the N targets that have been started, in ascending order.
        bboxes: (N, 4) xyxy in frame pixels.
        scores: (N,) in [0, 1].
    """

    number: int
    time: float
    frame: np.ndarray
    ids: list[int]
    bboxes: np.ndarray
    scores: np.ndarray


@dataclass
class Job:
    """A source, and the targets to follow in it.

    Attributes:
        footage: The source.
        starts: Frame, id and box (xyxy) of each target. The frame may be one
            that is left out; the next one takes its place. An id that is
            followed already starts anew.
        error: What ended the job before its source did.
        outputs: Files that are written; see `outputs_of`.
    """

    footage: Footage
    starts: list[tuple[int, int, np.ndarray]]
    ids: list[int] = field(default_factory=list)
    state: TrackState | None = None
    error: Exception | None = None
    outputs: Any = None

    def begin(self, model: SOTTracker, number: int, frame: np.ndarray) -> None:
        """Start the targets whose time has come."""
        self.starts.sort(key=lambda start: start[0])  # the latest one counts
        due = {id_: box for at, id_, box in self.starts if at <= number}
        if not due:
            return
        self.starts = [start for start in self.starts if start[0] > number]
        state = model.init([frame] * len(due), list(due.values()))
        others = [i for i, id_ in enumerate(self.ids) if id_ not in due]
        if others:
            state = TrackState.cat([self.state[others], state])
        self.ids = [self.ids[i] for i in others] + list(due)
        order = np.argsort(self.ids)
        self.ids = [self.ids[i] for i in order]
        self.state = state[order.tolist()]

    def step(self, number: int, moment: float, frame: np.ndarray) -> Step:
        """What there is to say about a frame."""
        if self.state is None:
            return Step(
                number, moment, frame, [], np.zeros((0, 4)), np.ones(0)
            )
        bboxes, scores = self.state.bboxes.numpy(), self.state.scores.numpy()
        return Step(number, moment, frame, self.ids, bboxes, scores)


def follow(
    model: SOTTracker, jobs: Iterable[Job], batch_size: int = 1
) -> Iterator[tuple[Job, Step | None]]:
    """Follow the targets of all jobs, frame by frame.

    Args:
        model: The tracker.
        jobs: Sources with their targets.
        batch_size: Sources at a time. The network runs once for all their
            targets; a source that ends makes room for the next one.

    Yields:
        A job and its next step; None once the job has ended, by itself or by
        its `error`.
    """
    jobs, running = iter(jobs), []
    while True:
        running += islice(jobs, batch_size - len(running))
        if not running:
            return
        items = {}
        for index, job in enumerate(running):
            try:
                items[index] = next(job.footage, None)
            except Exception as error:  # of any source, and others go on
                job.error, items[index] = error, None
        _track(
            model, [(running[i], item) for i, item in items.items() if item]
        )
        ended = []
        for index, item in items.items():
            job = running[index]
            if item:
                try:
                    job.begin(model, item[0], item[2])
                except ValueError as error:
                    job.error, item = error, None
            if item:
                yield job, job.step(*item)
            else:
                ended.append(index)
                job.footage.close()
                footage = job.footage
                if not (job.error or footage.num_given or footage.stopped):
                    job.error = ValueError(job.footage.nothing())
                late = [at for at, id_, _ in job.starts if id_ not in job.ids]
                if late and not (job.error or footage.stopped):
                    job.error = ValueError(
                        f'{footage.source} ended before frame '
                        f'{late[0]}, for which a box was given.'
                    )
                yield job, None
        running = [job for i, job in enumerate(running) if i not in ended]


def _track(model: SOTTracker, moved: list[tuple[Job, tuple]]) -> None:
    """Advance the jobs that follow something already, in one batch."""
    moved = [(job, frame) for job, (*_, frame) in moved if job.state]
    if not moved:
        return
    states = [job.state for job, _ in moved]
    state = TrackState.cat(states) if len(states) > 1 else states[0]
    frames = [frame for job, frame in moved for _ in job.ids]
    state, row = model.track(frames, state), 0
    for job, _ in moved:
        job.state = state
        if len(moved) > 1:
            job.state = state[row : row + len(job.ids)]
        row += len(job.ids)
