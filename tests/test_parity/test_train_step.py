"""Two steps of the optimizer beside the official training."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmsimtrack.registry import MODELS

from .checks import take_step, total_norm
from .networks import config_of, converted_weights, converter
from .recipes import ROOT, load_json, noise, to_xyxy

STEP = load_json('train_step.json')
FORWARD = load_json('forward.json')
DTYPES = {'fp32': torch.float32, 'fp64': torch.float64}
# relative: of the first and of the second step
LOSS_TOLERANCE = {'fp32': (1e-4, 1e-3), 'fp64': (1e-9, 1e-9)}
GRAD_TOLERANCE = {'fp32': 1e-3, 'fp64': 1e-9}
# float32 and float64 agree to about 1e-3 after Adam
UPDATE_TOLERANCE = {'fp32': 5e-3, 'fp64': 1e-6}


@pytest.fixture(scope='module', params=DTYPES)
def training(request):
    """Precision, the official names, and what happened in two steps."""
    dtype = DTYPES[request.param]
    sizes = FORWARD[STEP['config']]['model']
    model = MODELS.build(config_of(sizes, as_released=True))
    weights = converted_weights(sizes['weights'], STEP['salt'])
    model.load_state_dict(weights, strict=True)
    model = model.to(dtype).train()
    cfg = Config.fromfile(ROOT / 'configs/_base_/schedules/adamw_500e.py')
    assert cfg.optim_wrapper.clip_grad.max_norm == STEP['grad_clip_norm']
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    names = converter.names(sizes['layers'])
    before = {k: v.detach().clone() for k, v in model.state_dict().items()}
    batch = batch_of(sizes, dtype)
    steps = [take_step(model, wrapper, *batch) for _ in range(2)]
    return request.param, names, before, model.state_dict(), steps


def batch_of(sizes, dtype):
    """Inputs of both steps, and the boxes of the search crops."""
    inputs = {}
    for view, official in (('exemplar', 'template'), ('search', 'search')):
        shape = (STEP['batch'], 3, *2 * [sizes[f'{official}_size']])
        recipe = {'seed': STEP[f'{official}_seed'], 'shape': shape}
        inputs[view] = noise(recipe).to(dtype)
    inputs['exemplar_bbox'], bboxes = (
        to_xyxy(torch.tensor(STEP[f'{view}_anno'], dtype=dtype))
        for view in ('template', 'search')
    )
    return inputs, bboxes


def test_losses(training):
    precision, _, _, _, steps = training
    weights = STEP['loss_weights']
    for step, expected, limit in zip(
        steps, STEP[f'steps_{precision}'], LOSS_TOLERANCE[precision]
    ):
        for found, value in (
            (step['loss_iou'], weights['giou'] * expected['giou']),
            (step['loss_bbox'], weights['l1'] * expected['l1']),
            (step['total'], expected['total']),
        ):
            assert found == pytest.approx(value, rel=limit)


def test_gradients_before_clipping(training):
    precision, names, _, _, steps = training
    limit = GRAD_TOLERANCE[precision]
    for step, expected in zip(steps, STEP[f'steps_{precision}']):
        norm = expected['grad_norm_before_clip']
        assert total_norm(step['grads']) == pytest.approx(norm, rel=limit)
    expected = STEP[f'grad_l2_first_step_{precision}']
    found = steps[0]['grads']
    assert {names[name] for name in expected} == set(found)
    for name, value in expected.items():
        if not is_zero(name):
            assert found[names[name]] == pytest.approx(value, rel=limit), name


def is_zero(name):
    """Biases without a gradient: a shift of all scores, or before a norm."""
    return STEP['grad_l2_first_step_fp64'][name] < 1e-5


def test_parameters_without_a_gradient(training):
    """Only what has no place in our model."""
    assert STEP['params_without_grad'] == list(converter.unused)


def test_updates(training):
    precision, names, before, after, _ = training
    limit = UPDATE_TOLERANCE[precision]
    compared = 0
    for name, value in STEP[f'update_l2_after_2_steps_{precision}'].items():
        if name in STEP['params_without_grad']:
            assert value == 0
        elif not is_zero(name):
            found = (after[names[name]] - before[names[name]]).norm().item()
            assert found == pytest.approx(value, rel=limit), name
            compared += 1
    assert compared > 0


def test_statistics_of_batch_norm(training):
    """After two steps; float32 agrees with float64 to 1e-4."""
    _, names, _, after, _ = training
    for name, expected in STEP['bn_after_2_steps_fp64'].items():
        mean = after[names[f'{name}.running_mean']].norm().item()
        variance = after[names[f'{name}.running_var']].norm().item()
        assert mean == pytest.approx(expected['mean_l2'], rel=1e-4)
        assert variance == pytest.approx(expected['var_l2'], rel=1e-4)
