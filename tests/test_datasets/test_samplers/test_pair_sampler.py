import pytest

from mmsimtrack.datasets.samplers import PairSampler, pair_sampler


@pytest.fixture
def build(monkeypatch):
    """A function that builds the sampler of one rank."""

    def _build(num_pairs, rank=0, world_size=1, seed=7, epoch=0):
        info = rank, world_size
        monkeypatch.setattr(pair_sampler, 'get_dist_info', lambda: info)
        sampler = PairSampler(None, num_pairs, seed)
        sampler.set_epoch(epoch)
        return sampler

    return _build


def test_a_seed_is_needed():
    message = r'PairSampler: seed is None.*randomness = dict\(seed='
    with pytest.raises(ValueError, match=message):
        PairSampler(None, 10, None)


@pytest.mark.parametrize('world_size', [1, 2, 3, 4])
@pytest.mark.parametrize('num_pairs', [12, 13, 15])
def test_no_key_comes_twice(build, world_size, num_pairs):
    keys = []
    for rank in range(world_size):
        sampler = build(num_pairs, rank, world_size)
        for epoch in range(4):
            sampler.set_epoch(epoch)
            assert len(list(sampler)) == len(sampler)
            assert len(sampler) == num_pairs // world_size
            keys += sampler
    assert len(set(keys)) == len(keys)
    if num_pairs % world_size == 0:
        assert sorted(keys) == [(7, k) for k in range(4 * num_pairs)]


@pytest.mark.parametrize('world_size', [1, 2, 4])
def test_global_batch_does_not_depend_on_ranks(build, world_size):
    batch_size = 8 // world_size
    ranks = (build(24, r, world_size, epoch=1) for r in range(world_size))
    ranks = [list(sampler) for sampler in ranks]
    for step in range(3):
        rows = slice(step * batch_size, (step + 1) * batch_size)
        batch = {key for keys in ranks for key in keys[rows]}
        start = 24 + 8 * step
        assert batch == {(7, k) for k in range(start, start + 8)}


def test_a_resumed_epoch_begins_where_it_was_left(build):
    sampler = build(8, rank=1, world_size=2, epoch=3)
    keys = list(sampler)
    sampler.set_epoch(3, first=3)
    assert list(sampler) == keys[3:] == [(7, 31)]
    assert len(sampler) == 4  # of the whole epoch
    sampler.set_epoch(4)
    assert len(list(sampler)) == 4


@pytest.mark.parametrize('world_size', [1, 2, 4])
def test_an_epoch_has_whole_steps(build, world_size):
    """8 pairs make a step, however they are shared."""
    keys = []
    for rank in range(world_size):
        sampler = build(30, rank, world_size, epoch=1)
        sampler.step_size = 8 // world_size
        assert len(sampler) * world_size == 24
        keys += sampler
    assert sorted(keys) == [(7, k) for k in range(30, 54)]
