"""Pairs of the shipped config, beside the official sampler and processing.

The official pipeline is written down again here, step by step, from what the
release does; ours must give the same distributions, though not the same draws.
Draws are seeded: a test that passes once passes always. Tolerances are four
standard errors, and 1.95 for Kolmogorov-Smirnov (probability 0.001).
"""

import math
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from mmsimtrack.datasets import PairDataset, VideoSequence, fill_pairs
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures import CropWindow, xyxy_to_xywh

CONFIG = Path(__file__).parents[2] / 'configs/simtrack/sim_b16_lasot.py'
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

    def __init__(self, name, visible, single_frame):
        self.name = name
        self.visible = [np.array(flags, bool) for flags in visible]
        self.single_frame = single_frame

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
        return VideoSequence(
            name, '{}', 0, len(flags), xyxy_to_xywh(bboxes), flags, flags
        )


def make_flags():
    """Visible frames of LaSOT, GOT-10k, COCO and TrackingNet look-alikes."""
    rng = np.random.default_rng(0)
    lasot = [rng.random(length) < 0.95 for length in (1000, 1800, 2500)]
    lasot[0][150:700] = False  # longer away than the gap
    got10k = [np.ones(length, bool) for length in (41, 90, 110, 250)]
    got10k[1][-20:] = False
    got10k += [np.ones(19, bool), np.arange(60) < 4]  # too few frames
    coco = [[True]] * 5
    trackingnet = [rng.random(length) < 0.99 for length in (470, 480)]
    return lasot, got10k, coco, trackingnet


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
            dict(
                type='VisibilityOnly',
                name=which,
                visible=visible,
                single_frame=len(visible[0]) == 1,
            )
            for which, visible in enumerate(flags)
        ]
        cfg = {**settings, 'datasets': datasets, **changes}
        cfg.pop('type')
        return PairDataset(**cfg)

    return _build


@pytest.fixture(scope='module')
def draws(build):
    """Ours and the official ones: (N, 4) set, sequence, two frames."""
    flags = make_flags()
    pairs = build(flags)
    ours = []
    for k in range(NUM_DRAWS):
        sequence, *frames = pairs.draw(np.random.default_rng((0, k)))
        ours.append((*map(int, sequence.name.split()), *frames))
    rng = np.random.default_rng(1)
    theirs = [official_draw(flags, 200, rng) for _ in range(NUM_DRAWS)]
    return np.array(ours), np.array(theirs)


def official_draw(flags, max_gap, rng):
    """One draw of the official sampler, in causal mode."""
    which = rng.integers(4)
    while True:
        i = rng.integers(len(flags[which]))
        visible = np.asarray(flags[which][i])
        if len(visible) == 1:
            return which, i, 0, 0
        if visible.sum() > 4 and len(visible) >= 20:
            break
    grown = 0
    while True:
        exemplars = np.flatnonzero(visible[:-1])
        t = exemplars[rng.integers(len(exemplars))]
        later = t + 1 + np.flatnonzero(visible[t + 1 : t + max_gap + grown])
        if len(later):
            return which, i, t, later[rng.integers(len(later))]
        grown += 5


def official_search_bbox(bbox, factor, size, center, scale, rng):
    """Jitter, crop and map the box: (cx, cy, w, h) in the crop, and the box
    (cx, cy, w, h) that the crop lies around.
    """
    middle, sides = (bbox[:2] + bbox[2:]) / 2, bbox[2:] - bbox[:2]
    around = sides * np.exp(scale * rng.standard_normal(2))
    moved = middle + (rng.random(2) - 0.5) * np.sqrt(around.prod()) * center
    resize = size / math.ceil(np.sqrt(around.prod()) * factor)
    in_crop = (size - 1) / 2 + (middle - moved) * resize
    return np.array([*in_crop, *(sides * resize)]) / size, (*moved, *around)


def assert_same_distribution(ours, theirs):
    """The two-sample statistic of Kolmogorov and Smirnov."""
    points = np.sort(np.concatenate([ours, theirs]))
    first, second = (
        np.searchsorted(np.sort(sample), points, side='right') / len(sample)
        for sample in (ours, theirs)
    )
    limit = 1.95 * math.sqrt(1 / len(ours) + 1 / len(theirs))
    assert abs(first - second).max() < limit


def assert_share(events, share):
    """A share of independent events, to four standard errors."""
    error = math.sqrt(share * (1 - share) / len(events))
    assert np.mean(events) == pytest.approx(share, abs=4 * error)


def test_data_sets_come_alike(draws):
    for sample in draws:
        for which in range(4):
            assert_share(sample[:, 0] == which, 1 / 4)


def test_usable_sequences_come_alike(draws):
    for sample in draws:
        for which, usable in enumerate((3, 4, 5, 2)):
            drawn = sample[sample[:, 0] == which, 1]
            assert set(drawn) == set(range(usable))
            for i in range(usable):
                assert_share(drawn == i, 1 / usable)


def test_images_are_drawn_twice(draws):
    for sample in draws:
        assert not sample[sample[:, 0] == 2, 2:].any()


@pytest.mark.parametrize('which', [0, 1, 3])
def test_gaps(draws, which):
    ours, theirs = (
        (sample[:, 3] - sample[:, 2])[sample[:, 0] == which]
        for sample in draws
    )
    assert_same_distribution(ours, theirs)
    error = math.sqrt(ours.var() / len(ours) + theirs.var() / len(theirs))
    assert ours.mean() == pytest.approx(theirs.mean(), abs=4 * error)
    if which == 3:  # nothing hidden for long
        for sample in (ours, theirs):
            assert sample.min() == 1
            assert 190 < sample.max() < 200


@pytest.mark.parametrize('which', [0, 1, 3])
@pytest.mark.parametrize('column', [2, 3])
def test_frames(draws, which, column):
    """Where in its sequence a frame lies."""
    lengths = [np.array([len(one) for one in flags]) for flags in make_flags()]
    ours, theirs = (
        rows[:, column] / lengths[which][rows[:, 1]]
        for rows in (sample[sample[:, 0] == which] for sample in draws)
    )
    assert_same_distribution(ours, theirs)


@pytest.fixture(scope='module')
def pairs(settings, build):
    """Pairs before packing, and the boxes of their windows (cx, cy, w, h)."""
    transforms = [
        cfg for cfg in settings['transforms'] if cfg['type'] != 'PackPair'
    ]
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


@pytest.fixture(scope='module')
def official():
    """(N, 4) boxes in the crop, (N, 4) boxes that the crops lie around."""
    rng = np.random.default_rng(1)
    jitter = dict(factor=4, size=224, center=3.5, scale=0.5)
    draws = [
        official_search_bbox(BBOX, rng=rng, **jitter) for _ in range(NUM_DRAWS)
    ]
    return [np.array(column) for column in zip(*draws)]


@pytest.mark.parametrize('column', range(4))
def test_jitter(pairs, official, column):
    """Centre and sides of the box that the search crop lies around."""
    assert_same_distribution(pairs[1][:, column], official[1][:, column])


def test_jitter_by_hand(pairs):
    """Log-normal sides of deviation 0.5, uniform shifts of up to 1.75."""
    around = pairs[1]
    middle, sides = (BBOX[:2] + BBOX[2:]) / 2, BBOX[2:] - BBOX[:2]
    growth = np.log(around[:, 2:] / sides)
    error = 0.5 / math.sqrt(NUM_DRAWS)
    np.testing.assert_allclose(growth.mean(0), 0, atol=4 * error)
    np.testing.assert_allclose(
        growth.std(0), 0.5, atol=4 * error / math.sqrt(2)
    )
    size = np.sqrt(around[:, 2:].prod(1, keepdims=True))
    shift = (around[:, :2] - middle) / size
    quantiles = np.linspace(0, 1, 11)
    expected = 3.5 * quantiles - 1.75
    errors = 3.5 * np.sqrt(quantiles * (1 - quantiles) / NUM_DRAWS)
    for axis in shift.T:
        distance = abs(np.quantile(axis, quantiles) - expected)
        assert (distance <= 4 * errors + 4 * 3.5 / NUM_DRAWS).all()
    draws = np.column_stack([growth, shift])
    correlation = np.corrcoef(draws.T) - np.eye(4)
    assert abs(correlation).max() < 4 / math.sqrt(NUM_DRAWS)


@pytest.mark.parametrize('column', range(4))
def test_search_boxes(pairs, official, column):
    """Where the target lies in the search crop, after mirroring."""
    corners = np.array([pair['search_bbox'] for pair in pairs[0]])
    bboxes = np.concatenate(
        [
            (corners[:, :2] + corners[:, 2:]) / 2,
            corners[:, 2:] - corners[:, :2],
        ],
        axis=1,
    )
    # the official crop is mirrored at random as well; the shift of half a
    # pixel of the crop stays far below the limit
    assert_same_distribution(bboxes[:, column], official[0][:, column])


def test_gray(pairs):
    gray = np.array(
        [
            [
                (pair[view][..., 1] == pair[view][..., 2]).all()
                for view in VIEWS
            ]
            for pair in pairs[0]
        ]
    )
    np.testing.assert_array_equal(gray[:, 0], gray[:, 1])
    assert_share(gray[:, 0], 0.05)


def test_mirroring(pairs):
    """Each view is mirrored or not, whatever the other is."""
    mirrored = np.array(
        [
            [
                pair[view][0, 0, 0] > pair[view][0, -1, 0]  # red grows
                for view in VIEWS
            ]
            for pair in pairs[0]
        ]
    )
    codes = mirrored @ (1, 2)
    for code in range(4):
        assert_share(codes == code, 1 / 4)


def test_mirroring_step_by_step(build):
    """The pair first, then each view: the second hides the first above."""
    first, second = (
        transform
        for transform in build([[[True]]], ratios=[1]).transforms
        if type(transform).__name__ == 'RandomMirror'
    )
    for transform, joint in ((first, True), (second, False)):
        flips = []
        for k in range(NUM_DRAWS // 2):
            pair = {
                view: np.array([[[0] * 3, [9] * 3]], np.uint8)
                for view in VIEWS
            }
            pair |= {f'{view}_bbox': np.zeros(4) for view in VIEWS}
            pair['rng'] = np.random.default_rng((2, k))
            transform(pair)
            flips.append([pair[view][0, 0, 0] == 9 for view in VIEWS])
        flips = np.array(flips)
        assert_share(flips[:, 0], 1 / 2)
        assert_share(flips[:, 1], 1 / 2)
        assert_share(flips[:, 0] == flips[:, 1], 1 if joint else 1 / 2)


def test_brightness(pairs):
    factors = np.array(
        [
            [pair[view][..., 1].mean() / GREEN for view in VIEWS]
            for pair in pairs[0]
            if pair['search'][0, 0, 1] != pair['search'][0, 0, 2]  # not gray
        ]
    )
    # whole gray levels are hundredths here
    assert factors.min() == pytest.approx(0.8, abs=0.006)
    assert factors.max() == pytest.approx(1.2, abs=0.006)
    rng = np.random.default_rng(3)
    for column in factors.T:
        theirs = rng.uniform(0.8, 1.2, len(factors))
        assert_same_distribution(column, np.round(theirs, 2))
        error = 0.4 / math.sqrt(12 * len(factors))
        assert column.mean() == pytest.approx(1, abs=4 * error)
    between = np.corrcoef(factors.T)[0, 1]
    assert abs(between) < 4 / math.sqrt(len(factors))


@pytest.mark.parametrize(
    'mode, lowest, highest', [('interval', -199, 199), ('order', -398, 398)]
)
def test_other_modes(settings, build, mode, lowest, highest):
    sampling = {**settings['sampling'], 'mode': mode}
    pairs = build([[np.ones(2000, bool)]], ratios=[1], sampling=sampling)
    draws = [pairs.draw(np.random.default_rng((4, k))) for k in range(1000)]
    gaps = np.array([second - first for _, first, second in draws])
    assert lowest <= gaps.min() < 0.9 * lowest
    assert 0.9 * highest < gaps.max() <= highest
    assert_share(gaps > 0, 1 / 2)
