"""Two steps of the optimizer beside OSTrack's training."""

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper

from mmsimtrack.models.weights.rename import OSTRACK, new_names

from .checks import take_step, total_norm
from .ostrack import RANGES, build, image, load
from .recipes import ROOT, to_cxcywh, to_xyxy

STEPS = load('train_step.json')
# relative, of float32 in the first and in the second step
LIMITS = {'loss': (1e-4, 1e-3), 'grad': (1e-4, 1e-3)}


@pytest.fixture(scope='module', params=STEPS)
def training(request):
    """The fixture, the names, weights before, and what the steps did."""
    truth = STEPS[request.param]
    elimination = truth['elimination']
    model = build(
        request.param,
        elimination and RANGES[elimination],
        tuple(truth['salts'].values()),
    ).train()
    cfg = Config.fromfile(ROOT / 'configs/_base_/schedules/ostrack_300e.py')
    assert cfg.optim_wrapper.clip_grad.max_norm == truth['clip_norm']
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    rates = {x['lr']: x['weight_decay'] for x in truth['groups']}
    for group in wrapper.param_groups:
        (rate,) = (x for x in rates if group['lr'] == pytest.approx(x))
        assert group['weight_decay'] == rates[rate]
    hub = MessageHub.get_instance('ostrack_train_step')
    hub.update_info('epoch', truth['epoch'] - 1)
    seen = {}
    model.backbone.register_forward_hook(
        lambda _, args, feat: seen.update(feat=feat.detach())
    )
    steps = []
    for k in range(len(truth['steps'])):
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        steps.append(one_step(model, wrapper, truth, k, seen))
        steps[-1]['updates'] = {
            n: (p.detach() - before[n]).norm().item()
            for n, p in model.named_parameters()
        }
        steps[-1]['buffers'] = {n: b.clone() for n, b in model.named_buffers()}
    MessageHub._instance_dict.pop('ostrack_train_step')
    return truth, new_names(truth['steps'][0]['update_norm'], OSTRACK), steps


def one_step(model, wrapper, truth, k, seen):
    exemplar_bbox, bboxes = (
        to_xyxy(torch.tensor(truth[f'{view}_boxes_xywh']))
        for view in ('template', 'search')
    )
    inputs = dict(exemplar_bbox=exemplar_bbox)
    for view, official in (('exemplar', 'template'), ('search', 'search')):
        recipe = {'noise_seed': truth[f'{official}_noise_seeds'][k]}
        size = getattr(model, view)['size']
        inputs[view] = image(recipe, truth['batch'], size)
    read, boxes = model.head.read_boxes, {}

    def keep(cells, *maps):
        boxes.update(cells=cells, bboxes=read(cells, *maps))
        return boxes['bboxes']

    model.head.read_boxes = keep
    step = take_step(model, wrapper, inputs, bboxes)
    model.head.read_boxes = read
    left = (seen['feat'].abs().sum(1) > 0).flatten(1).sum(1).tolist()
    pred = to_cxcywh(boxes['bboxes'].detach())
    return dict(step, cells=boxes['cells'].tolist(), pred=pred, left=left)


def test_losses_and_boxes(training):
    truth, _, steps = training
    weights = truth['weights']
    for step, expected, limit in zip(steps, truth['steps'], LIMITS['loss']):
        losses = expected['loss']
        for found, value in (
            (step['loss_iou'], weights['giou'] * losses['giou']),
            (step['loss_bbox'], weights['l1'] * losses['l1']),
            (step['loss_score'], weights['focal'] * losses['location']),
            (step['total'], losses['total']),
        ):
            assert found == pytest.approx(value, rel=limit)
        assert step['cells'] == expected['cells']
        pred = torch.tensor(expected['pred_cxcywh'])
        torch.testing.assert_close(step['pred'], pred, rtol=0, atol=limit)
        if expected['search_tokens_left']:
            last = expected['search_tokens_left'][-1]
            assert step['left'] == [last] * truth['batch']


def test_gradients_before_clipping(training):
    truth, names, steps = training
    for step, expected, limit in zip(steps, truth['steps'], LIMITS['grad']):
        norm = expected['total_grad_norm']
        assert total_norm(step['grads']) == pytest.approx(norm, rel=limit)
        compared = 0
        for name, value in expected['grad_norm'].items():
            if value > 1e-6:
                found = step['grads'][names[name]]
                assert found == pytest.approx(value, rel=limit), name
                compared += 1
        assert compared > 50


def test_parameters_without_a_gradient(training):
    """Only those that our network does not have."""
    truth, names, steps = training
    for step, expected in zip(steps, truth['steps']):
        unused = {names[name] for name in expected['no_grad']}
        assert not unused & step['updates'].keys()
        assert step['grads'].keys() == step['updates'].keys()


def test_updates(training):
    truth, names, steps = training
    for step, expected in zip(steps, truth['steps']):
        compared = 0
        for name, value in expected['update_norm'].items():
            if expected['grad_norm'].get(name, 0) > 1e-4:
                found = step['updates'][names[name]]
                assert found == pytest.approx(value, rel=5e-3), name
                compared += 1
        assert compared > 50


def test_statistics_of_batch_norm(training):
    truth, _, steps = training
    for step, expected in zip(steps, truth['steps']):
        names = new_names(expected['running'], OSTRACK)
        for name, (total, norm) in expected['running'].items():
            found = step['buffers'][names[name]]
            assert found.norm().item() == pytest.approx(norm, rel=1e-4)
            assert found.sum().item() == pytest.approx(total, abs=1e-3)
