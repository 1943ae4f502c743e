import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models import ResNet, VisionTransformer
from torch import nn

from mmsimtrack.models import Siamese

INTERACTION = dict(embed_dims=8, num_layers=2, num_heads=2, dropout=0.1)
VIT = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32
    ),
    patch_size=16,
    img_size=64,
    out_type='featmap',
    interpolate_mode='bilinear',
)
RESNET = dict(
    type='mmpretrain.ResNet',
    depth=18,
    stem_channels=4,
    base_channels=4,
    num_stages=3,
    strides=(1, 2, 2),
    dilations=(1, 1, 1),
    out_indices=(2,),
    frozen_stages=1,
    norm_eval=True,
    norm_cfg=dict(type='BN', requires_grad=False),
)


@pytest.fixture
def make(randomized):
    """A function that builds a small network."""

    def build(features):
        # mmengine takes the type out of the dict
        return randomized(Siamese(dict(features), INTERACTION))

    return build


@pytest.fixture
def inputs(make_inputs):
    return make_inputs(32, (64, 96))


@pytest.fixture(params=[VIT, RESNET], ids=['vit', 'resnet'])
def backbone(make, request):
    return make(request.param)


def test_contract(backbone, check_contract, inputs):
    assert backbone.out_channels == 8
    check_contract(backbone, inputs)


def test_both_images_pass_the_same_network_alone(backbone, run, inputs):
    exemplar, bbox, search = inputs
    (memory,) = backbone.embed_exemplar(exemplar, bbox)
    assert memory.shape == (2, 8, 2, 2)  # stride 16
    features = [backbone.features(image)[0] for image in (exemplar, search)]
    reduced = [backbone.interaction.bottleneck(x) for x in features]
    torch.testing.assert_close(memory, reduced[0])
    expected = backbone.interaction(*reduced)
    assert expected.shape == (2, 8, 4, 6)
    torch.testing.assert_close(run(backbone, *inputs), expected)


def test_the_box_is_not_used(backbone, inputs):
    exemplar, bbox, _ = inputs
    (memory,) = backbone.embed_exemplar(exemplar, bbox)
    (other,) = backbone.embed_exemplar(exemplar, bbox.flip(0))
    assert torch.equal(memory, other)


def test_names_are_those_of_mmpretrain(make):
    for kind, options in ((VisionTransformer, VIT), (ResNet, RESNET)):
        plain = kind(**{k: v for k, v in options.items() if k != 'type'})
        names = set(make(options).features.state_dict())
        assert names == set(plain.state_dict())


def test_features_of_the_vit_are_those_of_the_last_layer(
    make, vit_layers, inputs
):
    # position of 4 x 4 for 2 x 2: the mean of each 2 x 2
    net = make(VIT).features
    exemplar = inputs[0]
    position = net.pos_embed[:, 1:].mT.unflatten(2, (4, 4))
    position = F.avg_pool2d(position, 2).flatten(2).mT
    tokens = net.patch_embed(exemplar)[0] + position
    cls = (net.cls_token + net.pos_embed[:, :1]).expand(2, -1, -1)
    tokens = torch.cat([cls, tokens], dim=1)
    states, _ = vit_layers(net.layers, tokens, [None] * 3)
    expected = net.ln1(states[-1])[:, 1:]
    torch.testing.assert_close(net(exemplar)[0].flatten(2).mT, expected)


def test_batch_norm_and_the_first_layers_of_resnet_are_frozen(
    make, run, inputs
):
    net = make(RESNET).train()
    before = {name: x.clone() for name, x in net.named_buffers()}
    run(net, *inputs)
    assert all(torch.equal(x, before[name]) for name, x in net.named_buffers())
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 15 and not any(m.training for m in norms)
    trained = {
        name.split('.')[1]
        for name, parameter in net.features.named_parameters(prefix='net')
        if parameter.requires_grad
    }
    assert trained == {'layer2', 'layer3'}
    assert not any(p.requires_grad for m in norms for p in m.parameters())
    assert net.interaction.training


def test_probes_of_a_vit_show_equation_8(
    make, vit_layers, attend, probe, inputs
):
    net = make(VIT)
    exemplar, _, search = inputs
    maps = probe(net, *inputs)
    states = []
    for image in (exemplar, search):
        kept = []
        hook = net.features.layers[0].register_forward_pre_hook(
            lambda module, args, kept=kept: kept.append(args[0])
        )
        net.features(image)
        hook.remove()
        states.append(vit_layers(net.features.layers, kept[0], [None] * 3)[0])
    for layer, e, s, found in zip(net.features.layers, *states, maps):
        tokens = torch.cat([e, s], dim=1)  # 1 + 4, 1 + 24
        qkv = layer.attn.qkv(layer.ln1(tokens)).chunk(3, dim=-1)
        _, weights = attend(*qkv, num_heads=2)
        expected = weights[:, 6:, 1:5].mean(-1)
        torch.testing.assert_close(found, expected.unflatten(1, (4, 6)))
    assert len(maps) == 3
