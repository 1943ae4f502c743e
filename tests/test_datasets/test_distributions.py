"""Pairs of the shipped config have the distributions of the paper.

Draws are seeded: a test that passes once passes always. Tolerances are four
standard errors. Frames are drawn as test_frame_sampling.py says.
"""

import math

import numpy as np
import pytest
from mmengine.config import Config
from processes import ROOT
from scipy import stats

from mmsimtrack.datasets import PairDataset, VideoSequence, fill_pairs
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures import CropWindow, xyxy_to_xywh

CONFIG = ROOT / 'configs/simtrack/sim_b16_lasot.py'
NUM_DRAWS = 4000
VIEWS = ('exemplar', 'search')
BBOX = np.array([900.0, 700, 980, 745])
# a frame of one color, red growing to the right; nothing clips at 1.2 times
SHAPE = (1400, 1800, 3)
GREEN, BLUE = 100, 60


@DATASETS.register_module(force=True)
class VisibilityOnly:
    """Videos of which only the visible frames matter."""

    data_root = 'nowhere'

    def __init__(self, name, visible):
        self.name = name
        self.visible = [np.array(flags, bool) for flags in visible]
        self.single_frame = len(visible[0]) == 1

    def __len__(self):
        return len(self.visible)

    def num_frames(self):
        return np.array([len(flags) for flags in self.visible])

    def num_visible(self):
        return np.array([flags.sum() for flags in self.visible])

    def get_sequence(self, i):
        flags = self.visible[i]
        bboxes = np.tile(BBOX, (len(flags), 1))
        name = f'{self.name} {i}'
        frames, boxes = (name, '{}', 0, len(flags)), xyxy_to_xywh(bboxes)
        return VideoSequence(*frames, boxes, flags, flags)


@pytest.fixture(scope='module')
def settings():
    """Of the training pairs of the paper."""
    cfg = Config.fromfile(CONFIG)
    return fill_pairs(cfg.train_dataloader.dataset.to_dict(), cfg.model)


@pytest.fixture(scope='module')
def build(settings):
    """A function that builds pairs with the settings of the paper."""

    def _build(flags, **changes):
        datasets = [
            dict(type='VisibilityOnly', name=which, visible=visible)
            for which, visible in enumerate(flags)
        ]
        cfg = {**settings, 'datasets': datasets, **changes}
        cfg.pop('type')
        return PairDataset(**cfg)

    return _build


def assert_share(events, share):
    """A share of independent events, to four standard errors."""
    error = math.sqrt(share * (1 - share) / len(events))
    assert np.mean(events) == pytest.approx(share, abs=4 * error)


def test_sequences(build):
    """Data sets come by their ratios, usable sequences alike, images twice."""
    full = np.ones(41, bool)
    flags = [
        [np.ones(1000, bool), np.arange(2500) < 99],
        [full, full, full, np.ones(19, bool), np.arange(60) < 4],
        [[True]] * 5,
        [full],
    ]
    with pytest.raises(ValueError, match='1 ratios for 4 data sets'):
        build(flags, ratios=[1])
    ratios, usable = (3, 4, 2, 1), (2, 3, 5, 1)
    pairs = build(flags, ratios=ratios)
    assert len(pairs) == sum(usable)
    drawn = [pairs.draw(np.random.default_rng(k)) for k in range(NUM_DRAWS)]
    names = np.array([list(map(int, s.name.split())) for s, *_ in drawn])
    for which, num in enumerate(usable):
        assert_share(names[:, 0] == which, ratios[which] / 10)
        found = names[names[:, 0] == which, 1]
        assert set(found) == set(range(num))
        for i in range(num - 1):
            assert_share(found == i, 1 / num)
    images = [frames for s, *frames in drawn if len(s) == 1]
    assert not np.any(images)
    gaps = [second - first for s, first, second in drawn if len(s) > 1]
    assert min(gaps) == 1 and 190 < max(gaps) < 200


@pytest.fixture(scope='module')
def pairs(settings, build):
    """Pairs before packing, and the boxes of their windows (cx, cy, w, h)."""
    given = settings['transforms']
    transforms = [cfg for cfg in given if cfg['type'] != 'PackPair']
    dataset = build(
        [[[True]]],
        ratios=[1],
        transforms=transforms,
        # the smallest crops of the paper's factors
        exemplar={**settings['exemplar'], 'size': 8},
        search={**settings['search'], 'size': 16},
    )
    frame = np.empty(SHAPE, np.uint8)
    frame[...] = np.linspace(20, 200, SHAPE[1])[:, None]
    frame[..., 1:] = GREEN, BLUE
    around, cut = [], CropWindow.around.__func__

    def record(cls, bbox, factor, size):
        if size == 16:
            x1, y1, x2, y2 = bbox
            around.append(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))
        return cut(cls, bbox, factor, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VideoSequence, 'read_frame', lambda *_: frame)
        patch.setattr(CropWindow, 'around', classmethod(record))
        pairs = [dataset[0, k] for k in range(NUM_DRAWS)]
    assert len(around) == NUM_DRAWS  # each at the first attempt
    return pairs, np.array(around)


def assert_law(draws, law):
    """The test of Kolmogorov and Smirnov rejects one of a thousand."""
    assert stats.kstest(draws, law.cdf).pvalue > 0.001


def test_jitter(pairs):
    """Log-normal sides of deviation 0.5, uniform shifts of up to 1.75.

    This is the box that the search crop lies around.
    """
    around = pairs[1]
    middle, sides = (BBOX[:2] + BBOX[2:]) / 2, BBOX[2:] - BBOX[:2]
    growth = np.log(around[:, 2:] / sides)
    size = np.sqrt(around[:, 2:].prod(1, keepdims=True))
    shift = (around[:, :2] - middle) / size
    for axis in (0, 1):
        assert_law(growth[:, axis], stats.norm(0, 0.5))
        assert_law(shift[:, axis], stats.uniform(-1.75, 3.5))
    draws = np.column_stack([growth, shift])
    correlation = np.corrcoef(draws.T) - np.eye(4)
    assert abs(correlation).max() < 4 / math.sqrt(NUM_DRAWS)


def of_views(pairs, function):
    """(N, 2) of what a function says of both views."""
    return np.array([[function(p[view]) for view in VIEWS] for p in pairs[0]])


def test_gray(pairs):
    gray = of_views(pairs, lambda x: (x[..., 1] == x[..., 2]).all())
    np.testing.assert_array_equal(gray[:, 0], gray[:, 1])
    assert_share(gray[:, 0], 0.05)


def test_mirroring(pairs):
    """Each view is mirrored or not, whatever the other is."""
    # red grows to the right
    mirrored = of_views(pairs, lambda x: x[0, 0, 0] > x[0, -1, 0])
    codes = mirrored @ (1, 2)
    for code in range(4):
        assert_share(codes == code, 1 / 4)


def test_brightness(pairs):
    factors = of_views(pairs, lambda x: x[..., 1].mean() / GREEN)
    gray = of_views(pairs, lambda x: x[0, 0, 1] == x[0, 0, 2])
    factors = factors[~gray[:, 0]]
    # whole gray levels are hundredths here
    rounding = np.random.default_rng(0).uniform(-0.005, 0.005, factors.shape)
    for column in (factors + rounding).T:
        assert_law(column, stats.uniform(0.795, 0.41))
        assert 0.79 < column.min() < 0.81 and 1.19 < column.max() < 1.21
    between = np.corrcoef(factors.T)[0, 1]
    assert abs(between) < 4 / math.sqrt(len(factors))
