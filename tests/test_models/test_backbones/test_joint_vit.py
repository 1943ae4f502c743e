import math

import pytest
import torch

from mmsimtrack.models import JointViT

ARCH = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    net = JointViT(
        arch=ARCH,
        patch_size=16,
        img_size=64,
        pre_norm=True,
        tokenizer=dict(foveal_size=16),
    )
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return net.eval().double()


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    exemplar = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    bbox = torch.tensor([[0.2, 0.1, 0.7, 0.9], [0.3, 0.3, 0.5, 0.6]])
    search = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    return exemplar, bbox.double(), search


def run(backbone, exemplar, bbox, search):
    return backbone(backbone.embed_exemplar(exemplar, bbox), search)


def naive_joint_attention(layer, tokens):
    """Eq. (5) for [e; s] at once, head by head."""
    x = layer.ln1(tokens)
    q, k, v = layer.attn.qkv(x).chunk(3, dim=-1)
    heads = []
    for h in range(2):
        part = slice(8 * h, 8 * h + 8)
        a = q[..., part] @ k[..., part].mT / math.sqrt(8)
        heads.append(a.softmax(-1) @ v[..., part])
    tokens = tokens + layer.attn.proj(torch.cat(heads, -1))
    return layer.ffn(layer.ln2(tokens), identity=tokens)


def test_equals_a_naive_equation_5(backbone, inputs):
    exemplar, bbox, search = inputs
    (memory,) = backbone.embed_exemplar(exemplar, bbox)
    s = backbone.patch_embed(search)[0] + backbone.pos_embed[:, 1:]
    cls = (backbone.cls_token + backbone.pos_embed[:, :1]).expand(2, -1, -1)
    tokens = backbone.pre_norm(torch.cat([cls, s], dim=1))
    tokens = torch.cat([memory, tokens], dim=1)
    for layer in backbone.layers:
        tokens = naive_joint_attention(layer, tokens)
    expected = backbone.ln1(tokens)[:, -16:]
    found = run(backbone, *inputs)
    assert found.shape == (2, 16, 4, 4)
    torch.testing.assert_close(found.flatten(2).mT, expected)


def test_permuting_exemplar_tokens_changes_nothing(backbone, inputs):
    exemplar, bbox, search = inputs
    (memory,) = backbone.embed_exemplar(exemplar, bbox)
    order = torch.randperm(memory.shape[1])
    torch.testing.assert_close(
        backbone((memory[:, order],), search), backbone((memory,), search)
    )


def test_exemplar_and_its_box_change_the_search_feature(backbone, inputs):
    exemplar, bbox, search = inputs
    feature = run(backbone, exemplar, bbox, search)
    other = run(backbone, exemplar.flip(0), bbox, search)
    assert (feature - other).abs().max() > 1e-3
    other = run(backbone, exemplar, bbox.flip(0), search)
    # far above the rounding of float64
    assert (feature - other).abs().max() > 1e-6


def test_memory_serves_many_frames(backbone, inputs):
    exemplar, bbox, search = inputs
    memory = backbone.embed_exemplar(exemplar, bbox)
    kept = [part.clone() for part in memory]
    first = backbone(memory, search)
    backbone(memory, search.flip(0))
    torch.testing.assert_close(backbone(memory, search), first, rtol=0, atol=0)
    for part, clone in zip(memory, kept):
        assert torch.equal(part, clone)


def test_batch_equals_one_by_one(backbone, inputs):
    one_by_one = [
        run(backbone, *(x[i : i + 1] for x in inputs)) for i in (0, 1)
    ]
    torch.testing.assert_close(run(backbone, *inputs), torch.cat(one_by_one))


def test_search_position_is_resized_bilinearly(backbone, inputs):
    exemplar, bbox, _ = inputs
    memory = backbone.embed_exemplar(exemplar, bbox)
    search = torch.randn(2, 3, 96, 128, dtype=torch.float64)
    assert backbone(memory, search).shape == (2, 16, 6, 8)
    # a linear ramp stays linear in the middle of the grid
    ramp = torch.arange(4.0).double()[:, None].expand(4, 4).reshape(1, 16, 1)
    with torch.no_grad():
        backbone.pos_embed[:, 1:] = ramp
    rows = backbone._position(8, 8).unflatten(1, (8, 8))[0, :, 0, 0]
    torch.testing.assert_close(rows[1:-1], torch.arange(0.25, 3, 0.5).double())


def test_names_are_those_of_mmpretrain():
    from mmpretrain.models import VisionTransformer

    options = dict(arch=ARCH, patch_size=16, img_size=64, pre_norm=True)
    plain = VisionTransformer(out_type='raw', **options)
    ours = JointViT(tokenizer=dict(foveal_size=16), **options)
    missing, unexpected = ours.load_state_dict(plain.state_dict(), False)
    assert not unexpected
    assert missing and all(key.startswith('tokenizer.') for key in missing)


@pytest.mark.parametrize('name', ['with_cls_token', 'final_norm'])
def test_parts_that_every_sequence_has(name):
    with pytest.raises(ValueError, match=f'{name}=False is not supported'):
        JointViT(tokenizer=dict(foveal_size=16), arch=ARCH, **{name: False})
