import cv2
import numpy as np
import pytest

from mmsimtrack.datasets.transforms.warp import (
    PairWarps,
    RandomWarp,
    cut_warped,
    warp_bbox,
    warp_points,
)
from mmsimtrack.structures import CropWindow

ALL = RandomWarp(
    rotation=30, aspect=0.4, scale=0.2, perspective=0.1, mirror=0.5
)


def test_a_warp_is_a_function_of_its_generator():
    first, second = (ALL.draw(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, ALL.draw(np.random.default_rng(6)))
    warp = RandomWarp().draw(np.random.default_rng(0))
    np.testing.assert_allclose(warp, np.eye(3), atol=1e-12)
    rng = np.random.default_rng(0)
    for _ in range(20):  # the middle stays where it is
        middle = warp_points(np.array([0.5, 0.5]), ALL.draw(rng))
        np.testing.assert_allclose(middle, 0.5)


def test_ranges_are_kept():
    rng = np.random.default_rng(0)
    turns = [RandomWarp(rotation=30).draw(rng) for _ in range(300)]
    angles = np.degrees([np.arctan2(w[1, 0], w[0, 0]) for w in turns])
    assert -30 <= angles.min() < -25 and 25 < angles.max() <= 30
    stretched = [RandomWarp(aspect=0.4).draw(rng) for _ in range(300)]
    ratios = np.log([w[0, 0] / w[1, 1] for w in stretched])
    assert -0.4 <= ratios.min() < -0.35 and 0.35 < ratios.max() <= 0.4
    np.testing.assert_allclose([np.linalg.det(w) for w in stretched], 1)
    sizes = [RandomWarp(scale=0.2).draw(rng)[0, 0] for _ in range(2000)]
    assert np.std(np.log(sizes)) == pytest.approx(0.2, rel=0.1)
    mirrored = [RandomWarp(mirror=0.3).draw(rng)[0, 0] for _ in range(1000)]
    assert np.mean(np.array(mirrored) < 0) == pytest.approx(0.3, abs=0.05)
    # the scale at the border differs by up to the given share
    tilts = [RandomWarp(perspective=0.1).draw(rng) for _ in range(300)]
    depths = [w[2, :2] @ (1, 0.5) + w[2, 2] for w in tilts]
    assert 1.09 < max(depths) <= 1.1 and 0.9 <= min(depths) < 0.91


def test_an_upright_cut_is_that_of_the_tracker():
    y, x = np.mgrid[:60, :80]
    frame = np.stack([2 * x, 3 * y, x + y], -1).astype(np.uint8)
    window = CropWindow(left=-10, top=5, side=50, size=64)
    expected = window.cut(frame)
    black = np.zeros_like(expected)
    found = cut_warped(frame, window, np.eye(3), black)
    # but for the seam, where the padding of the tracker is blurred
    difference = np.abs(found[:, 16:].astype(int) - expected[:, 16:])
    assert difference.max() <= 2
    assert not found[:, :12].any()


@pytest.mark.parametrize('seed', range(4))
def test_a_warp_moves_box_and_outline_alike(seed):
    """The outline is the ellipse that fills the box."""
    center, half = np.array([0.5, 0.4]), np.array([0.1, 0.05])
    options = dict(rotation=30, aspect=0.3, mirror=0.5, perspective=0.05)
    warp = RandomWarp(**options).draw(np.random.default_rng(seed))
    turn = np.linspace(0, 2 * np.pi, 400)
    outline = np.stack([np.cos(turn), np.sin(turn)], -1) * half + center
    mapped = warp_points(outline, warp)
    expected = np.concatenate([mapped.min(0), mapped.max(0)])
    bbox = np.concatenate([center - half, center + half])
    np.testing.assert_allclose(warp_bbox(bbox, warp), expected, atol=2e-3)


def test_reduced_frames_give_the_same_crop():
    noise = np.random.default_rng(0).integers(0, 255, (160, 240, 3), np.uint8)
    frame = cv2.GaussianBlur(noise, (0, 0), 6)
    window = CropWindow(left=20, top=10, side=120, size=60)
    warp = ALL.draw(np.random.default_rng(0))
    half = cv2.resize(frame, (120, 80), interpolation=cv2.INTER_AREA)
    whole = cut_warped(frame, window, warp).astype(int)
    assert np.abs(whole - cut_warped(half, window, warp, None, 2)).max() < 6


def test_borders():
    frame = np.full((20, 20, 3), 200, np.uint8)
    window = CropWindow(left=-20, top=-20, side=60, size=60)
    reflected = cut_warped(frame, window, np.eye(3))
    np.testing.assert_array_equal(reflected, 200)
    other = np.full((60, 60, 3), 9, np.uint8)
    filled = cut_warped(frame, window, np.eye(3), other)
    assert (filled[20:40, 20:40] == 200).all() and (filled[:20] == 9).all()
    assert (other == 9).all()


def test_shares_of_borders():
    warps = PairWarps({}, {}, dict(reflect=1, black=3))
    rng = np.random.default_rng(0)
    drawn = [warps.draw_border(rng) for _ in range(1000)]
    assert set(drawn) == {'reflect', 'black'}
    assert drawn.count('black') == pytest.approx(750, abs=60)
    for border in (dict(mirror=1), dict(black=0), {}):
        with pytest.raises(ValueError, match=r'warp\.border is .*reflect'):
            PairWarps({}, {}, border)
