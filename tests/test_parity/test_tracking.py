"""The released tracking loop around our network, and our tracker beside it.

The loop is rebuilt in `released_tracking`, for our network in float32 it gives
the released boxes to 1e-4 px. Our tracker gives others, for three reasons:

- The release maps a prediction back around the previous box, not from the
  corner of the crop in whole pixels: up to 0.5 px in x and in y.
- It truncates the exemplar's box to whole pixels of its crop. The networks of
  the fixtures then move their boxes by up to 0.25 px in the frame.
- It never sees the last column and row of a frame that a crop crosses. These
  networks, of random weights, may then answer with quite another box: up to
  24 px away, and 3 to 5 px in the median of two sequences at the border.

Without the second and the third, 0.5 px is the bound, and it is met: 0.50 px.
Without the third alone the largest difference is 0.53 px.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from mmsimtrack.structures import xywh_to_xyxy

from . import checks
from . import released_tracking as released
from .networks import build, converted_weights
from .recipes import load_json, normalize, sequence

FORWARD = load_json('forward.json')
TRACKS = load_json('tracker.json', absent=[])
PIXELS = dict(rtol=0, atol=0.02)
BOXES = dict(rtol=0, atol=3e-5)


@pytest.fixture(scope='module')
def network():
    """A function: key of forward.json -> our network as released."""

    @lru_cache(maxsize=1)
    def make(key):
        sizes = FORWARD[key]['model']
        model = build(key, sizes, 'released')
        model.load_state_dict(converted_weights(sizes['weights']))
        return model

    return make


@pytest.fixture(scope='module', params=TRACKS, ids=lambda c: c['label'])
def steps(request, network):
    """The released loop, and our tracker from the same previous boxes.

    Returns:
        Of each frame a dict: `expected`, the fixture's; `crop`, `pred`,
        `unclipped`, `bbox_xywh`, of the rebuilt loop; `ours` and `alike`, our
        box, and ours with the exemplar's box and frames of the release.
    """
    case = request.param
    model = network(case['config'])
    first, *frames = sequence(case['source'])
    tracker = released.ReleasedTracker(model, first, case['init_box'])
    assert_allclose(
        tracker.exemplar_xywh, case['template_anno'], rtol=0, atol=1e-6
    )
    state = model.init([first], xywh_to_xyxy([case['init_box']]))
    bbox = torch.from_numpy(xywh_to_xyxy([tracker.exemplar_xywh])).float()
    with torch.no_grad():
        memory = model.backbone.embed_exemplar(
            normalize(tracker.exemplar.image), bbox
        )
    found = []
    for frame, expected in zip(frames, case['frames_out'], strict=True):
        previous = expected['state_in']
        assert_allclose(tracker.bbox_xywh, previous, **PIXELS)
        tracker.bbox_xywh = previous
        crop, pred, unclipped = tracker.track(frame)
        alike = replace(state, memory=memory)
        black = checks.without_lost_lines(crop.pads, frame)
        step = dict(expected=expected, crop=crop, pred=pred)
        step |= dict(unclipped=unclipped, bbox_xywh=tracker.bbox_xywh)
        for way, *seen in (('ours', frame, state), ('alike', black, alike)):
            step[way] = checks.track_from(model, *seen, previous).numpy()
        cut = (tracker.exemplar.pads, first), (crop.pads, frame)
        step['unseen'] = [checks.lost_lines(*each).any() for each in cut]
        found.append(step)
    return found


def test_released_loop_around_our_network(steps):
    for step in steps:
        expected = step['expected']
        checks.assert_geometry(step['crop'], expected)
        assert_allclose(step['pred'], expected['pred_cxcywh_norm'], **BOXES)
        names = {'unclipped': 'unclipped_xywh', 'bbox_xywh': 'state_out'}
        for found, official in names.items():
            assert_allclose(step[found], expected[official], **PIXELS)


def test_our_tracker_without_the_other_two_reasons(steps):
    """The same exemplar box and pixels: only the rounding is left."""
    for step in steps:
        difference = step['alike'] - xywh_to_xyxy(step['bbox_xywh'])
        assert np.abs(difference).max() <= checks.ROUNDING + PIXELS['atol']


def test_our_tracker(steps):
    """Where the crops lose nothing, it is the rounding and exemplar's box.

    One pixel of the exemplar, which truncation takes at most, moves a box of
    such networks by up to 0.4 % of the search crop; 2 % is allowed.
    """
    for step in steps:
        if not any(step['unseen']):
            difference = step['ours'] - xywh_to_xyxy(step['bbox_xywh'])
            limit = checks.ROUNDING + 0.02 * step['crop'].side
            assert np.abs(difference).max() <= limit
