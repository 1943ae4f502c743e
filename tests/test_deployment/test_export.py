"""Exported networks give the boxes of torch, for any number of targets.

`make test-export` sets MMSIMTRACK_EXPORT: then the networks of the zoo are
exported in full size, not made small.
"""

import os

import numpy as np
import pytest
import torch
from small_models import SIMTRACK
from test_configs import load, shrink_backbone, shrink_teacher

from mmsimtrack.deployment import export
from mmsimtrack.deployment.export import draw_clip, follow
from mmsimtrack.registry import MODELS
from mmsimtrack.runtime import Tracker

FULL = 'MMSIMTRACK_EXPORT' in os.environ
# one config of each network; the rest differ in numbers only
NETWORKS = [
    'simtrack/sim_b16_lasot.py',
    'simtrack/sim_s16-6l_real.py',
    'simtrack/sim_t16_real_distilled.py',
    'simtrack/sim_swin-b_lasot.py',
    'simtrack/sim_pvt-m_lasot.py',
    'simtrack/ablations/sim_b16_decoder1_tnl2k.py',
    'simtrack/ablations/sim_b16_interaction50_tnl2k.py',
    'simtrack/ablations/sim_b16_plain_tnl2k.py',
    'simtrack/ablations/sim_b16_one-way_lasot.py',
    'simtrack/ablations/sim_b16_search320_lasot.py',
    'simtrack/official/sim_b16_lasot.py',
    'simtrack/official/sim_b32_lasot.py',
    'stark/stark-s_r50_lasot.py',
    'stark/stark-sv_b16_lasot.py',
    'ostrack/ostrack_b256_lasot.py',
]
# the same in numbers of layers and channels
LARGE = [
    'simtrack/sim_b32_lasot.py',
    'simtrack/sim_b16-8l_lasot.py',
    'simtrack/sim_l14_lasot.py',
    'simtrack/sim_s14_lasot.py',
    'simtrack/sim_b14-dinov2_lasot.py',
    'simtrack/sim_t16_real.py',
    'simtrack/ablations/sim_b16_decoder3_tnl2k.py',
    'simtrack/ablations/sim_b16_decoder6_tnl2k.py',
    'simtrack/ablations/sim_b16_interaction25_tnl2k.py',
    'simtrack/ablations/sim_b16_no-fovea_tnl2k.py',
    'simtrack/ablations/sim_b16_search384_lasot.py',
    'simtrack/official/sim_l14_lasot.py',
    'stark/stark-sv_b32_lasot.py',
    'stark/stark-sv_l14_lasot.py',
    'ostrack/ostrack_b384_lasot.py',
    'demo/sim_tiny_generated.py',
]


def build(cfg):
    torch.manual_seed(0)
    return MODELS.build(cfg).eval()


@pytest.fixture(scope='module')
def model():
    """A small network that uses all of `test_cfg` that a corner head can."""
    options = dict(size_smoothing=0.5, calibrate=True)
    return build({**SIMTRACK, 'test_cfg': options})


@pytest.fixture(scope='module')
def exported(model, tmp_path_factory):
    """The folder of its ONNX files, and the report."""
    out = tmp_path_factory.mktemp('export') / 'small'
    return out, export(model, out, name='small')


def track_three(model, folder, **options):
    """Boxes (T, 3, 4) of three targets, by torch and by the runtime."""
    frames, bbox = draw_clip(6)
    bboxes = bbox + [[0], [7], [-12]] * np.array([1, 1, 1.5, 2])
    state, expected = model.init(frames[:1] * 3, bboxes), []
    for frame in frames[1:]:
        state = model.track([frame] * 3, state)
        expected.append(state.bboxes.numpy())
    return np.stack(expected), follow(
        Tracker(folder, **options), frames, bboxes
    )


@pytest.mark.parametrize('name', NETWORKS + FULL * LARGE)
def test_networks_of_the_zoo_with_any_number_of_targets(name, tmp_path):
    cfg = load(name)
    if not FULL:
        shrink_backbone(cfg.model.backbone)
        cfg.model.head.channels = 8
    if 'teacher' in cfg.model:
        shrink_teacher(cfg.model.teacher, tmp_path / 'teacher')
        if FULL:  # a teacher has no part in tracking
            cfg = load('simtrack/sim_t16_real.py')
    model = build(cfg.model)
    report = export(model, tmp_path / 'out', clip=draw_clip(4))
    assert report['max_difference'] <= 1e-3
    expected, found = track_three(model, tmp_path / 'out')
    np.testing.assert_allclose(found, expected, atol=1e-3)
