import pytest
import torch

from mmsimtrack.models import JointViT, OneWayViT

ARCH = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)
NUM_EXEMPLAR = 5  # 2 x 2 and a foveal token


@pytest.fixture
def make(randomized):
    """A function that builds a small network."""

    def build(kind=OneWayViT, num_layers=3, **kwargs):
        net = kind(
            arch=ARCH | dict(num_layers=num_layers),
            patch_size=16,
            img_size=64,
            tokenizer=dict(foveal_size=16),
            **kwargs,
        )
        return randomized(net)

    return build


@pytest.fixture
def inputs(make_inputs):
    return make_inputs(32, (64, 64))


@pytest.fixture
def naive(vit_layers):
    """A function that computes [e; s] in all layers, a(e, s) masked out."""

    def compute(net, exemplar, bbox, search):
        e = net.tokenizer(exemplar, bbox, net.patch_embed)
        s = net.patch_embed(search)[0]
        s = torch.cat([net.cls_token.expand(len(s), -1, -1), s], dim=1)
        tokens = torch.cat([e, s + net.pos_embed], dim=1)
        allowed = torch.ones(*[tokens.shape[1]] * 2, dtype=torch.bool)
        allowed[:NUM_EXEMPLAR, NUM_EXEMPLAR:] = False
        return vit_layers(net.layers, tokens, [allowed] * net.num_layers)

    return compute


def test_equals_equation_6_without_a_of_exemplar_and_search(
    make, naive, run, inputs
):
    net = make()
    states, _ = naive(net, *inputs)
    expected = net.ln1(states[-1][:, NUM_EXEMPLAR + 1 :])
    found = run(net, *inputs)
    assert found.shape == (2, 16, 4, 4)
    torch.testing.assert_close(found.flatten(2).mT, expected)


def test_memory_is_the_keys_and_values_of_every_layer(make, naive, inputs):
    exemplar, bbox, _ = inputs
    net = make()
    memory = net.embed_exemplar(exemplar, bbox)
    assert [part.shape for part in memory] == 3 * [(2, 2, 2, NUM_EXEMPLAR, 8)]
    states, _ = naive(net, *inputs)
    for layer, state, part in zip(net.layers, states, memory):
        tokens = layer.ln1(state[:, :NUM_EXEMPLAR])
        _, key, value = layer.attn.qkv(tokens).chunk(3, dim=-1)
        # (B, heads, N, d) -> (B, N, C)
        found = part.transpose(2, 3).flatten(3)
        torch.testing.assert_close(found[:, 0], key)
        torch.testing.assert_close(found[:, 1], value)


def test_one_layer_is_that_of_the_joint_network(make, run, inputs):
    # what the exemplar sees matters from the second layer on
    options = dict(num_layers=1, layer_scale_init_value=0.5)
    joint = run(make(JointViT, **options), *inputs)
    torch.testing.assert_close(run(make(**options), *inputs), joint)
    two = run(make(num_layers=2), *inputs)
    other = run(make(JointViT, num_layers=2), *inputs)
    assert (two - other).abs().max() > 1e-3


@pytest.mark.parametrize(
    'tokenizer',
    [
        dict(foveal_size=16),
        dict(foveal_size=0, target_position=False),
    ],
)
def test_contract(randomized, check_contract, inputs, tokenizer):
    net = OneWayViT(arch=ARCH, patch_size=16, img_size=64, tokenizer=tokenizer)
    check_contract(randomized(net), inputs)


def test_dropout_of_attention_is_for_training_only(make, run, inputs):
    net = make(layer_cfgs=dict(attn_drop_rate=0.5))
    expected = run(make(), *inputs)
    assert torch.equal(run(net, *inputs), expected)
    assert (run(net.train(), *inputs) - expected).abs().max() > 1e-3


def test_names_are_those_of_joint_vit(make):
    net = make()
    assert set(net.state_dict()) == set(make(JointViT).state_dict())


def test_probes_show_equation_8(make, naive, probe, inputs):
    net = make()
    _, weights = naive(net, *inputs)
    for found, one in zip(probe(net, *inputs), weights, strict=True):
        expected = one[:, NUM_EXEMPLAR + 1 :, :NUM_EXEMPLAR].mean(-1)
        torch.testing.assert_close(found, expected.unflatten(1, (4, 4)))
    first = probe(make(JointViT), *inputs)[0]
    torch.testing.assert_close(probe(net, *inputs)[0], first)


@pytest.mark.parametrize(
    'option',
    [
        dict(interaction_every=2),
        dict(
            decoder=dict(num_layers=1, embed_dims=8, num_heads=2, dropout=0.1)
        ),
    ],
)
def test_refuses_options_of_joint_vit(option):
    with pytest.raises(ValueError, match='is an option of JointViT only'):
        OneWayViT(tokenizer=dict(foveal_size=16), arch=ARCH, **option)
