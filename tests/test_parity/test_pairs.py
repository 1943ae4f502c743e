"""Training pairs without random numbers, beside the official pipeline."""

from types import SimpleNamespace

import numpy as np
import pytest

from mmsimtrack.datasets.pair_dataset import PairDataset, ReadingPolicy
from mmsimtrack.structures import CropWindow, xywh_to_xyxy

from . import released_tracking as released
from .checks import UNIT, assert_box_into_crop, assert_only_lost_lines_differ
from .recipes import image, load_json, normalize

CASES = load_json('boxes.json')['pipeline_no_jitter']
# of the values of `probe`: the channel, the row and the column
PROBES = ((0, 3, 5), (1, 40, 11), (2, -1, -1))
VIEWS = [('template', 'exemplar'), ('search', 'search')]


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('view', [official for official, _ in VIEWS])
def test_released_pair(case, view):
    bbox_xywh, size = case[f'{view}_box'], case['sizes'][view]
    crop = released.crop(
        image(case['image']), bbox_xywh, case['factors'][view], size
    )
    found = released.box_into_crop(
        bbox_xywh, bbox_xywh, crop.resize_factor, size
    )
    np.testing.assert_allclose(found, case[f'{view}_anno'], **UNIT)
    share = case[f'{view}_att_fraction']
    assert crop.mask.mean() == pytest.approx(share, abs=1e-6)
    stats = case[f'{view}_image_stats']
    crop = normalize(crop.image)[0].double()
    # one gray level on 1 % of the values moves these by less
    means = {'mean': crop.mean((1, 2)), 'std': crop.std((1, 2))}
    for name, found in means.items():
        np.testing.assert_allclose(found, stats[name], rtol=0, atol=2e-4)
    # one gray level is 0.02
    found = [crop[probe] for probe in PROBES]
    np.testing.assert_allclose(found, stats['probe'], rtol=0, atol=0.02)


@pytest.mark.parametrize('case', CASES)
def test_our_pair(case):
    """What `PairDataset` cuts, beside the official pair."""
    frame = image(case['image'])
    bboxes_xywh = [case[f'{official}_box'] for official, _ in VIEWS]
    sequence = SimpleNamespace(
        bboxes=xywh_to_xyxy(bboxes_xywh),
        read_frame=lambda t: frame,
        outline=(),
    )
    dataset = SimpleNamespace(
        jitter=dict(center=0, scale=0), reading=ReadingPolicy(), warps=None
    )
    for official, ours in VIEWS:
        view = {k: case[k + 's'][official] for k in ('factor', 'size')}
        setattr(dataset, ours, view)
    pair = PairDataset.cut(dataset, sequence, 0, 1, np.random.default_rng(0))
    if not case['valid']:
        pytest.skip('the official code draws another pair')
    for (official, ours), bbox_xywh in zip(VIEWS, bboxes_xywh):
        factor, size = case['factors'][official], case['sizes'][official]
        expected = released.crop(frame, bbox_xywh, factor, size)
        window = CropWindow.around(xywh_to_xyxy(bbox_xywh), factor, size)
        np.testing.assert_array_equal(pair[ours], window.cut(frame))
        assert_only_lost_lines_differ(
            window, frame, expected.image, expected.pads
        )
        assert_box_into_crop(
            pair[f'{ours}_bbox'], case[f'{official}_anno'], bbox_xywh, window
        )
