import pytest
import torch
from small_models import LOSSES, make_samples

from mmsimtrack.models.heads import CenterHead


@pytest.fixture
def head():
    score = dict(type='mmdet.GaussianFocalLoss')
    return CenterHead(6, 16, loss_score=score, **LOSSES).eval()


def prescribe(head, score, offset, size):
    head.maps = lambda feat: (score, offset, size)


def test_boxes_by_hand(head):
    """Row 1, column 2 of 3 x 4 cells; x first, from the cell's corner."""
    score, offset, size = torch.zeros(5, 3, 4).split([1, 2, 2])
    score[0, 1, 2] = 0.9
    offset[:, 1, 2] = torch.tensor([0.4, -0.25])
    size[:, 1, 2] = torch.tensor([0.2, 0.5])
    prescribe(head, score[None], offset[None], size[None])
    x, y = 2.4 / 4, 0.75 / 3
    expected = torch.tensor([[x - 0.1, y - 0.25, x + 0.1, y + 0.25]])
    torch.testing.assert_close(head(None), expected)
    prior = torch.ones(3, 4)
    torch.testing.assert_close(head.predict(None, prior).bboxes, expected)


def test_boxes_are_learned_at_the_peak_or_at_the_truth(head):
    """The peak is cell (1, 2), the true center in cell (2, 1)."""
    score = torch.full((1, 1, 3, 4), 0.1)
    score[0, 0, 1, 2] = 0.9
    samples = make_samples([0.15, 0.5, 0.35, 0.85])
    for at_truth, cell in ((False, (1, 2)), (True, (2, 1))):
        offset, size = torch.full((2, 1, 2, 3, 4), 0.3).requires_grad_()
        size.retain_grad()
        prescribe(head, score, offset, size)
        head.learn_at_truth = at_truth
        sum(head.loss(score, samples).values()).backward()
        assert size.grad[0, 0].nonzero().tolist() == [list(cell)]


def test_a_batch_without_any_positive_cell_learns(head):
    feat = torch.rand(2, 6, 4, 4, requires_grad=True)
    samples = make_samples([0.9, 0.9, 1.1, 1.1], [0.95, 0.2, 1.05, 0.4])
    losses = head.loss(feat, samples)
    assert losses.keys() == {'loss_score', 'loss_iou', 'loss_bbox'}
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    assert feat.grad.abs().sum() > 0


def test_float32_under_autocast(head):
    feat = torch.rand(2, 6, 4, 4)
    with torch.autocast('cpu', torch.bfloat16):
        assert {m.dtype for m in head.maps(feat)} == {torch.float32}
    assert {m.dtype for m in head.double().maps(feat.double())} == {
        torch.float64
    }


def test_initial_weights(head):
    """Xavier in the convolutions: mean square 2 / (fan in + fan out)."""
    head.init_weights()
    weight = head.score[0].weight
    expected = 2 / (9 * (6 + 16))
    assert weight.square().mean().item() == pytest.approx(expected, rel=0.2)
    assert weight.abs().max() <= (3 * expected) ** 0.5
