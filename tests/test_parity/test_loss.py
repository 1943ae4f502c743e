"""Eq. (3) beside the official loss."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from small_models import make_samples

from mmsimtrack.registry import MODELS

from .checks import to_corners
from .recipes import ROOT, load_json

LOSSES = load_json('loss.json')
DTYPES = {torch.float32: 1e-4, torch.float64: 1e-9}


def is_inverted(case):
    return (np.array(case['pred_cxcywh'])[:, 2:] < 0).any()


@pytest.fixture
def head():
    cfg = Config.fromfile(ROOT / 'configs/_base_/models/sim_b16.py').model.head
    cfg.channels = 8
    return MODELS.build(cfg, default_args={'in_channels': 8})


def losses(head, monkeypatch, pred_xyxy, gt_xywh, dtype):
    """The parts of our loss, and the gradient of their sum."""
    pred = torch.tensor(pred_xyxy, dtype=dtype, requires_grad=True)
    monkeypatch.setattr(head, 'forward', lambda feat: feat)
    bboxes = [[x, y, x + w, y + h] for x, y, w, h in gt_xywh]
    samples = make_samples(*torch.tensor(np.array(bboxes), dtype=dtype))
    parts = head.loss(pred, samples)
    (grad,) = torch.autograd.grad(parts['loss_iou'], pred)
    return parts['loss_iou'].item(), parts['loss_bbox'].item(), grad


def giou(bbox, other):
    """Generalized IoU of two boxes, written out."""

    def area(x1, y1, x2, y2):
        return max(x2 - x1, 0) * max(y2 - y1, 0)

    overlap = area(
        *np.maximum(bbox[:2], other[:2]), *np.minimum(bbox[2:], other[2:])
    )
    hull = area(
        *np.minimum(bbox[:2], other[:2]), *np.maximum(bbox[2:], other[2:])
    )
    union = area(*bbox) + area(*other) - overlap
    return overlap / union - (hull - union) / hull


@pytest.mark.parametrize('dtype', DTYPES, ids=['float32', 'float64'])
@pytest.mark.parametrize(
    'case',
    [c for c in LOSSES if not is_inverted(c)],
    ids=lambda case: case['kind'],
)
def test_loss(head, monkeypatch, case, dtype):
    pred = to_corners(case['pred_cxcywh'])
    iou, l1, _ = losses(head, monkeypatch, pred, case['gt_xywh'], dtype)
    limit = DTYPES[dtype]
    assert iou == pytest.approx(2 * case['giou_loss'], rel=limit)
    assert l1 == pytest.approx(5 * case['l1_loss'], rel=limit)
    assert iou + l1 == pytest.approx(case['total'], rel=limit)


@pytest.mark.parametrize(
    'case', list(filter(is_inverted, LOSSES)), ids=lambda c: c['kind']
)
def test_loss_with_an_inverted_prediction(head, monkeypatch, case):
    """We differ: the official code drops the GIoU term of the whole batch.

    Ours is the constant 2, its maximum, for an inverted box only.
    """
    assert case['giou_loss'] == 0
    pred = to_corners(case['pred_cxcywh'])
    iou, l1, grad = losses(
        head, monkeypatch, pred, case['gt_xywh'], torch.float64
    )
    assert l1 == pytest.approx(5 * case['l1_loss'], rel=1e-9)
    gt = np.array(case['gt_xywh'])
    gt = np.clip(np.concatenate([gt[:, :2], gt[:, :2] + gt[:, 2:]], 1), 0, 1)
    inverted = (pred[:, 2:] < pred[:, :2]).any(-1)
    each = [
        2 if bad else 1 - giou(bbox, other)
        for bad, bbox, other in zip(inverted, pred, gt)
    ]
    assert iou == pytest.approx(2 * np.mean(each), rel=1e-6)
    without = (grad == 0).all(-1).numpy()
    np.testing.assert_array_equal(without, inverted)


@pytest.mark.parametrize('seed', range(3))
def test_loss_of_any_boxes(head, monkeypatch, seed):
    """Needs no fixture; some ground truth reaches out of the crop."""
    rng = np.random.default_rng(seed)
    pred = np.concatenate(
        [rng.uniform(0.2, 0.6, (8, 2)), rng.uniform(0.05, 0.4, (8, 2))], 1
    )
    gt_xywh = np.concatenate(
        [rng.uniform(-0.2, 0.6, (8, 2)), rng.uniform(0.3, 0.6, (8, 2))], 1
    )
    pred = to_corners(pred)
    gt = [gt_xywh[:, :2], gt_xywh[:, :2] + gt_xywh[:, 2:]]
    gt = np.clip(np.concatenate(gt, 1), 0, 1)
    iou, l1, _ = losses(head, monkeypatch, pred, gt_xywh, torch.float64)
    each = [1 - giou(bbox, other) for bbox, other in zip(pred, gt)]
    assert iou == pytest.approx(2 * np.mean(each), rel=1e-6)
    assert l1 == pytest.approx(5 * np.abs(pred - gt).mean(), rel=1e-9)
