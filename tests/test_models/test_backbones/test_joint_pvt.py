import pytest
import torch
import torch.nn.functional as F
from mmdet.models.backbones import PyramidVisionTransformer
from small_backbones import PVT, attend, make_inputs, project, pvt

from mmsimtrack.models import JointPVT
from mmsimtrack.models.tokenizers import patch_boxes


@pytest.fixture
def backbone():
    return pvt()


@pytest.fixture
def inputs():
    # maps of 28, 14, 7 and 4, and of 16, 8, 4 and 2 tokens a side
    return make_inputs(112, (64, 64))


def to_map(tokens, h, w):
    return tokens.mT.unflatten(2, (h, w))


def naive_block(block, exemplar, search, grid):
    """Return exemplar and search tokens."""
    attn, side = block.attn, int(exemplar.shape[1] ** 0.5)
    e, s = block.norm1(exemplar), block.norm1(search)
    query, keys = torch.cat([e, s], dim=1), [e, s]
    if attn.sr_ratio > 1:
        # half the ratio: the same kernel on a map of twice the size
        big = F.interpolate(to_map(e, side, side), scale_factor=2)
        keys = [attn.sr(m) for m in (big, to_map(s, *grid))]
        keys = [attn.norm(m.flatten(2).mT) for m in keys]
    key = torch.cat(keys, dim=1)
    mha = attn.attn
    parts = project(mha, query, key, key)
    out, _ = attend(*parts, num_heads=mha.num_heads)
    tokens = torch.cat([exemplar, search], dim=1) + mha.out_proj(out)
    first, _, _, second, _ = block.ffn.layers  # convolutions of 1x1
    x = block.norm2(tokens).mT[..., None]
    x = second(F.gelu(first(x)))[..., 0].mT
    tokens = tokens + x
    num_exemplar = exemplar.shape[1]
    return tokens[:, :num_exemplar], tokens[:, num_exemplar:]


def test_memory_has_p_e_instead_of_p_0_in_every_stage(backbone, inputs):
    exemplar, bbox, _ = inputs
    first, *later = backbone.embed_exemplar(exemplar, bbox)
    tokens, _ = backbone.layers[0][0](exemplar)
    for i, (embedding, side) in enumerate(
        zip(backbone.tokenizer, (28, 14, 7, 4), strict=True)
    ):
        # the last row and column of 4 x 32 px stick out of 112 px
        patches = patch_boxes(0, side, 4 * 2**i, 112, bbox)
        expected = embedding(patches, bbox)
        found = later[i - 1] if i else first - tokens
        torch.testing.assert_close(found, expected)


def test_equals_a_naive_network(backbone, inputs):
    exemplar, bbox, _ = inputs
    # not of the size of the pre-training: p_0 is resized
    search = torch.randn(2, 3, 96, 64, dtype=torch.float64)
    memory = backbone.embed_exemplar(exemplar, bbox)
    found = backbone(memory, search)
    e, s, features = memory[0], search, []
    for i, side in enumerate((28, 14, 7, 4)):
        embed, (position, *blocks), _ = backbone.layers[i]
        if i:
            e = F.pad(e, (0, e.shape[-1] % 2, 0, e.shape[-1] % 2))
            e = embed(e)[0] + memory[i]
        s, grid = embed(s)
        p_0 = position.pos_embed.mT.unflatten(2, 2 * [16 // 2**i])
        s = s + F.interpolate(p_0, grid, mode='bilinear').flatten(2).mT
        for block in blocks:
            e, s = naive_block(block, e, s, grid)
        e, s = to_map(e, side, side), to_map(s, *grid)
        features.append(s)
    *_, third, fourth = features
    fourth = F.interpolate(fourth, third.shape[2:], mode='bilinear')
    assert third.shape[2:] == (6, 4)  # stride 16
    torch.testing.assert_close(found, torch.cat([third, fourth], dim=1))


def test_without_weights_it_starts_as_mmdets():
    net = JointPVT(**PVT)
    net.init_weights()
    ours, other = net.tokenizer[3].fcs[2], net.layers[3][1][1].attn.attn
    for linear in (ours, other.out_proj):
        assert linear.weight.std().item() == pytest.approx(0.02, rel=0.3)
        assert not linear.bias.any()
    position = net.layers[0][1][0].pos_embed
    assert position.std().item() == pytest.approx(0.02, rel=0.1)


def test_weights_come_through_mmengine(tmp_path):
    plain = PyramidVisionTransformer(**PVT)
    path = str(tmp_path / 'pvt.pth')
    torch.save(plain.state_dict(), path)
    init_cfg = dict(type='Pretrained', checkpoint=path)
    net = JointPVT(init_cfg=init_cfg, **PVT)
    net.init_weights()
    found = net.state_dict()
    for name, tensor in plain.state_dict().items():
        assert torch.equal(found[name], tensor)
