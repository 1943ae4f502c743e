"""OSTrack's loop beside the release's.

As for SimTrack, the release maps a prediction back around the previous box, we
from the corner of the crop in whole pixels, and it loses the last column and
row of a frame where a crop crosses them.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmsimtrack.structures import CropWindow, clip_bboxes, xywh_to_xyxy

from . import checks
from . import released_tracking as released
from .ostrack import RANGES, arrays, build, hann, load, sequence
from .recipes import normalize, to_cxcywh, to_xyxy

PIXELS = dict(rtol=0, atol=0.02)
LOGIC = load('tracker_logic.json')
TRACKED = load('tracker.json')
WAYS = ['with_window', 'without_window']


def name_of(case):
    if 'model' not in case:
        return case['maps']
    source = case['sequence']
    what = source.get('seed', 'photo')
    return f'{case["model"]}-{case["elimination"]}-{what}'


@pytest.fixture(scope='module')
def network():
    """A function that builds a model once."""
    cache = {}

    def make(key, elimination):
        if (key, elimination) not in cache:
            cache.clear()
            tokens = elimination and RANGES[elimination]
            if key == 'tiny' and tokens:
                tokens = [5]
            cache[key, elimination] = build(key, tokens)
        return cache[key, elimination]

    return make


def follow(model, case, way):
    """Compare the release's loop, and ours, frame by frame.

    `model.head` may answer with prescribed maps; it is told the frame.
    """
    first, *frames = sequence(case['sequence'])
    box, view, size = case['init_box'], model.exemplar, model.search['size']
    exemplar = released.crop(first, box, view['factor'], view['size'])
    bbox = released.box_into_crop(
        box, box, exemplar.resize_factor, view['size']
    )
    memory = model.backbone.embed_exemplar(
        normalize(exemplar.image), to_xyxy(torch.tensor(bbox[None]).float())
    )
    model.window = 'hann' if way == 'with_window' else None
    state = replace(model.init([first], xywh_to_xyxy([box])), memory=memory)
    for frame, expected in zip(frames, case[way]):
        previous = expected['state_in']
        crop = released.crop(frame, previous, model.search['factor'], size)
        for key in ('side', 'x1', 'y1'):
            assert getattr(crop, key) == expected['crop'][key]
        mean = crop.image.mean()
        assert mean == pytest.approx(expected['crop_mean'], abs=0.01)
        feat = model.backbone(memory, normalize(crop.image))
        prior = model._prior(feat)
        score, *_ = model.head.maps(feat)
        response = score
        if prior is not None:
            np.testing.assert_allclose(prior, hann(feat.shape[-1]), atol=1e-6)
            response = score * prior
        assert response.argmax() == expected['cell']
        pred = model.head.predict(feat, prior)
        for key, found in (
            ('max_score', score.max()),
            ('response', response.max()),
            ('score_at_cell', pred.scores),
        ):
            assert found.item() == pytest.approx(expected[key], abs=5e-5)
        found = to_cxcywh(pred.bboxes.double())[0].numpy()
        unclipped = released.box_into_frame(
            found, previous, crop.resize_factor, size
        )
        clipped = released.clip(unclipped, frame.shape)
        boxes = (unclipped, 'unclipped_xywh'), (clipped, 'state_out')
        for found, key in boxes:
            np.testing.assert_allclose(found, expected[key], **PIXELS)
        # ours, where the release sees the same: moved by the whole pixels
        around = xywh_to_xyxy(previous)
        window = CropWindow.around(around, model.search['factor'], size)
        moved = checks.corner_lost_by_rounding(previous, window)
        seen = checks.without_lost_lines(crop.pads, frame)
        ours = checks.track_from(model, seen, state, previous)
        theirs = xywh_to_xyxy(expected['unclipped_xywh']) + np.tile(moved, 2)
        theirs = clip_bboxes(theirs, frame.shape[:2], 10)
        np.testing.assert_allclose(ours, theirs, **PIXELS)


@torch.no_grad()
@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('case', TRACKED, ids=name_of)
def test_tracking(network, case, way):
    follow(network(case['model'], case['elimination']), case, way)


@torch.no_grad()
@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('case', LOGIC, ids=name_of)
def test_prescribed_maps(network, case, way, monkeypatch):
    model = network('tiny', None)
    given = arrays('tracker_logic.npz')
    first, second, *_ = sequence(case['sequence'])
    for view, frame, bbox, field in (
        (model.exemplar, first, case['init_box'], 'template_crop'),
        (model.search, second, case['init_box'], 'first_search_crop'),
    ):
        crop = released.crop(frame, bbox, view['factor'], view['size'])
        checks.assert_same_crop(crop.image, given[f'{case["maps"]}/{field}'])
    calls = []

    def maps(feat):
        # three calls per frame: response, prediction, and our tracker's
        t = len(calls) // 3
        calls.append(t)
        return [
            torch.from_numpy(given[f'{case["maps"]}/{name}_map'][t : t + 1])
            for name in ('score', 'offset', 'size')
        ]

    monkeypatch.setattr(model.head, 'maps', maps)
    follow(model, case, way)
    assert len(calls) == 3 * len(case[way])
