"""OSTrack's network, layer by layer, beside the release."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from mmsimtrack.models.backbones import ostrack_vit
from mmsimtrack.models.backbones.candidate_elimination import rank_tokens

from .ostrack import arrays, build, image, load
from .recipes import to_cxcywh

FORWARD = load('forward.json')
CASES = [
    (key, name) for key, entry in FORWARD.items() for name in entry['cases']
]
# of float32; the fixtures were computed in float64
TOLERANCE = dict(
    search_tokens=1e-4,
    search_token_mean=1e-4,
    search_token_l2=1e-3,
    search_proj=1e-3,
    template_proj=1e-3,
    score_map=5e-5,
    size_map=5e-5,
    offset_map=5e-5,
)


def watch(model, monkeypatch):
    """What the layers put out, and what candidates are ranked by."""
    seen = {'ranks': []}
    for i, layer in enumerate(model.backbone.layers):
        layer.register_forward_hook(
            lambda _, args, out, i=i: seen.update({f'block{i}': out})
        )
    model.backbone.layers[0].register_forward_pre_hook(
        lambda _, args: seen.update(tokens_embed=args[0])
    )
    norm = model.backbone.ln1
    norm.register_forward_hook(lambda _, a, out: seen.update(normed=out))

    def keep(*args):
        seen['ranks'].append(rank_tokens(*args))
        return seen['ranks'][-1]

    monkeypatch.setattr(ostrack_vit, 'rank_tokens', keep)
    return seen


def tokens_of(case):
    """How candidates are ranked in a case: by name where there is one."""
    elimination = case['elimination']
    if elimination is None:
        return None
    tokens = elimination['template_tokens']
    return tokens if isinstance(tokens, str) else [list(t) for t in tokens]


@pytest.fixture(scope='module', params=CASES, ids='-'.join)
def answer(request):
    """A case, its arrays, what was seen inside, and the predictions."""
    key, name = request.param
    truth = {
        field.removeprefix(f'{name}/'): array
        for field, array in arrays(f'forward_{key}.npz').items()
        if field.startswith(f'{name}/')
    }
    with pytest.MonkeyPatch.context() as monkeypatch, torch.no_grad():
        return truth, *run_case(key, name, monkeypatch)


def run_case(key, name, monkeypatch):
    sizes, case = FORWARD[key]['model'], FORWARD[key]['cases'][name]
    model = build(key, tokens_of(case))
    seen = watch(model, monkeypatch)
    exemplar = image(case['template'], case['batch'], sizes['template'])
    search = image(case['search'], case['batch'], sizes['search'])
    bbox = torch.tensor([[0.25, 0.25, 0.75, 0.75]]).expand(len(search), 4)
    memory = model.backbone.embed_exemplar(exemplar, bbox)
    feat = model.backbone(memory, search)
    score, offset, size = model.head.maps(feat)
    tokens = feat.flatten(2).mT
    stride = FORWARD[key]['token_channel_stride']
    mix = np.random.RandomState(77).standard_normal((tokens.shape[2], 8))
    mix = torch.from_numpy(mix.astype(np.float32))
    exemplar_tokens = seen['normed'][:, : memory[0].shape[1]]
    seen.update(
        search_tokens=tokens[..., ::stride],
        search_token_mean=tokens.mean(-1),
        search_token_l2=tokens.norm(dim=-1),
        search_proj=tokens @ mix,
        template_proj=exemplar_tokens @ mix,
        score_map=score,
        size_map=size,
        offset_map=offset,
    )
    preds = {
        'raw': model.head.predict(feat),
        'windowed': model.head.predict(feat, model._prior(feat)),
    }
    if key.startswith('tiny'):  # `mode='tensor'` is without the window
        inputs = dict(exemplar=exemplar, exemplar_bbox=bbox, search=search)
        count = len(seen['ranks'])
        plain = model(inputs, mode='tensor')
        assert torch.equal(plain, preds['raw'].bboxes)
        del seen['ranks'][count:]
    return case, seen, preds


def test_tokens_and_maps(answer):
    truth, case, seen, _ = answer
    compared = 0
    for field, limit in TOLERANCE.items():
        if field in truth:
            assert_allclose(
                seen[field], truth[field], rtol=0, atol=limit, err_msg=field
            )
            compared += 1
    assert compared >= 7
    # dropped cells are exactly 0
    dropped = (truth['search_tokens'] == 0).all(-1)
    assert (seen['search_tokens'].numpy()[dropped] == 0).all()
    assert dropped.any() == (case['elimination'] is not None)


def test_layers(answer):
    """Of the first image, every few channels; where nothing is dropped."""
    truth, case, seen, _ = answer
    if case['elimination'] is None:
        for field in truth.keys() & seen.keys() - TOLERANCE.keys():
            found, expected = seen[field][:1].numpy(), truth[field]
            found = found[..., :: found.shape[-1] // expected.shape[-1]]
            assert_allclose(found, expected, rtol=0, atol=1e-4, err_msg=field)


def test_boxes(answer):
    """With and without the window."""
    _, case, _, preds = answer
    for way, pred in preds.items():
        assert_allclose(
            to_cxcywh(pred.bboxes), case[way]['boxes_cxcywh'], atol=1e-5
        )
        assert_allclose(pred.scores, case[way]['score_at_cell'], atol=5e-5)


def test_the_same_candidates_are_dropped(answer):
    """In each block, and ranked by the same numbers."""
    truth, case, seen, _ = answer
    about = case['elimination'] or dict(blocks=[], search_tokens_left=[])
    assert len(seen['ranks']) == len(about['blocks'])
    num_cells = len(truth['search_tokens'][0])
    left = np.tile(np.arange(num_cells), (case['batch'], 1))
    for step, ranks in enumerate(seen['ranks']):
        by_cell = truth[f'rank_block{about["blocks"][step]}']
        count, remaining = about['search_tokens_left'][step], []
        for row, found in enumerate(ranks.numpy()):
            assert_allclose(found, by_cell[row][left[row]], rtol=0, atol=1e-5)
            order = np.argsort(-found, kind='stable')
            removed = sorted(left[row][order[count:]].tolist())
            assert removed == about['removed'][step][row]
            remaining.append(left[row][order[:count]])
        left = np.stack(remaining)
