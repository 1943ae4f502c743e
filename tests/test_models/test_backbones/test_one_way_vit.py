import pytest
import torch
from small_backbones import make_inputs, naive_vit, one_way, probe, run, vit

NUM_EXEMPLAR = 5  # 2 x 2 and a foveal token


@pytest.fixture
def inputs():
    return make_inputs(32, (64, 64))


def naive(net, *inputs):
    """Compute [e; s] in all layers, a(e, s) masked out."""

    def may_see(layer, is_exemplar):
        return ~is_exemplar[:, None] | is_exemplar

    return naive_vit(net, *inputs, may_see)


def test_equals_equation_6_without_a_of_exemplar_and_search(inputs):
    net = one_way(num_layers=3, layer_scale_init_value=0.5)
    states, *_ = naive(net, *inputs)
    expected = net.ln1(states[-1][:, NUM_EXEMPLAR + 1 :])
    found = run(net, *inputs)
    assert found.shape == (2, 16, 4, 4)
    torch.testing.assert_close(found.flatten(2).mT, expected)


def test_dropout_of_attention_is_for_training_only(inputs):
    net = one_way(layer_cfgs=dict(attn_drop_rate=0.5))
    expected = run(one_way(), *inputs)
    assert torch.equal(run(net, *inputs), expected)
    assert (run(net.train(), *inputs) - expected).abs().max() > 1e-3


def test_probes_show_equation_8(inputs):
    net = one_way(num_layers=3)
    _, weights, _ = naive(net, *inputs)
    for found, one in zip(probe(net, *inputs), weights, strict=True):
        expected = one[:, NUM_EXEMPLAR + 1 :, :NUM_EXEMPLAR].mean(-1)
        torch.testing.assert_close(found, expected.unflatten(1, (4, 4)))
    first = probe(vit(3), *inputs)[0]
    torch.testing.assert_close(probe(net, *inputs)[0], first)
