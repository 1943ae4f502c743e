import pytest
import torch
import torch.nn.functional as F
from small_backbones import (
    RESNET,
    SIAMESE_VIT,
    attend,
    make_inputs,
    probe,
    run,
    siamese,
    vit_layers,
)
from torch import nn


@pytest.fixture
def inputs():
    return make_inputs(32, (64, 96))


@pytest.fixture(params=[SIAMESE_VIT, RESNET], ids=['vit', 'resnet'])
def backbone(request):
    return siamese(request.param)


def test_both_images_pass_the_same_network_alone(backbone, inputs):
    exemplar, bbox, search = inputs
    (memory,) = backbone.embed_exemplar(exemplar, bbox)
    assert memory.shape == (2, 8, 2, 2)  # stride 16
    features = [backbone.features(image)[0] for image in (exemplar, search)]
    reduced = [backbone.interaction.bottleneck(x) for x in features]
    torch.testing.assert_close(memory, reduced[0])
    expected = backbone.interaction(*reduced)
    assert expected.shape == (2, 8, 4, 6)
    torch.testing.assert_close(run(backbone, *inputs), expected)


def test_features_of_the_vit_are_those_of_the_last_layer(inputs):
    # position of 4 x 4 for 2 x 2: the mean of each 2 x 2
    net = siamese(SIAMESE_VIT).features
    exemplar = inputs[0]
    position = net.pos_embed[:, 1:].mT.unflatten(2, (4, 4))
    position = F.avg_pool2d(position, 2).flatten(2).mT
    tokens = net.patch_embed(exemplar)[0] + position
    cls = (net.cls_token + net.pos_embed[:, :1]).expand(2, -1, -1)
    tokens = torch.cat([cls, tokens], dim=1)
    states, _ = vit_layers(net.layers, tokens, [None] * 3)
    expected = net.ln1(states[-1])[:, 1:]
    torch.testing.assert_close(net(exemplar)[0].flatten(2).mT, expected)


def test_batch_norm_and_the_first_layers_of_resnet_are_frozen(inputs):
    net = siamese(RESNET).train()
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


def test_probes_of_a_vit_show_equation_8(inputs):
    net = siamese(SIAMESE_VIT)
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
