import pytest
import small_backbones as small
import torch
import torch.nn.functional as F


@pytest.fixture
def inputs():
    return small.make_inputs(32, (64, 64))


def naive(net, *inputs):
    """Compute [e; s] before and after all layers."""

    def may_see(layer, is_exemplar):
        joint = layer % net.interaction_every == 0
        return (is_exemplar[:, None] == is_exemplar) | joint

    return small.naive_vit(net, *inputs, may_see)


NETWORKS = [
    (2, 1, dict(foveal_size=0)),
    (5, 2, small.FOVEAL),  # layer 5 sees no exemplar
    (9, 4, small.FOVEAL),  # exemplar runs ahead to layer 4, then on to 8
]


@pytest.mark.parametrize('num_layers, every, tokenizer', NETWORKS)
def test_equals_a_naive_equation_5(inputs, num_layers, every, tokenizer):
    net = small.vit(num_layers, tokenizer, interaction_every=every)
    states, _, num_exemplar = naive(net, *inputs)
    found = small.run(net, *inputs)
    assert found.shape == (2, 16, 4, 4)
    # exemplar, class token, search
    expected = net.ln1(states[-1][:, num_exemplar + 1 :])
    torch.testing.assert_close(found.flatten(2).mT, expected)


@pytest.mark.parametrize('make', [small.vit, small.one_way])
def test_bfloat16_on_a_cpu(inputs, make, monkeypatch):
    expected = small.run(make(), *inputs)
    # torch's kernel is slow there
    monkeypatch.delattr(F, 'scaled_dot_product_attention')
    found = small.run(make().bfloat16(), *(each.bfloat16() for each in inputs))
    assert F.cosine_similarity(found.double(), expected).min() > 0.999


def test_without_target_position_the_exemplar_has_p_0(inputs):
    exemplar, bbox, _ = inputs
    net = small.vit(tokenizer=small.PLAIN)
    assert not [n for n, _ in net.named_parameters() if 'tokenizer' in n]
    (memory,) = net.embed_exemplar(exemplar, bbox)
    # bilinear from 4x4 to 2x2: the mean of each 2x2
    position = net.pos_embed[:, 1:].mT.unflatten(2, (4, 4))
    position = F.avg_pool2d(position, 2).flatten(2).mT
    expected = net.pre_norm(net.patch_embed(exemplar)[0] + position)
    torch.testing.assert_close(memory, expected)
    (other,) = net.embed_exemplar(exemplar, bbox.flip(0))
    assert torch.equal(memory, other)


@pytest.mark.parametrize('every', [1, 2])
def test_decoder_gets_both_images_of_the_last_layer(inputs, every):
    net = small.vit(5, interaction_every=every, decoder=small.DECODER)
    states, _, num_exemplar = naive(net, *inputs)
    tokens = net.ln1(states[-1])
    expected = net.decoder(
        tokens[:, num_exemplar + 1 :], tokens[:, :num_exemplar]
    )
    found = small.run(net, *inputs)
    assert net.out_channels == 8 and small.vit().out_channels == 16
    assert found.shape == (2, 8, 4, 4)
    torch.testing.assert_close(found.flatten(2).mT, expected)


@pytest.mark.parametrize('every', [1, 2, 4])
def test_probes_show_equation_8(inputs, every):
    net = small.vit(5, interaction_every=every)
    states, used, num_exemplar = naive(net, *inputs)
    maps = small.probe(net, *inputs)
    assert len(maps) == 5
    for i, (layer, found) in enumerate(zip(net.layers, maps)):
        # where the images do not meet, Eq. (8) asks as if they did
        qkv = layer.attn.qkv(layer.ln1(states[i])).chunk(3, dim=-1)
        _, weights = small.attend(*qkv, num_heads=2)
        if (i + 1) % every == 0:
            torch.testing.assert_close(weights, used[i])
        expected = weights[:, num_exemplar + 1 :, :num_exemplar].mean(-1)
        torch.testing.assert_close(found, expected.unflatten(1, (4, 4)))
