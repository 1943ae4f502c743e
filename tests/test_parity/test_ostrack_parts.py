"""OSTrack's window, elimination, positions, decoding and losses."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from numpy.testing import assert_allclose
from small_models import make_samples

from mmsimtrack.models.backbones.candidate_elimination import (
    CandidateElimination,
)
from mmsimtrack.models.heads import gaussian_target
from mmsimtrack.registry import MODELS

from .ostrack import RANGES, arrays, config, draw, hann, load
from .recipes import ROOT, to_cxcywh, to_xyxy

SMALL = load('small.json')
LOSS = load('loss.json')


@pytest.mark.parametrize('n', [int(n) for n in SMALL['hann_1d']])
def test_window(n):
    cfg = config('vitb256')
    cfg.backbone.arch.num_layers = 1
    cfg.search.size = 16 * n
    tracker = MODELS.build(cfg)
    line = np.array(SMALL['hann_1d'][str(n)])
    prior = tracker._prior(torch.zeros(1, 1, n, n))
    assert_allclose(prior, np.outer(line, line), rtol=0, atol=1e-6)


@pytest.mark.parametrize('case', SMALL['template_masks'], ids=str)
def test_chosen_template_tokens(case):
    elimination = CandidateElimination(1, [0], 0.7, RANGES[case['range']])
    bbox = torch.tensor([case['box_xywh'] or [0.25, 0.25, 0.5, 0.5]])
    grid = case['template_grid']
    weights = elimination.template_weights(grid, 16, to_xyxy(bbox))
    chosen = weights[0].nonzero().flatten().tolist()
    assert chosen == case['tokens']
    torch.testing.assert_close(
        weights[0, chosen], torch.full((len(chosen),), 1 / len(chosen))
    )


RECIPES = [
    ('ep300', 'ostrack/ostrack_b256_lasot.py'),
    ('ep300', 'ostrack/ostrack_b384_lasot.py'),
    ('got10k_ep100', 'ostrack/ostrack_b256_got10k.py'),
    ('got10k_ep100', 'ostrack/ostrack_b384_got10k.py'),
]


@pytest.mark.parametrize('recipe, name', RECIPES)
def test_share_that_is_kept_in_each_epoch(recipe, name):
    cfg = Config.fromfile(ROOT / 'configs' / name).model.backbone.elimination
    elimination = CandidateElimination(12, **cfg)
    for epoch, share in SMALL['keep_ratio_by_epoch'][recipe].items():
        found = elimination.training_ratio(int(epoch))
        assert found == pytest.approx(share, abs=1e-8)


def maps_of(rng, batch, n, score_only=False):
    """Score, offset and size of the recipe."""
    score = 1 / (1 + np.exp(-(2 * rng.standard_normal((batch, 1, n, n)) - 2)))
    if score_only:
        return [torch.from_numpy(score.astype('f4'))]
    size = 0.05 + 0.6 * rng.rand(batch, 2, n, n)
    offset = 0.8 * rng.standard_normal((batch, 2, n, n))
    return [torch.from_numpy(x.astype('f4')) for x in (score, offset, size)]


@pytest.fixture(scope='module')
def head():
    """A head whose maps are prescribed: the feature is a tuple of them."""
    cfg = config('vitb256').head
    head = MODELS.build(dict(cfg, in_channels=8, channels=8))
    head.maps = lambda feat: feat
    return head


@pytest.mark.parametrize('case', SMALL['decode'], ids=lambda c: c['grid'])
@pytest.mark.parametrize('way', ['raw', 'windowed'])
def test_decoding(head, case, way):
    n = case['grid']
    maps = maps_of(np.random.RandomState(case['seed']), 2, n)
    prior = hann(n).float() if way == 'windowed' else None
    pred = head.predict(maps, prior)
    expected = case[way]
    assert_allclose(
        to_cxcywh(pred.bboxes), expected['boxes_cxcywh'], atol=1e-6
    )
    assert_allclose(pred.scores, expected['score_at_cell'], atol=1e-6)


HEATMAPS = [name for name in LOSS if name.startswith('heatmap')]


@pytest.mark.parametrize('name', HEATMAPS)
def test_target_maps(name):
    truth = arrays('loss.npz')[name]
    bboxes = to_xyxy(torch.tensor(LOSS[name]['boxes_xywh']))
    found = gaussian_target(bboxes, truth.shape[1:])
    assert (found == 1).sum((1, 2)).tolist() == LOSS[name]['ones']
    assert_allclose(found, truth, rtol=0, atol=1e-6)


@pytest.mark.parametrize('case', LOSS['losses'], ids=lambda c: c['grid'])
def test_losses(head, case, monkeypatch):
    """Boxes are given here, not read off the maps."""
    rng = np.random.RandomState(case['seed'])
    name, rows = case['targets']
    truth = to_xyxy(torch.tensor(LOSS[name]['boxes_xywh'])[rows])
    score, *_ = maps_of(rng, len(rows), case['grid'], score_only=True)
    center, size = rng.rand(len(rows), 2), rng.rand(len(rows), 2)
    half = (0.05 + 0.5 * size) / 2
    pred = np.concatenate([center - half, center + half], 1).astype('f4')
    monkeypatch.setattr(
        head, 'read_boxes', lambda *_: torch.from_numpy(pred), raising=False
    )
    samples = make_samples(*truth)
    maps = (score.clamp(1e-4, 1 - 1e-4), score, score)
    head.maps = lambda feat: maps
    losses = head.loss(score, samples)
    head.maps = lambda feat: feat
    assert losses['loss_score'].item() == pytest.approx(case['focal'], 1e-5)
    assert losses['loss_iou'].item() == pytest.approx(2 * case['giou'], 1e-5)
    assert losses['loss_bbox'].item() == pytest.approx(5 * case['l1'], 1e-5)
    total = sum(losses.values()).item()
    assert total == pytest.approx(case['total'], 1e-5)


@pytest.mark.parametrize('pair', [(4, 8), (7, 14), (8, 16), (12, 24)])
def test_positions_of_a_pre_trained_file(pair, tmp_path):
    """A file without tables; its class token is left out."""
    truth = arrays('positions.npz')
    rule = dict(rule='normal', shape=[1, 197, 64], mean=0, std=0.2)
    salts = dict(base=SMALL['position_salt'])
    cfg = config('vitb256')
    cfg.backbone.arch.update(
        embed_dims=64, num_layers=1, num_heads=2, feedforward_channels=256
    )
    cfg.exemplar.size, cfg.search.size = (16 * n for n in pair)
    weights = MODELS.build(cfg).backbone.state_dict()
    file = {k: v for k, v in weights.items() if not k.endswith('position')}
    file['pos_embed'] = draw('backbone.pos_embed', rule, salts)
    file['cls_token'] = torch.zeros(1, 1, 64)
    path = str(tmp_path / 'weights.pth')
    torch.save(file, path)
    cfg.backbone.init_cfg = dict(type='Pretrained', checkpoint=path)
    backbone = MODELS.build(cfg).backbone
    backbone.init_weights()
    for name, n in zip(backbone.tables, pair):
        found = getattr(backbone, name)[0, :, ::8].detach()
        assert_allclose(found, truth[f'grid{n}'], atol=1e-6)
    del file['ln1.weight']
    torch.save(file, path)
    with pytest.raises(ValueError, match="1 are missing.*'ln1.weight'"):
        MODELS.build(cfg).backbone.init_weights()
