"""Following targets through several sources, all in one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from mmsimtrack.apis.reader import Item
from mmsimtrack.apis.sources import Footage
from mmsimtrack.models.trackers import SOTTracker, TrackState
from mmsimtrack.structures import check_first_box
from mmsimtrack.visualization import SOTVisualizer

if TYPE_CHECKING:
    from mmsimtrack.apis.sinks import Outputs


@dataclass(frozen=True)
class Step:
    """The targets in one frame.

    Attributes:
        number: Number of the frame in its source, from 0.
        time: In seconds since frame 0.
        frame: (H, W, 3) RGB uint8.
        ids: Numbers of the N targets that have been started, ascending.
        bboxes: (N, 4) xyxy in frame pixels.
        scores: (N,) in [0, 1].
        lost: (N,) bool; boxes of lost targets are those of earlier frames.
        threshold: Boxes with a lower score are not drawn.
    """

    number: int
    time: float
    frame: np.ndarray
    ids: list[int]
    bboxes: np.ndarray
    scores: np.ndarray
    lost: np.ndarray
    threshold: float = 0

    @cached_property
    def drawn(self) -> np.ndarray:
        """The frame with its boxes; several have a color and a label each."""
        text = f'#{self.number}'
        is_low = (self.scores < self.threshold)[:, None]
        bboxes = np.where(is_low, np.nan, self.bboxes)
        labels = [
            'lost' if lost else f'{score:.2f}'
            for score, lost in zip(self.scores, self.lost)
        ]
        if self.ids == [1]:
            about = None, f'{text}  {labels[0]}', self.lost[0]
            return SOTVisualizer.draw_frame(self.frame, bboxes[0], *about)
        labels = [f'{i} {label}' for i, label in zip(self.ids, labels)]
        return SOTVisualizer.draw_targets(
            self.frame, self.ids, bboxes, labels, text, self.lost
        )


@dataclass(eq=False)
class Job:
    """A source, the targets to follow in it, and how far that is.

    Attributes:
        footage: The source.
        starts: Frame, id and box (xyxy) of each target. The frame may be one
            that is left out; the next one takes its place. An id that is
            followed already starts anew.
        outputs: The files to write.
        threshold: See `Step`.
        error: What ended the job before its source did.
    """

    footage: Footage
    starts: list[tuple[float, int, np.ndarray]]
    outputs: Outputs | None = None
    threshold: float = 0
    error: Exception | None = None
    ended: bool = False
    _ids: list[int] = field(default_factory=list)
    _state: TrackState | None = None

    def read(self) -> Item | None:
        """Read the next frame; None at the end, also at a bad one."""
        try:
            return next(self.footage, None)
        except Exception as error:  # of any source, and others go on
            self.error = error
            return None

    def advance(self, model: SOTTracker, item: Item | None) -> Step | None:
        """Start the targets whose time has come, and write the frame.

        Returns:
            None once the job has ended.
        """
        try:
            if item is not None:
                self._begin(model, item[0], item[2])
                step = self._step(*item)
                if self.outputs is not None:
                    self.outputs.add(step)
                return step
            footage = self.footage
            late = [at for at, id_, _ in self.starts if id_ not in self._ids]
            if late and not (self.error or footage.stopped):
                raise ValueError(
                    f'{footage.source} ended before frame {late[0]}, for '
                    'which a box was given.'
                )
        except (OSError, ValueError) as error:
            self.error = error
        self.close()
        return None

    def _begin(self, model: SOTTracker, number: int, frame) -> None:
        self.starts.sort(key=lambda start: start[0])  # the latest one counts
        due = {id_: box for at, id_, box in self.starts if at <= number}
        if not due:
            return
        self.starts = [start for start in self.starts if start[0] > number]
        for id_, box in due.items():
            where = f'{self.footage.source}, target {id_}'
            check_first_box(box, frame.shape, where)
        state = model.init([frame] * len(due), list(due.values()))
        others = [i for i, id_ in enumerate(self._ids) if id_ not in due]
        if others:
            state = TrackState.cat([self._state[others], state])
        ids = [self._ids[i] for i in others] + list(due)
        self._ids, self._state = sorted(ids), state[np.argsort(ids).tolist()]

    def _step(self, number: int, time: float, frame: np.ndarray) -> Step:
        bboxes, scores, lost = np.zeros((0, 4)), np.zeros(0), np.zeros(0, bool)
        if (state := self._state) is not None:
            bboxes, scores, lost = state.bboxes, state.scores, state.lost
        # copies do not keep the tensors, which take ten times as much
        found = (np.asarray(x).copy() for x in (bboxes, scores, lost))
        return Step(number, time, frame, self._ids, *found, self.threshold)

    def close(self) -> None:
        """Close the source, and complete the files."""
        self.ended = True
        self.footage.close()
        try:
            if self.outputs is not None:
                self.outputs.close()
        except OSError as error:
            self.error = self.error or error


def follow(
    model: SOTTracker, jobs: Iterable[Job], batch_size: int = 1
) -> Iterator[tuple[Job, Step | None]]:
    """Follow the targets of all jobs, frame by frame.

    Args:
        model: The tracker.
        jobs: Sources with their targets. All are closed in the end.
        batch_size: Sources at a time. The network runs once for all their
            targets; a source that ends makes room for the next one.

    Yields:
        A job and its next step; None once the job has ended, by itself or by
        its `error`.

    Raises:
        ValueError: If the batch has no room.
    """
    if batch_size < 1:
        raise ValueError(f'batch_size is {batch_size}, expected 1 or more.')
    jobs = list(jobs)
    waiting, running = iter(jobs), []
    try:
        while True:
            running += islice(waiting, batch_size - len(running))
            if not running:
                return
            items = [job.read() for job in running]
            _track(model, running, items)
            for job, item in zip(running, items):
                yield job, job.advance(model, item)
            running = [job for job in running if not job.ended]
    finally:
        for job in jobs:
            job.close()


def _track(model: SOTTracker, jobs: list[Job], items: list) -> None:
    """Advance the jobs that follow something already, in one batch."""
    pairs = zip(jobs, items)
    moved = [(job, item[2]) for job, item in pairs if item and job._state]
    if not moved:
        return
    frames = [frame for job, frame in moved for _ in job._ids]
    state = TrackState.cat([job._state for job, _ in moved])
    state = model.track(frames, state)
    for job, _ in moved:
        count = len(job._ids)
        job._state, state = state[:count], state[count:]
