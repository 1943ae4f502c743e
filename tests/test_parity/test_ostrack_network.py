"""OSTrack's network, layer by layer, beside the release."""

import numpy as np
import pytest
import torch

from .ostrack import arrays, build, hann, image, load
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


def watch(model):
    """What the layers put out, and what candidates are ranked by."""
    seen = {}
    for i, layer in enumerate(model.backbone.layers):
        layer.register_forward_hook(
            lambda _, args, out, i=i: seen.update({f'block{i}': out})
        )
    model.backbone.layers[0].register_forward_pre_hook(
        lambda _, args: seen.update(tokens_embed=args[0])
    )
    norm = model.backbone.ln1
    norm.register_forward_hook(lambda _, a, out: seen.update(normed=out))
    return seen


@pytest.fixture(scope='module')
def answers():
    """A function that runs a case once."""
    cache = {}

    def answer(key, name):
        if (key, name) not in cache:
            cache.clear()
            cache[key, name] = run_case(key, name)
        return cache[key, name]

    return answer


def tokens_of(case):
    """How candidates are ranked in a case: by name where there is one."""
    elimination = case['elimination']
    if elimination is None:
        return None
    tokens = elimination['template_tokens']
    return tokens if isinstance(tokens, str) else [list(t) for t in tokens]


@torch.no_grad()
def run_case(key, name):
    sizes, case = FORWARD[key]['model'], FORWARD[key]['cases'][name]
    model = build(key, tokens_of(case))
    seen = watch(model)
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
    window = hann(score.shape[-1]).float()
    preds = {
        'raw': model.head.predict(feat),
        'windowed': model.head.predict(feat, window),
    }
    inputs = dict(exemplar=exemplar, exemplar_bbox=bbox, search=search)
    return case, seen, preds, model(inputs, mode='tensor')


@pytest.mark.parametrize(('key', 'name'), CASES)
def test_tokens_and_maps(answers, key, name):
    _, seen, _, _ = answers(key, name)
    expected = arrays(f'forward_{key}.npz')
    compared = 0
    for field, limit in TOLERANCE.items():
        truth = expected.get(f'{name}/{field}')
        if truth is None:
            continue
        found = seen[field].numpy()
        np.testing.assert_allclose(
            found, truth, rtol=0, atol=limit, err_msg=field
        )
        compared += 1
    assert compared >= 7
    # dropped cells are exactly 0
    tokens = seen['search_tokens'].numpy()
    dropped = (expected[f'{name}/search_tokens'] == 0).all(-1)
    assert (tokens[dropped] == 0).all()
    assert dropped.any() == name.startswith(('noise_ce', 'photo_ce'))


@pytest.mark.parametrize(
    ('key', 'name'), [case for case in CASES if case[1] == 'noise']
)
def test_layers(answers, key, name):
    """Of the first image, every few channels."""
    _, seen, _, _ = answers(key, name)
    expected = arrays(f'forward_{key}.npz')
    fields = ['tokens_embed', *(x for x in seen if x.startswith('block'))]
    for field in fields:
        truth = expected[f'{name}/{field}']
        found = seen[field][:1].numpy()
        found = found[..., :: found.shape[-1] // truth.shape[-1]]
        np.testing.assert_allclose(
            found, truth, rtol=0, atol=1e-4, err_msg=field
        )


@pytest.mark.parametrize(('key', 'name'), CASES)
def test_boxes(answers, key, name):
    """With and without the window; `mode='tensor'` is without."""
    case, _, preds, plain = answers(key, name)
    assert torch.equal(plain, preds['raw'].bboxes)
    for way, pred in preds.items():
        np.testing.assert_allclose(
            to_cxcywh(pred.bboxes), case[way]['boxes_cxcywh'], atol=1e-5
        )
        np.testing.assert_allclose(
            pred.scores, case[way]['score_at_cell'], atol=5e-5
        )


@pytest.mark.parametrize(
    ('key', 'name'), [case for case in CASES if '_ce' in case[1]]
)
def test_the_same_candidates_are_dropped(key, name, monkeypatch):
    """In each block, and ranked by the same numbers."""
    from mmsimtrack.models.backbones import ostrack_vit

    ranks = []
    rank = ostrack_vit.rank_tokens

    def keep(*args):
        ranks.append(rank(*args))
        return ranks[-1]

    monkeypatch.setattr(ostrack_vit, 'rank_tokens', keep)
    case, *_ = run_case(key, name)
    truth = case['elimination']
    expected = arrays(f'forward_{key}.npz')
    ranks = ranks[: len(truth['blocks'])]  # `mode='tensor'` asks again
    left = None
    for step, (block, found) in enumerate(zip(truth['blocks'], ranks)):
        by_cell = expected[f'{name}/rank_block{block}']
        count = truth['search_tokens_left'][step]
        if left is None:
            left = np.tile(np.arange(found.shape[1]), (len(found), 1))
        remaining = []
        for row in range(len(found)):
            np.testing.assert_allclose(
                found[row], by_cell[row][left[row]], rtol=0, atol=1e-5
            )
            order = np.argsort(-found[row].numpy(), kind='stable')
            removed = sorted(left[row][order[count:]].tolist())
            assert removed == truth['removed'][step][row]
            remaining.append(left[row][order[:count]])
        left = np.stack(remaining)
