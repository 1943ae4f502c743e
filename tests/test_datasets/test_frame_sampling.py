from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from mmsimtrack.datasets.frame_sampling import SamplingPolicy


def sample_frames(visible, max_gap, mode, rng):
    return SamplingPolicy(max_gap, 20, 5, mode).draw(np.array(visible), rng)


def draw(visible, max_gap, mode):
    """(N, 2) frames of the exemplar and of the search image."""
    rng = np.random.default_rng(0)
    frames = [sample_frames(visible, max_gap, mode, rng) for _ in range(3000)]
    assert all(type(t) is int for pair in frames for t in pair)
    return np.array(frames)


def shares(frames):
    """How often each pair comes."""
    counts = Counter(map(tuple, frames.tolist()))
    return {pair: count / len(frames) for pair, count in counts.items()}


def naive_causal(visible, max_gap, rng):
    """Causal draws, call by call: keys of older runs give the same pairs."""
    gap = max_gap
    while True:
        t = rng.choice(visible[:-1])
        later = [s for s in visible if t < s < t + gap]
        if later:
            return t, rng.choice(later)
        gap += 5


def test_causal_draws_never_change():
    rng = np.random.default_rng(3)
    visible = np.flatnonzero(rng.random(400) < 0.05)
    for k in range(200):
        expected = naive_causal(visible, 15, np.random.default_rng((1, k)))
        generator = np.random.default_rng((1, k))
        assert sample_frames(visible, 15, 'causal', generator) == expected
    generator = np.random.default_rng((1, 0))
    assert sample_frames(visible, 15, 'causal', generator) == (316, 334)


# frames 0, 1, 2 and a gap of 9: everything is near everything
ANY_TWO = dict.fromkeys(permutations(range(3), 2), 1 / 6)
# frames 0 to 3, gap 2: {0, 1}, {0, 1, 2}, {1, 2, 3} or {2, 3}
ONE_WAY = {
    **dict.fromkeys([(0, 1), (2, 3)], 1 / 4 + 1 / 12),
    **dict.fromkeys([(0, 2), (1, 3)], 1 / 12),
    (1, 2): 2 / 12,
}
AROUND = {pair: share / 2 for pair, share in ONE_WAY.items()}
AROUND |= {pair[::-1]: share for pair, share in AROUND.items()}
# partners are neighbours
NEXT = dict.fromkeys([(1, 0), (1, 2), (2, 1), (2, 3)], 1 / 8)
NEXT |= dict.fromkeys([(0, 1), (3, 2)], 1 / 4)


SHARES = [
    # everything is near everything
    (range(3), 9, 'causal', {(0, 1): 1 / 4, (0, 2): 1 / 4, (1, 2): 1 / 2}),
    (range(3), 9, 'interval', ANY_TWO),
    (range(3), 9, 'order', ANY_TWO),
    (range(4), 2, 'interval', NEXT),
    (range(4), 2, 'order', AROUND),
    # the gap grows by five: gap 1 finds nothing; gap 6 finds (0, 5) for
    # 0, and nothing for 5, for which gap 11 again draws one of them
    ([0, 5, 12], 1, 'causal', {(0, 5): 3 / 4, (5, 12): 1 / 4}),
    ([3, 14], 4, 'interval', {(3, 14): 1 / 2, (14, 3): 1 / 2}),
    ([3, 14], 4, 'order', {(3, 14): 1 / 2, (14, 3): 1 / 2}),
]


@pytest.mark.parametrize('visible, max_gap, mode, expected', SHARES)
def test_shares_by_hand(visible, max_gap, mode, expected):
    frames = draw(visible, max_gap, mode)
    assert shares(frames) == pytest.approx(expected, abs=0.03)
    np.testing.assert_array_equal(draw(visible, max_gap, mode), frames)
