from functools import partial

import numpy as np
import pytest

from mmsimtrack.datasets.transforms import (
    BrightnessJitter,
    JointChannelPermutation,
    JointGamma,
    JointGray,
    JointTranspose,
    RandomMirror,
)

VIEWS = ('exemplar', 'search')
ALL = [
    JointGamma(0.5, largest=3),
    JointGray(0.5),
    RandomMirror(0.5, joint=True),
    RandomMirror(0.5, joint=False),
    BrightnessJitter(0.2),
    JointChannelPermutation(),
    JointTranspose(0.5),
]


def make_pair(seed=0, size=4):
    """A pair with noise in both views."""
    noise = np.random.default_rng(123)
    pair = {'rng': np.random.default_rng(seed)}
    for view in VIEWS:
        pair[view] = noise.integers(0, 256, (size, size, 3), np.uint8)
    pair['exemplar_bbox'] = np.array([0.25, 0.2, 0.75, 0.9])
    pair['search_bbox'] = np.array([-0.1, 0.4, 0.3, 0.6])
    return pair


def test_gamma_by_hand():
    exponents = []
    for seed in range(200):
        pair, before = make_pair(seed), make_pair()
        for view in VIEWS:
            pair[view][0, 0] = before[view][0, 0] = 128
        JointGamma(1, largest=4)(pair)
        levels = {int(pair[view][0, 0, 0]) for view in VIEWS}
        exponent = np.log(levels.pop() / 255) / np.log(128 / 255)
        assert not levels
        expected = 255 * (before['search'] / 255) ** exponent
        np.testing.assert_allclose(pair['search'], expected, atol=4)
        exponents.append(np.log2(exponent))
    # uniform in [-2, 2)
    assert np.mean(exponents) == pytest.approx(0, abs=0.3)
    assert np.std(exponents) == pytest.approx(4 / 12**0.5, abs=0.1)


def test_channels_are_permuted_alike():
    orders = set()
    for seed in range(40):
        pair, before = make_pair(seed), make_pair()
        JointChannelPermutation()(pair)
        order = np.random.default_rng(seed).permutation(3)
        for view in VIEWS:
            np.testing.assert_array_equal(pair[view], before[view][..., order])
        orders.add(tuple(order))
    assert len(orders) == 6


TURNS = [
    RandomMirror(1, joint=True),
    RandomMirror(1, joint=False),
    JointTranspose(1),
]


@pytest.mark.parametrize('transform', TURNS)
def test_boxes_follow_the_images(transform):
    pair, before = make_pair(size=10), np.array([0.2, 0.1, 0.7, 0.4])
    for view in VIEWS:
        pair[view][:] = 0
        pair[view][1:4, 2:7] = 255  # x 2 to 7, y 1 to 4
        pair[f'{view}_bbox'] = before
        pair[f'{view}_outline'] = [before.reshape(2, 2)]
    transform(pair)
    for view in VIEWS:
        ys, xs = np.nonzero(pair[view][..., 0])
        extent = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        np.testing.assert_allclose(pair[f'{view}_bbox'] * 10, extent)
        (points,) = pair[f'{view}_outline']
        points = np.concatenate([points.min(0), points.max(0)])
        np.testing.assert_allclose(points * 10, extent)
        assert not np.allclose(before * 10, extent)


@pytest.mark.parametrize('transform', ALL)
def test_transforms_are_pure(transform):
    """They draw from the pair only, and write to no view of a caller."""
    for seed in range(10):
        pair, other, before = make_pair(seed), make_pair(seed), make_pair()
        views = {view: pair[view] for view in VIEWS}
        pair, other = transform(pair), transform(other)
        for view in VIEWS:
            np.testing.assert_array_equal(pair[view], other[view])
            bbox = f'{view}_bbox'
            np.testing.assert_array_equal(pair[bbox], other[bbox])
            np.testing.assert_array_equal(views[view], before[view])
            assert pair[view].dtype == np.uint8
            assert pair[view].shape == (4, 4, 3)
            assert pair[view].flags.c_contiguous


@pytest.mark.parametrize(
    'make', [partial(JointGamma, largest=3), JointGray, JointTranspose]
)
def test_joint_transforms_keep_or_change_both(make):
    transform, before, draws = make(0.3), make_pair(), []
    for seed in range(300):
        pair = make_pair(seed)
        transform(pair)
        draws.append({(pair[v] != before[v]).any() for v in VIEWS})
    assert all(len(changed) == 1 for changed in draws)
    assert draws.count({True}) == pytest.approx(90, abs=30)
