import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmsimtrack.engine.loops import sequence_batch
from mmsimtrack.models import TrackState


def test_sequences_are_dealt_out_longest_first():
    shares = sequence_batch.share_sequences([10, 70, 30, 60, 10], 2)
    # 70 | 60, then 30 to the second (90), 10 and 10 to the first (90)
    assert shares == [[1, 0, 4], [3, 2]]
    assert sequence_batch.share_sequences([5, 5, 5], 1) == [[0, 1, 2]]
    assert sequence_batch.share_sequences([3], 3) == [[0], [], []]
    assert sequence_batch.share_sequences([], 2) == [[], []]


def test_no_rank_finishes_last():
    lengths = np.random.default_rng(0).integers(100, 3000, 280)
    shares = sequence_batch.share_sequences(lengths, 8)
    assert sorted(sum(shares, [])) == list(range(280))
    loads = [lengths[share].sum() for share in shares]
    assert max(loads) - min(loads) < 200
    assert all((np.diff(lengths[share]) <= 0).all() for share in shares)


class Counter:
    """A tracker whose box is (sequence, frame, 0, 0); every frame fails."""

    def __init__(self):
        self.batches, self.starts = [], []

    def start(self, frames, samples):
        self.starts.append([sample.name for sample in samples])
        return self.answer(self.starts[-1], frames)

    def track(self, frames, state):
        self.batches.append(state.memory[0].tolist())
        return self.answer(self.batches[-1], frames)

    def answer(self, names, frames):
        bboxes = torch.tensor([[n, f, 0, 0] for n, f in zip(names, frames)])
        failed = dict(num_failed=bboxes[:, 1])
        scores = torch.ones(len(names))
        return TrackState((bboxes[:, 0],), bboxes, scores, failed)


def sequences(lengths):
    for name, length in enumerate(lengths):
        yield sequence_batch.RunningSequence(
            range(length), SimpleNamespace(name=name), iter(range(length))
        )


@pytest.mark.parametrize('num_slots', [1, 2, 3, 9])
def test_each_sequence_gets_its_own_frames(num_slots):
    lengths = [4, 1, 7, 2, 2, 1, 5]
    counter = Counter()
    num_frames, done = 0, []
    for batch_size, finished in sequence_batch.track_together(
        sequences(lengths), num_slots, counter.start, counter.track
    ):
        assert 1 <= batch_size <= num_slots
        num_frames += batch_size
        done += finished
    assert num_frames == sum(lengths)
    assert sorted(s.sample.name for s in done) == list(range(7))
    for sequence in done:
        name = sequence.sample.name
        assert len(sequence.scores) == len(sequence.seconds) == lengths[name]
        assert sequence.num_failed == lengths[name] - 1
        expected = [[name, t, 0, 0] for t in range(lengths[name])]
        np.testing.assert_array_equal(np.stack(sequence.bboxes), expected)


def test_slots_are_refilled_as_soon_as_a_sequence_ends():
    counter = Counter()
    batches = sequence_batch.track_together(
        sequences([3, 2, 3, 2]), 2, counter.start, counter.track
    )
    found = [(size, [s.sample.name for s in done]) for size, done in batches]
    assert counter.starts == [[0, 1], [2], [3]]
    assert counter.batches == [[0, 1], [0, 2], [2, 3]]
    sizes = (2, 2, 1, 2, 1, 2)
    assert found == list(zip(sizes, ([], [1], [], [0], [], [2, 3])))


def test_times_are_the_share_of_the_batch():
    counter = Counter()

    def track(frames, state):
        time.sleep(0.04)
        return counter.track(frames, state)

    begin = time.perf_counter()
    done = []
    for _, finished in sequence_batch.track_together(
        sequences([2, 3]), 2, counter.start, track
    ):
        done += finished
    wall = time.perf_counter() - begin
    short, long = (sequence.seconds for sequence in done)
    assert short[1] == long[1] >= 0.02
    assert long[2] >= 0.04
    assert sum(short) + sum(long) <= wall


class Videos:
    """A data set that counts what is open, of items that read nothing."""

    def __init__(self, lengths):
        self.lengths, self.opened, self.read = lengths, 0, 0

    def __getitem__(self, i):
        self.opened += 1

        class Reader:
            num_threads = num_ahead = 9

            def __iter__(reader):
                for t in range(self.lengths[i]):
                    self.read += 1
                    yield t

            def __len__(reader):
                return self.lengths[i]

        return {'inputs': Reader(), 'data_samples': SimpleNamespace(name=i)}


def test_few_sequences_are_open_at_a_time():
    videos = Videos([5] * 20)
    opened = sequence_batch.open_sequences(videos, range(20), 4)
    first = [next(opened) for _ in range(4)]
    time.sleep(0.05)
    assert 4 <= videos.opened <= 6  # one waits, one may be on its way
    assert videos.read == videos.opened  # the first frame of each
    assert {s.reader.num_ahead for s in first} == {sequence_batch.FRAMES_AHEAD}
    assert [[*sequence.frames] for sequence in first] == [[*range(5)]] * 4
    opened.close()
    assert videos.opened <= 6
    # a sequence alone keeps its threads
    (sequence,) = sequence_batch.open_sequences(Videos([2]), [0], 1)
    assert (sequence.reader.num_threads, sequence.reader.num_ahead) == (9, 9)
