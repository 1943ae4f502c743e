"""Functions that track several sequences side by side."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np

from mmsimtrack.datasets import FrameReader, SequenceDataset
from mmsimtrack.datasets.frames import map_ahead
from mmsimtrack.models import TrackState
from mmsimtrack.structures import SOTDataSample

FRAMES_AHEAD = 2  # of each sequence, where there are several


@dataclass
class RunningSequence:
    """A sequence that is being tracked.

    Attributes:
        reader: All frames of the sequence.
        sample: Its annotation.
        frames: The frames that are still to be tracked.
        bboxes: (4,) xyxy in frame pixels, one for each frame that is done.
        scores: The score of each of these frames.
        seconds: What each of them took: its share of the time of its batch.
        num_failed: In how many frames the tracker kept the box of the frame
            before, if it counts them; see `TrackState.extra`.
    """

    reader: FrameReader
    sample: SOTDataSample
    frames: Iterator[np.ndarray]
    bboxes: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    num_failed: int = 0

    @property
    def finished(self) -> bool:
        """Tell whether all frames are done."""
        return len(self.bboxes) == len(self.reader)


def share_sequences(
    num_frames: Sequence[int], world_size: int
) -> list[list[int]]:
    """Deal sequences out to the ranks, so that all track as many frames.

    The longest comes first, and each goes to the rank that has the fewest
    frames so far. Depends on nothing else.

    Args:
        num_frames: Number of frames of each sequence.
        world_size: Number of ranks.

    Returns:
        Indices of the sequences of each rank, longest first.
    """
    shares = [[] for _ in range(world_size)]
    frames = [0] * world_size
    for i in sorted(range(len(num_frames)), key=lambda i: -num_frames[i]):
        rank = frames.index(min(frames))
        shares[rank].append(i)
        frames[rank] += num_frames[i]
    return shares


def open_sequences(
    dataset: SequenceDataset, indices: Iterable[int], num_slots: int
) -> Iterator[RunningSequence]:
    """Open sequences a little ahead, up to their first frame.

    A slot that gets free is then refilled without a wait, and memory holds
    `FRAMES_AHEAD` + 1 frames per slot, and few sequences that wait.

    Args:
        dataset: The data set.
        indices: The sequences, in order.
        num_slots: Sequences that are tracked at a time.
    """

    def open_one(i: int) -> RunningSequence:
        item = dataset[i]
        reader = item['inputs']
        if num_slots > 1:  # they share the processor
            reader.num_threads, reader.num_ahead = 1, FRAMES_AHEAD
        frames = iter(reader)
        frames = chain([next(frames)], frames)
        return RunningSequence(reader, item['data_samples'], frames)

    return map_ahead(open_one, indices, 1, 1 + num_slots // 8)


def track_together(
    opened: Iterator[RunningSequence],
    num_slots: int,
    start: Callable[[list, list], TrackState],
    track: Callable[[list, TrackState], TrackState],
) -> Iterator[tuple[int, list[RunningSequence]]]:
    """Track sequences together: a batch holds the next frame of each.

    A slot is refilled as soon as its sequence ends. The time of a frame is
    that of its batch, over the frames in it and without the wait for the
    reader: all times together are the time that tracking took.

    Args:
        opened: The sequences.
        num_slots: At most this many at a time.
        start: From first frames and data samples to a state.
        track: From next frames and a state to the next state.

    Yields:
        After each batch, its size and the sequences that it has finished.
    """
    running, state = [], None
    while True:
        new = list(islice(opened, num_slots - len(running)))
        if new:
            samples = [sequence.sample for sequence in new]
            started = _step(new, start, samples)
            state = TrackState.cat([state, started]) if running else started
            running += new
        elif running:
            state = _step(running, track, state)
        else:
            return
        done = [sequence for sequence in running if sequence.finished]
        yield len(new) or len(running), done
        if done:
            rows = [i for i, each in enumerate(running) if not each.finished]
            running, state = [running[i] for i in rows], state[rows]


def _step(
    sequences: list[RunningSequence], function: Callable, *args
) -> TrackState:
    """Track the next frame of each sequence, and note boxes and times."""
    frames = [next(sequence.frames) for sequence in sequences]
    begin = time.perf_counter()
    state = function(frames, *args)
    share = (time.perf_counter() - begin) / len(sequences)
    for row, sequence in enumerate(sequences):
        sequence.bboxes.append(state.bboxes[row].numpy())
        sequence.scores.append(state.scores[row].item())
        sequence.seconds.append(share)
        if 'num_failed' in state.extra:
            sequence.num_failed = state.extra['num_failed'][row].item()
    return state
