"""Arithmetic on boxes beside that of the official code."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mmsimtrack.datasets.pair_dataset import jitter_bbox
from mmsimtrack.structures import (
    CropWindow,
    clip_bboxes,
    xywh_to_xyxy,
    xyxy_to_xywh,
)

from . import checks
from . import released_tracking as released
from .recipes import load_json

BOXES = load_json('boxes.json')


def each(part):
    return pytest.mark.parametrize('case', BOXES[part])


def window_around(around_xywh, resize_factor, size):
    side = round(size / resize_factor)
    x, y, w, h = around_xywh
    left, top = round(x + w / 2 - side / 2), round(y + h / 2 - side / 2)
    return CropWindow(left, top, side, size)


@each('clip_box')
def test_clip(case):
    shape, margin = (case['H'], case['W']), case['margin']
    found = clip_bboxes([xywh_to_xyxy(case['box'])], shape, margin)
    assert_allclose(xyxy_to_xywh(found[0]), case['out'], rtol=0, atol=1e-9)
    found = released.clip(case['box'], shape, margin)
    assert_allclose(found, case['out'], rtol=0, atol=1e-12)


@pytest.mark.parametrize('seed', range(3))
def test_clip_of_any_box(seed):
    """Needs no fixture; inverted and distant boxes too."""
    rng = np.random.default_rng(seed)
    shape = rng.integers(20, 300, 2)
    bboxes_xywh = rng.uniform(-300, 300, (100, 4))
    found = clip_bboxes(xywh_to_xyxy(bboxes_xywh), shape, 10)
    expected = [released.clip(bbox, shape, 10) for bbox in bboxes_xywh]
    assert_allclose(xyxy_to_xywh(found), expected, rtol=0, atol=1e-9)


@each('jitter')
def test_jitter(case):
    draws = np.array(case['normal']), np.array(case['uniform'])
    jitter = case['center_jitter'], case['scale_jitter']
    found = jitter_bbox(xywh_to_xyxy(case['box']), *draws, *jitter)
    assert_allclose(xyxy_to_xywh(found), case['out_xywh'], **checks.FLOAT32)


@each('map_box_back')
def test_box_into_frame(case):
    """The official code maps around the box, we from the window's corner."""
    state, pred = case['state'], case['pred_cxcywh_norm']
    size, factor = case['search_size'], case['resize_factor']
    back = released.box_into_frame(pred, state, factor, size)
    assert_allclose(back, case['out_xywh'], rtol=0, atol=1e-9)
    window = window_around(state, factor, size)
    moved = checks.corner_lost_by_rounding(state, window)
    found = window.to_frame(checks.to_corners(pred)) - xywh_to_xyxy(back)
    assert_allclose(found, np.tile(moved, 2), rtol=0, atol=1e-9)


@each('image_to_crop')
def test_box_into_crop(case):
    around, factor = case['crop_box'], case['resize_factor']
    found = released.box_into_crop(case['box'], around, factor, case['size'])
    assert_allclose(found, case['out_norm_xywh'], **checks.UNIT)
    window = window_around(around, factor, case['size'])
    found = window.to_crop(xywh_to_xyxy(case['box']))
    checks.assert_box_into_crop(found, case['out_norm_xywh'], around, window)
