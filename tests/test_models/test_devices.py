"""An accelerator gives the boxes and the losses of the CPU.

MMSIMTRACK_DEVICE names another device than `cuda`.
"""

import copy
import os

import numpy as np
import pytest
import torch
from small_models import make_batch, make_samples

from mmsimtrack.apis import Tracker, init_model
from mmsimtrack.deployment.export import draw_clip, follow

DEVICE = os.environ.get('MMSIMTRACK_DEVICE', 'cuda')
pytestmark = pytest.mark.skipif(
    DEVICE == 'cuda' and not torch.cuda.is_available(), reason='no GPU'
)


@pytest.fixture(
    params=['sim_t16_real', 'sim_s16-6l_real', 'ostrack_tiny_generated']
)
def models(request, monkeypatch):
    """The same network on the CPU and on the device."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    torch.manual_seed(0)
    model = init_model(request.param, device='cpu')
    return model, copy.deepcopy(model).to(DEVICE)


def test_boxes(models):
    found = []
    for model in models:
        device = next(model.parameters()).device
        found.append(follow(Tracker(model, device=device), *draw_clip(10)))
    np.testing.assert_allclose(*found, atol=0.01)


def test_losses(models):
    (sample,) = make_samples([0.3, 0.3, 0.6, 0.7])
    sides = models[0].exemplar['size'], models[0].search['size']
    inputs = make_batch(*sides)
    found = []
    for model in models:
        device = next(model.parameters()).device
        moved = {key: each.to(device) for key, each in inputs.items()}
        samples = [sample.to(device)] * 2
        losses = model(moved, samples, 'loss')
        found.append([losses[key].item() for key in sorted(losses)])
    np.testing.assert_allclose(*found, rtol=1e-4)
