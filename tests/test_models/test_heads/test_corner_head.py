import pytest
import torch
from small_models import LOSSES, make_samples

from mmsimtrack.models.heads import CornerHead, soft_argmax


def make(in_channels=6, **options):
    torch.manual_seed(0)
    options |= dict(in_channels=in_channels, channels=8)
    return CornerHead(**LOSSES, **options).eval()


@pytest.fixture
def head():
    return make()


def test_soft_argmax_computes_bfloat16_scores_in_float32():
    scores = torch.randn(1, 1, 16, 16).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        position, heatmap = soft_argmax(scores)
    assert position.dtype == heatmap.dtype == torch.float32
    expected, _ = soft_argmax(scores.float())
    torch.testing.assert_close(position, expected, rtol=0, atol=0)


def test_score_is_the_geometric_mean_of_the_peaks(head, monkeypatch):
    def scores(peak):
        heatmap = torch.full((1, 1, 4, 4), (1 - peak) / 15)
        heatmap[0, 0, 1, 1] = peak
        return heatmap.log()

    monkeypatch.setattr(
        head, 'heatmap_scores', lambda feat: (scores(0.9), scores(0.4))
    )
    pred = head.predict(None)
    torch.testing.assert_close(pred.scores, torch.tensor([0.6]))
    # 1 cell of 16 with the peak, which the mean is 15/16 of the way from
    above = 15 / 16 * torch.tensor([0.9 / 0.1, 0.4 / 0.6]).mul(15).log()
    torch.testing.assert_close(pred.peaks, above.sum()[None])


def test_a_window_prefers_corners_near_the_former_ones():
    head = make(upsample=2)
    feat = torch.randn(2, 6, 6, 9)
    window = head.window(feat, side=1 / 3)
    assert window.shape == (2, 12, 18)
    # a square of a third in the middle: its corners at 1/3 and at 2/3
    for weights, (row, column) in zip(window, [(4, 6), (8, 12)]):
        assert weights[row, column] == weights.max() == 1
        # a fourth of the crop below: cos(pi / 4) squared
        assert weights[row + 3, column].item() == pytest.approx(0.5)
    assert window.min().item() == pytest.approx(1e-4)  # nothing is excluded

    maps = [torch.zeros(2, 1, 12, 18) for _ in window]
    for each, (row, column) in zip(maps, [(4, 6), (8, 12)]):
        each[:, 0, 1, 16] = 30  # far from both corners
        each[0, 0, row, column] = 29  # near, in the first video
    head.heatmap_scores = lambda feat: maps
    plain, weighed = head.predict(feat), head.predict(feat, window)
    far, near = [8 / 9, 1 / 12, 8 / 9, 1 / 12], [1 / 3, 1 / 3, 2 / 3, 2 / 3]
    expected = torch.tensor([near, far])
    close = dict(rtol=0, atol=0.01)
    torch.testing.assert_close(weighed.bboxes, expected, **close)
    assert (plain.bboxes[0, ::2] > 0.7).all()  # mostly far
    # where it is far, it is less likely the target
    lower = plain.peaks - weighed.peaks
    assert lower[0].item() == pytest.approx(2, abs=1e-3)
    assert lower[1] > 5


def test_bottleneck_is_left_out_where_the_widths_agree(head):
    wide = make(in_channels=8)
    weights = head.state_dict()
    del weights['bottleneck.weight'], weights['bottleneck.bias']
    assert set(wide.state_dict()) == set(weights)
    wide.load_state_dict(weights)
    feat = torch.randn(2, 6, 4, 4)
    weight, bias = head.bottleneck.weight[..., 0, 0], head.bottleneck.bias
    mixed = torch.einsum('oc,bchw->bohw', weight, feat) + bias[:, None, None]
    torch.testing.assert_close(wide(mixed), head(feat))


def test_finer_heat_maps_and_their_loss(head):
    fine = make(upsample=2, loss_heatmap=dict(sigma=1.0, loss_weight=3.0))
    feat = torch.randn(2, 6, 4, 5)
    scores = fine.heatmap_scores(feat)
    assert [tuple(s.shape) for s in scores] == [(2, 1, 8, 10)] * 2
    # a token's cells see their own channels: 2 x 2 of them
    assert fine.bottleneck.out_channels == 8 * 4
    target = make_samples(*[[0.25, 0.25, 0.75, 0.5]] * 2)
    losses = fine.loss(feat, target)
    assert set(losses) == {'loss_iou', 'loss_bbox', 'loss_heatmap'}
    by_hand = 0
    for score, (x, y) in zip(scores, [(2.5, 2), (7.5, 4)]):
        heatmap = score.flatten(1).softmax(-1).view(2, 8, 10)
        gaussian = torch.exp(
            -((torch.arange(10) - x) ** 2) / 2
            - (torch.arange(8)[:, None] - y) ** 2 / 2
        )
        gaussian /= gaussian.sum()
        by_hand += (gaussian * (gaussian / heatmap).log()).sum((1, 2)).mean()
    assert losses['loss_heatmap'].item() == pytest.approx(
        1.5 * by_hand.item(), rel=1e-4
    )


def test_heat_maps_learn_from_given_ones():
    head = make(loss_heatmap=dict(sigma=1.0, loss_weight=1.0)).eval()
    feat = torch.randn(2, 6, 4, 5)
    target = make_samples(*[[0.1, 0.1, 0.6, 0.6]] * 2)
    own = [soft_argmax(s)[1] for s in head.heatmap_scores(feat)]
    same = head.loss(feat, target, own)['loss_heatmap'].item()
    assert same == pytest.approx(0, abs=1e-6)
    ones = [torch.full_like(h, 0.0) for h in own]
    for heatmap in ones:
        heatmap[:, 1, 2] = 1
    by_hand = sum(-h[:, 1, 2].log().mean().item() for h in own) / 2
    given = head.loss(feat, target, ones)['loss_heatmap'].item()
    assert given == pytest.approx(by_hand, rel=1e-4)
