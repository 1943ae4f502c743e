"""Our network with converted weights answers as the official one does."""

import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmsimtrack.models.heads import soft_argmax
from mmsimtrack.registry import MODELS

from .conftest import (
    PARITY,
    ROOT,
    build,
    case_inputs,
    load_json,
    needs_all_fixtures,
    recipe_weights,
    to_cxcywh,
)

sys.path.insert(0, str(ROOT / 'tools/model_converters'))
from official_simtrack_to_mmsimtrack import to_ours  # noqa: E402

TINY = ['tiny', 'tiny_shift']
TOLERANCE = {torch.float32: 3e-5, torch.float64: 1e-7}


def check(model, entry, key):
    for dtype, tolerance in TOLERANCE.items():
        model = model.to(dtype)
        for case in entry['cases']:
            inputs = case_inputs(case, entry['model'], dtype)
            with torch.no_grad():
                bboxes = model(inputs, None, mode='tensor')
            torch.testing.assert_close(
                to_cxcywh(bboxes),
                torch.tensor(case[key], dtype=dtype),
                rtol=0,
                atol=tolerance,
            )


@pytest.mark.parametrize('as_released', [False, True])
@pytest.mark.parametrize('key', TINY)
def test_boxes_of_the_small_models(key, as_released):
    entry = load_json('forward.json')[key]
    model = build(entry['model'], as_released)
    weights, unused = to_ours(recipe_weights(key), key)
    assert list(unused) == ['backbone.visual.proj']
    model.load_state_dict(weights, strict=True)
    expected = 'boxes_cxcywh' if as_released else 'boxes_cxcywh_eq7_fovea'
    check(model, entry, expected)


@needs_all_fixtures
def test_boxes_of_sim_b16():
    """The network of the shipped config, the paper's way."""
    cfg = Config.fromfile(ROOT / 'configs/simtrack/sim_b16_lasot.py')
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(to_ours(recipe_weights('b16'), 'b16')[0])
    check(model, load_json('forward.json')['b16'], 'boxes_cxcywh_eq7_fovea')


@needs_all_fixtures
@pytest.mark.parametrize('key', TINY)
def test_tokens_and_heatmaps_as_released(key):
    entry = load_json('forward.json')[key]
    arrays = np.load(PARITY / entry['file'])
    model = build(entry['model'], as_released=True).double()
    model.load_state_dict(to_ours(recipe_weights(key), key)[0])
    compared = 0
    for case in entry['cases']:
        inputs = case_inputs(case, entry['model'], torch.float64)
        with torch.no_grad():
            feat = model.backbone(
                model.backbone.embed_exemplar(
                    inputs['exemplar'], inputs['exemplar_bbox']
                ),
                inputs['search'],
            )
            scores = model.head.heatmap_scores(feat)
        found = {
            'search_tokens': feat.flatten(2).mT,
            'score_tl': scores[0].flatten(1),
            'score_br': scores[1].flatten(1),
            'prob_tl': soft_argmax(scores[0])[1].flatten(1),
            'prob_br': soft_argmax(scores[1])[1].flatten(1),
        }
        for field, value in found.items():
            expected = arrays[f'{case["name"]}/{field}']
            np.testing.assert_allclose(
                value.reshape(expected.shape), expected, rtol=0, atol=2e-6
            )
            compared += 1
    assert compared == 5 * len(entry['cases'])
