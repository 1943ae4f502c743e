import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_models import load_demo, make_batch, make_samples

from mmsimtrack.engine.hooks import CompileHook
from mmsimtrack.registry import MODELS


def track(model):
    frames = [np.random.default_rng(0).integers(0, 255, (60, 80, 3), 'u1')]
    state = model.init(frames, [[20, 20, 40, 40]])
    return model.eval().track(frames, state).bboxes


def losses(model):
    samples = make_samples(*[[0.4, 0.4, 0.6, 0.6]] * 2)
    found = model.train()(make_batch(64, 128), samples, mode='loss')
    sum(found.values()).backward()
    return found, model.backbone.pos_embed.grad


@pytest.mark.skipif(
    not hasattr(torch.cpu, 'get_capabilities'),
    reason='this torch cannot trace a layer of mmpretrain',
)
def test_compiled_training_and_tracking_are_the_same():
    """In few graphs: `fullgraph` refuses to fall back to Python."""
    torch.manual_seed(0)
    loss = dict(sigma=1.0, loss_weight=1.0)
    model = MODELS.build(load_demo(loss_heatmap=loss).model)
    expected_box = track(model)
    before = copy.deepcopy(model.state_dict())
    called, executed = [], []
    count = torch.nn.modules.module.register_module_forward_hook(
        lambda module, *_: called.append(isinstance(module, torch.nn.Conv2d))
    )
    expected_loss, expected_grad = losses(model)
    count.remove()
    model.zero_grad(set_to_none=True)
    model.load_state_dict(before)  # the statistics of BatchNorm have moved

    def backend(graph, inputs):
        nodes = graph.graph.nodes

        def run(*args):
            executed.extend('conv2d' in str(node.target) for node in nodes)
            return graph(*args)

        return run

    hook = CompileHook(backend=backend, fullgraph=True)
    hook.before_train(SimpleNamespace(model=model))
    predict = model.head.predict
    hook.before_test(SimpleNamespace(model=model))
    assert model.head.predict is predict  # compiled once only
    found_loss, found_grad = losses(model)
    # no convolution of training was left to Python
    assert sum(executed) == sum(called) > 10
    for key, value in expected_loss.items():
        torch.testing.assert_close(found_loss[key], value)
    torch.testing.assert_close(found_grad, expected_grad)
    assert model.state_dict().keys() == before.keys()
    model.load_state_dict(before)
    torch.testing.assert_close(track(model), expected_box)
