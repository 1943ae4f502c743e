import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmsimtrack.models.backbones.attention import (
    mean_over_exemplar,
    target_attention,
    token_grid,
)
from mmsimtrack.registry import MODELS

ARCH = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)
VIT = dict(arch=ARCH, patch_size=16, img_size=64)
JOINT = VIT | dict(tokenizer=dict(foveal_size=16))
INTERACTION = dict(embed_dims=8, num_layers=2, num_heads=2, dropout=0.1)

NETWORKS = {
    'joint': JOINT | dict(type='JointViT'),
    'joint-every-2': JOINT | dict(type='JointViT', interaction_every=2),
    'one-way': JOINT | dict(type='OneWayViT'),
    'swin': dict(
        type='JointSwin',
        arch=dict(embed_dims=4, depths=[1, 2, 2, 1], num_heads=4 * [2]),
        window_size=4,
    ),
    'pvt': dict(
        type='JointPVT',
        pretrain_img_size=64,
        embed_dims=4,
        num_layers=[1, 2, 2, 1],
        num_heads=[1, 1, 2, 2],
    ),
    'siamese-vit': dict(
        type='Siamese',
        features=VIT
        | dict(type='mmpretrain.VisionTransformer', out_type='featmap'),
        interaction=INTERACTION,
    ),
    'siamese-resnet': dict(
        type='Siamese',
        features=dict(
            type='mmpretrain.ResNet',
            depth=18,
            stem_channels=4,
            base_channels=4,
            num_stages=3,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=(2,),
        ),
        interaction=INTERACTION,
    ),
}
PYRAMID = 1 * [4] + 2 * [8] + 2 * [16] + 1 * [32]
# stride of the tokens in each layer
STRIDES = {
    'joint': 3 * [16],
    'joint-every-2': 3 * [16],
    'one-way': 3 * [16],
    'swin': PYRAMID,
    'pvt': PYRAMID,
    'siamese-vit': 3 * [16],
    'siamese-resnet': 2 * [16],
}


@pytest.fixture(params=NETWORKS)
def case(request, randomized):
    """A network and the strides of its layers."""
    net = randomized(MODELS.build(dict(NETWORKS[request.param])))
    return net, STRIDES[request.param]


def test_maps_have_the_grid_of_their_layer(case, probe, make_inputs):
    net, strides = case
    inputs = make_inputs(64, (64, 96))
    maps = probe(net, *inputs)
    assert len(maps) == len(strides)
    for one, stride in zip(maps, strides):
        assert one.shape == (2, 64 // stride, 96 // stride)
        assert one.min() > 0 and one.max() <= 1
        assert one.std() > 1e-6
    # row by row, and nothing but the two images decides
    rows = probe(net, *(x[1:] for x in inputs))
    for one, row in zip(maps, rows):
        torch.testing.assert_close(one[1:], row)


def test_nothing_stays_in_the_network(case, probe, run, make_inputs):
    net, _ = case
    inputs = make_inputs(64, (64, 64))
    before = run(net, *inputs)
    probe(net, *inputs)
    assert torch.equal(run(net, *inputs), before)
    assert not any(m._forward_hooks for m in net.modules())


@pytest.mark.parametrize('name', ['joint', 'siamese-vit', 'swin'])
def test_patches_at_the_edge_may_stick_out(
    randomized, probe, make_inputs, name
):
    net = randomized(MODELS.build(dict(NETWORKS[name])))
    maps = probe(net, *make_inputs(64, (56, 72)))
    for one, stride in zip(maps, STRIDES[name], strict=True):
        assert one.shape[1:] == (
            math.ceil(56 / stride),
            math.ceil(72 / stride),
        )


def test_token_grid():
    assert token_grid((64, 96), 16) == (4, 6)
    assert token_grid((65, 80), 16) == (5, 5)


def test_target_attention_by_hand():
    # queries 1, keys given by the tokens, one channel
    qkv = nn.Linear(1, 3)
    with torch.no_grad():
        qkv.weight.copy_(torch.tensor([[0.0], [1.0], [5.0]]))
        qkv.bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
    attn = SimpleNamespace(qkv=qkv, num_heads=1)
    # two exemplar tokens, one between, two search tokens
    weights = torch.tensor([3.0, 1.0, 2.0, 1.0, 1.0])
    found = target_attention(
        attn, weights.log()[None, :, None], slice(2), (1, 2)
    )
    # (3/8 + 1/8) / 2 of both search tokens
    torch.testing.assert_close(found, torch.full((1, 1, 2), 0.25))


def test_target_attention_scales_and_averages_heads(attend):
    torch.manual_seed(0)
    qkv = nn.Linear(8, 24)
    tokens = torch.randn(2, 9, 8)
    _, weights = attend(*qkv(tokens).chunk(3, dim=-1), num_heads=2)
    attn = SimpleNamespace(qkv=qkv, num_heads=2)
    found = target_attention(attn, tokens, slice(1, 3), (2, 3))
    expected = weights[:, 3:, 1:3].mean(-1).unflatten(1, (2, 3))
    torch.testing.assert_close(found, expected)
    found = mean_over_exemplar(weights, slice(1, 3), (2, 3))
    torch.testing.assert_close(found, expected)
