import pytest
import small_backbones as small
import torch
from torch import nn


@pytest.fixture
def inputs():
    return small.make_inputs(32, (64, 96))


@pytest.fixture(
    params=[small.SIAMESE_VIT, small.RESNET], ids=['vit', 'resnet']
)
def backbone(request):
    return small.siamese(request.param)


def test_both_images_pass_the_same_network_alone(backbone, inputs):
    exemplar, bbox, search = inputs
    (memory,) = backbone.embed_exemplar(exemplar, bbox)
    assert memory.shape == (2, 8, 2, 2)  # stride 16
    features = [backbone.features(image)[0] for image in (exemplar, search)]
    reduced = [backbone.interaction.bottleneck(x) for x in features]
    torch.testing.assert_close(memory, reduced[0])
    expected = backbone.interaction(*reduced)
    assert expected.shape == (2, 8, 4, 6)
    torch.testing.assert_close(small.run(backbone, *inputs), expected)


def test_batch_norm_and_the_first_layers_of_resnet_are_frozen(inputs):
    net = small.siamese(small.RESNET).train()
    before = {name: x.clone() for name, x in net.named_buffers()}
    small.run(net, *inputs)
    assert all(torch.equal(x, before[name]) for name, x in net.named_buffers())
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 15 and not any(m.training for m in norms)
    parameters = net.features.named_parameters(prefix='net')
    trained = {k.split('.')[1] for k, p in parameters if p.requires_grad}
    assert trained == {'layer2', 'layer3'}
    assert not any(p.requires_grad for m in norms for p in m.parameters())
    assert net.interaction.training


def test_probes_of_a_vit_show_equation_8(inputs):
    net = small.siamese(small.SIAMESE_VIT)
    exemplar, _, search = inputs
    maps = small.probe(net, *inputs)
    states = []
    for image in (exemplar, search):
        kept = []
        hook = net.features.layers[0].register_forward_pre_hook(
            lambda module, args, kept=kept: kept.append(args[0])
        )
        net.features(image)
        hook.remove()
        states.append(
            small.vit_layers(net.features.layers, kept[0], [None] * 3)[0]
        )
    for layer, e, s, found in zip(net.features.layers, *states, maps):
        tokens = torch.cat([e, s], dim=1)  # 1 + 4, 1 + 24
        qkv = layer.attn.qkv(layer.ln1(tokens)).chunk(3, dim=-1)
        _, weights = small.attend(*qkv, num_heads=2)
        expected = weights[:, 6:, 1:5].mean(-1)
        torch.testing.assert_close(found, expected.unflatten(1, (4, 6)))
    assert len(maps) == 3
