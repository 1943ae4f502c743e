import pytest
import torch
from mmengine.config import Config
from small_backbones import run
from small_models import SIMTRACK, make_batch, make_samples
from torch.nn import functional as F
from torch.testing import assert_close

from mmsimtrack.models.heads.corner_head import soft_argmax
from mmsimtrack.registry import MODELS


def network(dims):
    arch = dict(embed_dims=dims, num_heads=dims // 16)
    arch = {**SIMTRACK['backbone']['arch'], **arch}
    arch['feedforward_channels'] = 2 * dims
    heatmap = dict(sigma=1.0, loss_weight=0.5)
    head = dict(SIMTRACK['head'], upsample=2, loss_heatmap=heatmap)
    backbone = dict(SIMTRACK['backbone'], arch=arch)
    return dict(SIMTRACK, backbone=backbone, head=head)


@pytest.fixture
def teacher(tmp_path):
    torch.manual_seed(0)
    model = MODELS.build(network(64)).eval()
    Config(dict(model=network(64))).dump(tmp_path / 'teacher.py')
    torch.save(model.state_dict(), tmp_path / 'teacher.pth')
    return model


@pytest.fixture
def student(teacher, tmp_path):
    torch.manual_seed(1)
    files = {'config': 'teacher.py', 'checkpoint': 'teacher.pth'}
    about = dict(
        type='DistilledTracker',
        teacher={k: tmp_path / name for k, name in files.items()},
        loss_feature=dict(loss_weight=0.25),
    )
    student = MODELS.build({**network(32), **about})
    student.init_weights()
    return student


@pytest.fixture
def batch():
    return make_batch(), make_samples(*[[0.3, 0.3, 0.6, 0.6]] * 2)


def test_begins_as_a_part_of_the_teacher(teacher, student):
    whole = teacher.backbone.layers[1].attn.qkv.weight
    assert_close(student.backbone.layers[1].attn.qkv.weight, whole[::2, ::2])
    head = teacher.head.top_left[0].weight  # as wide as the teacher's
    assert_close(student.head.top_left[0].weight, head)


def test_losses_by_hand(teacher, student, batch):
    inputs, samples = batch
    student.eval()
    losses = student(inputs, samples, mode='loss')
    names = 'loss_iou', 'loss_bbox', 'loss_heatmap', 'loss_feature'
    assert set(losses) == set(names)
    given = inputs['exemplar'], inputs['exemplar_bbox'], inputs['search']
    feats = [run(each.backbone, *given) for each in (teacher, student)]
    target = feats[0].flatten(2).mT
    target = F.layer_norm(target, (64,))
    found = student.projection(feats[1].flatten(2).mT)
    by_hand = 0.25 * ((found - target) ** 2).mean()
    assert_close(losses['loss_feature'], by_hand)
    scores = teacher.head.heatmap_scores(feats[0])
    heatmaps = [soft_argmax(score)[1] for score in scores]
    plain = student.head.loss(feats[1], samples, heatmaps)
    for name, loss in plain.items():
        assert_close(losses[name], loss)


def test_teacher_stays_out_of_it(teacher, student, batch):
    inputs, samples = batch
    names = set(student.state_dict())
    added = names - set(teacher.state_dict())
    assert added == {'projection.weight', 'projection.bias'}
    before = [p.clone() for p in student._teacher[0].parameters()]
    optimizer = torch.optim.SGD(student.parameters(), 0.1)
    student.train()
    losses = student(inputs, samples, mode='loss')
    sum(losses.values()).backward()
    optimizer.step()
    for old, new in zip(before, student._teacher[0].parameters()):
        assert new.grad is None
        assert_close(old, new, rtol=0, atol=0)


def test_tracks_like_a_tracker_of_its_own(student, batch):
    inputs, _ = batch
    plain = MODELS.build(network(32))
    plain.load_state_dict(student.state_dict(), strict=False)
    assert_close(plain.eval()(inputs), student.eval()(inputs), rtol=0, atol=0)
