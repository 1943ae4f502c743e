"""Flips and colors beside those of the official code."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from numpy.testing import assert_allclose, assert_array_equal

from mmsimtrack.datasets.transforms import (
    BrightnessJitter,
    JointGray,
    RandomMirror,
)
from mmsimtrack.registry import MODELS
from mmsimtrack.structures import xywh_to_xyxy, xyxy_to_xywh

from .checks import FLOAT32, UNIT
from .recipes import ROOT, load_json

BOXES = load_json('boxes.json')
COLORS = BOXES['colour']


def mirror(bbox, size):
    """Box after `RandomMirror`, in the unit of `bbox`; `size` = (W, H)."""
    sizes = np.tile(size, 2)
    width, height = np.ceil(size).astype(int)
    view = np.zeros((height, width, 3), np.uint8)
    pair = {'exemplar': view, 'search': view, 'rng': np.random.default_rng(0)}
    pair |= dict.fromkeys(('exemplar_bbox', 'search_bbox'), bbox / sizes)
    RandomMirror(prob=1, joint=True).transform(pair)
    return pair['search_bbox'] * sizes


@pytest.mark.parametrize('case', BOXES['flip'])
def test_flip(case):
    found = mirror(xywh_to_xyxy(case['box_norm']), (1, 1))
    assert_allclose(xyxy_to_xywh(found), case['flipped_norm'], **UNIT)
    # For whole frames the official code takes W - 1 for the far border.
    found = mirror(xywh_to_xyxy(case['box_px']), (case['W'], case['H']))
    assert_allclose(
        xyxy_to_xywh(found) - (1, 0, 0, 0), case['flipped_px'], **FLOAT32
    )


class Draws:
    """A generator whose next numbers are known."""

    def __init__(self, value):
        self.value = value

    def random(self, size=None):
        return self.value if size is None else np.full(size, self.value)

    def uniform(self, low, high):
        assert low <= self.value < high
        return self.value


def colored(transform, patch, value):
    views = {'exemplar': patch.copy(), 'search': patch.copy()}
    return transform.transform({**views, 'rng': Draws(value)})['search']


@pytest.fixture
def preprocessor():
    cfg = Config.fromfile(ROOT / 'configs/_base_/models/sim_b16.py')
    return MODELS.build(cfg.model.data_preprocessor)


def test_gray():
    patch = np.array(COLORS['patch'], np.uint8)
    found = colored(JointGray(prob=1), patch, value=0)
    expected = np.array(COLORS['gray'])[..., None].repeat(3, axis=2)
    assert_array_equal(found, expected)


def test_brightness():
    """Ours is the official one, rounded to whole gray levels."""
    patch = np.array(COLORS['patch'], np.uint8)
    factor = COLORS['brightness_factor']
    found = colored(BrightnessJitter(amount=0.5), patch, factor)
    expected = np.array(COLORS['after_brightness_chw']).transpose(1, 2, 0)
    exact = np.clip(patch * factor / 255, 0, 1)
    assert_allclose(expected, exact, **UNIT)
    assert found.dtype == np.uint8
    assert np.abs(found - 255 * expected).max() <= 0.5 + 1e-4


def test_normalization(preprocessor):
    levels = 255 * torch.tensor(COLORS['after_brightness_chw'])
    found = preprocessor.normalize(levels[None])[0]
    expected = torch.tensor(COLORS['after_normalise_chw'])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
