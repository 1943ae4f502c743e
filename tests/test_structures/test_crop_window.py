import numpy as np
import pytest

from mmsimtrack.structures import CropWindow


def test_around_ignores_the_noise_of_xyxy():
    x = 118.3
    assert x + 20 - x > 20
    window = CropWindow.around((x, x, x + 20, x + 20), factor=2, size=8)
    assert window.side == 40


REFUSED = [
    ((0, 0, np.nan, 5), 'finite box'),
    ((5, 0, 5, 5), 'x1 < x2 and y1 < y2'),
    ((5, 9, 8, 5), 'x1 < x2 and y1 < y2'),
]


@pytest.mark.parametrize('bbox, message', REFUSED)
def test_around_refuses_what_has_no_window(bbox, message):
    with pytest.raises(ValueError, match=message):
        CropWindow.around(bbox, factor=2, size=8)


def test_round_trip_is_exact():
    rng = np.random.default_rng(0)
    bboxes = rng.uniform(-50, 2000, (100, 4))
    windows = rng.integers([-99, -99, 1], [999, 999, 512], (9, 3))
    for left, top, side in windows.tolist():
        window = CropWindow(left, top, side, 112)
        back = window.to_frame(window.to_crop(bboxes))
        np.testing.assert_allclose(back, bboxes, rtol=0, atol=1e-9)


def test_last_column_and_row_are_kept():
    frame = np.full((20, 20, 3), 200, np.uint8)
    crop = CropWindow(left=0, top=0, side=20, size=20).cut(frame)
    assert (crop == 200).all()
    crop = CropWindow(left=10, top=10, side=20, size=20).cut(frame)
    assert (crop[:10, :10] == 200).all()
    assert (crop[10:] == 0).all() and (crop[:, 10:] == 0).all()


@pytest.mark.parametrize('left', [-64, 100])
def test_window_outside_of_the_frame_is_black(left):
    frame = np.full((48, 80, 3), 255, np.uint8)
    window = CropWindow(left, 0, 50, 16)
    assert not window.cut(frame).any()
    assert not CropWindow(10 * left, 0, 500, 100).cut(frame, 4).any()
    assert window.padded_share(frame.shape) == 1


def test_padded_share_by_hand():
    window = CropWindow(left=-5, top=10, side=20, size=8)
    # 15 of 20 columns and 10 of 20 rows lie inside
    assert window.padded_share((20, 100)) == 1 - 0.75 * 0.5


CASES = [(20, 1), (127, 1), (128, 2), (255, 2), (256, 4), (512, 8), (9999, 8)]


@pytest.mark.parametrize('side, reduction', CASES)
def test_reduction_leaves_enough_pixels(side, reduction):
    assert CropWindow(0, 0, side, size=64).reduction() == reduction


def halve(frame, times):
    """Means of squares of 2 ** times pixels."""
    r = 2**times
    height, width = (side // r for side in frame.shape[:2])
    return frame.reshape(height, r, width, r, 3).mean((1, 3))


@pytest.mark.parametrize('times', [1, 2, 3])
@pytest.mark.parametrize('corner', [(31, 7), (-20, 20), (90, -13), (-9, -9)])
def test_cut_from_a_reduced_frame(times, corner):
    """Without fine detail it is the same crop: nothing is displaced."""
    ys, xs = np.mgrid[:240, :320]
    # slopes of up to 0.9 levels per pixel
    waves = [np.sin(xs / 60 + c) + np.cos(ys / 80 - c) for c in range(3)]
    frame = 128 + 60 * np.stack(waves, axis=-1)
    window = CropWindow(*corner, side=2**times * 24 + 5, size=24)
    assert window.reduction() == 2**times
    expected = window.cut(frame)
    reduced = window.cut(halve(frame, times), 2**times)
    # at a border the last reduced pixel fades out
    ones = np.ones_like(frame)
    inside = window.cut(halve(ones, times), 2**times) > 1 - 1e-6
    inside &= window.cut(ones) > 1 - 1e-6
    assert inside.mean() > 0.3
    np.testing.assert_allclose(reduced[inside], expected[inside], atol=0.5)
