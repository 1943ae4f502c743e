"""`CropWindow` cuts what the official `sample_target` cuts.

But for one thing: where a crop reaches the right or lower border of the frame,
the official code loses the last column or row, and we keep it.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mmsimtrack.structures import CropWindow, xywh_to_xyxy

from . import checks
from . import released_tracking as released
from .recipes import PARITY, image, load_json, needs, synth

CROPS = load_json('crops.json')
CASES = CROPS['cases']
each_case = pytest.mark.parametrize('case', CASES, ids=lambda c: c['note'])


def stored(case, name):
    with np.load(PARITY / 'crops.npz') as arrays:
        return arrays.get(f'{name}_{case["id"]:02d}')


def stored_mask(case, name, like):
    bits = np.unpackbits(stored(case, name))[: like.size]
    return bits.reshape(like.shape).astype(bool)


def window_of(case):
    return CropWindow.around(
        xywh_to_xyxy(case['box']), case['factor'], case['output_size']
    )


@each_case
def test_window(case):
    window = window_of(case)
    assert window.side == case['crop_sz']
    assert (window.left, window.top) == (case['x1'], case['y1'])
    assert window.size / window.side == pytest.approx(case['resize_factor'])


@needs('crops.npz')
@each_case
def test_pixels(case):
    expected = stored(case, 'crop')
    frame = image(case['image'])
    checks.assert_only_lost_lines_differ(
        window_of(case), frame, expected, case['pads']
    )
    if not checks.lost_lines(case['pads'], frame).any():
        checks.assert_same_crop(window_of(case).cut(frame), expected)


@needs('crops.npz')
@each_case
def test_padding(case):
    frame = image(case['image'])
    window = window_of(case)
    kept = ~checks.lost_lines(case['pads'], frame)
    # bilinear weights are multiples of (size / 2) ** -2, and float32
    padded = checks.share_of(window, kept) < 1 - 1e-6
    assert_array_equal(padded, stored_mask(case, 'mask', like=padded))


@needs('crops.npz')
@pytest.mark.parametrize(
    'case', [c for c in CASES if 'raw' in c], ids=lambda c: c['note']
)
def test_share_of_padding(case):
    """`padded_share`, on crops before the resize, and without lost lines."""
    frame = image(case['image'])
    window = window_of(case)
    square = np.zeros(case['raw'])
    mask = stored_mask(case, 'rawmask', like=square)
    lost = checks.lost_lines(case['pads'], frame)
    raw = CropWindow(window.left, window.top, window.side, window.side)
    lost_share = checks.share_of(raw, lost).mean()
    assert window.padded_share(frame.shape) + lost_share == pytest.approx(
        mask.mean(), abs=1e-12
    )


@needs('crops.npz')
@each_case
def test_released_arithmetic(case):
    """Of the tests' own `released_tracking`."""
    frame = image(case['image'])
    found = released.crop(
        frame, case['box'], case['factor'], case['output_size']
    )
    assert (found.x1, found.y1) == (case['x1'], case['y1'])
    assert found.side == case['crop_sz']
    assert found.pads == tuple(case['pads'])
    assert found.resize_factor == case['resize_factor']
    checks.assert_same_crop(found.image, stored(case, 'crop'))
    assert_array_equal(found.mask, stored_mask(case, 'mask', like=found.mask))
    if 'raw' in case:
        found = released.crop(frame, case['box'], case['factor'])
        assert_array_equal(found.image, stored(case, 'raw'))
        assert_array_equal(
            found.mask, stored_mask(case, 'rawmask', like=found.mask)
        )


def test_box_without_area_is_refused_by_both():
    bbox_xywh = (10, 10, 0, 5)
    frame = synth(0, 48, 64)
    message = CROPS['zero_area_box_raises']
    with pytest.raises(ValueError, match=message):
        released.crop(frame, bbox_xywh, 2)
    with pytest.raises(ValueError, match='needs a box with x1 < x2'):
        CropWindow.around(xywh_to_xyxy(bbox_xywh), 2, 8)


@pytest.mark.parametrize('seed', range(3))
def test_any_box_in_any_frame(seed):
    """Needs no fixture: other images, sizes and boxes, centers inside."""
    rng = np.random.default_rng(seed)
    for _ in range(40):
        height, width = rng.integers(40, 200, 2)
        frame = synth(int(rng.integers(2**31)), height, width)
        extent = np.exp(rng.uniform(0, 5, 2))
        corner = rng.random(2) * (width, height) - extent / 2
        bbox_xywh = np.concatenate([corner, extent]).round(2).tolist()
        factor = rng.choice([1.5, 2, 4, 5])
        size = int(rng.integers(16, 128))
        expected = released.crop(frame, bbox_xywh, factor, size)
        window = CropWindow.around(xywh_to_xyxy(bbox_xywh), factor, size)
        assert window == CropWindow(
            expected.x1, expected.y1, expected.side, size
        )
        checks.assert_only_lost_lines_differ(
            window, frame, expected.image, expected.pads
        )
