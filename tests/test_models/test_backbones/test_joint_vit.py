import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models import VisionTransformer

from mmsimtrack.models import JointViT

ARCH = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
OPTIONS = dict(arch=ARCH, patch_size=16, img_size=64, pre_norm=True)
FOVEAL = dict(foveal_size=16)
DECODER = dict(num_layers=2, embed_dims=8, num_heads=2, dropout=0.1)
PLAIN = dict(foveal_size=0, target_position=False)


@pytest.fixture
def make(randomized):
    """A function that builds a small network."""

    def build(num_layers=2, tokenizer=FOVEAL, **kwargs):
        options = OPTIONS | dict(arch=ARCH | dict(num_layers=num_layers))
        return randomized(JointViT(tokenizer=tokenizer, **options, **kwargs))

    return build


@pytest.fixture
def backbone(make):
    return make()


@pytest.fixture
def inputs(make_inputs):
    return make_inputs(32, (64, 64))


def separated(num_exemplar, num_tokens):
    """(N, N), true where query and key are of the same image."""
    kind = torch.arange(num_tokens) < num_exemplar
    return kind[:, None] == kind


@pytest.fixture
def naive(vit_layers):
    """A function that computes [e; s] before and after all layers."""

    def compute(net, exemplar, bbox, search):
        e = net.tokenizer(exemplar, bbox, net.patch_embed)
        s = net.patch_embed(search)[0]
        cls = net.cls_token.expand(len(s), -1, -1)
        s = torch.cat([cls, s], dim=1) + net.pos_embed
        tokens = torch.cat([net.pre_norm(e), net.pre_norm(s)], dim=1)
        num_exemplar, num_tokens = e.shape[1], tokens.shape[1]
        allowed = [
            torch.ones(num_tokens, num_tokens, dtype=torch.bool)
            if i % net.interaction_every == 0
            else separated(num_exemplar, num_tokens)
            for i in range(1, net.num_layers + 1)
        ]
        states, weights = vit_layers(net.layers, tokens, allowed)
        return states, weights, num_exemplar

    return compute


@pytest.mark.parametrize(
    ('num_layers', 'every', 'tokenizer'),
    [
        (2, 1, FOVEAL),
        (2, 1, dict(foveal_size=0)),
        (5, 2, FOVEAL),  # layer 5 sees no exemplar
        (9, 4, FOVEAL),  # exemplar runs ahead to layer 4, then on to 8
    ],
)
def test_equals_a_naive_equation_5(
    make, naive, run, inputs, num_layers, every, tokenizer
):
    net = make(num_layers, tokenizer, interaction_every=every)
    states, _, num_exemplar = naive(net, *inputs)
    found = run(net, *inputs)
    assert found.shape == (2, 16, 4, 4)
    # exemplar, class token, search
    expected = net.ln1(states[-1][:, num_exemplar + 1 :])
    torch.testing.assert_close(found.flatten(2).mT, expected)


def test_memory_is_the_exemplar_where_it_meets_the_search(make, inputs):
    exemplar, bbox, _ = inputs
    net = make(5, interaction_every=4)
    tokens = net.tokenizer(exemplar, bbox, net.patch_embed)
    tokens = net.pre_norm(tokens)
    for layer in net.layers[:3]:
        tokens = layer(tokens)
    (memory,) = net.embed_exemplar(exemplar, bbox)
    torch.testing.assert_close(memory, tokens)


@pytest.mark.parametrize('every', [0, 6])
def test_some_layer_has_to_interact(every):
    arch = ARCH | dict(num_layers=5)
    with pytest.raises(ValueError, match=f'every is {every}, expected 1 to 5'):
        JointViT(tokenizer=FOVEAL, arch=arch, interaction_every=every)


@pytest.mark.parametrize(
    'options',
    [
        {},
        dict(tokenizer=PLAIN),
        dict(tokenizer=dict(foveal_size=0)),
        dict(tokenizer=FOVEAL | dict(as_released=True)),
        dict(interaction_every=2, num_layers=3),
        dict(decoder=DECODER),
        dict(decoder=DECODER, interaction_every=2, num_layers=5),
    ],
)
def test_contract(make, check_contract, inputs, options):
    check_contract(make(**options), inputs)


def test_permuting_exemplar_tokens_changes_nothing(backbone, inputs):
    exemplar, bbox, search = inputs
    (memory,) = backbone.embed_exemplar(exemplar, bbox)
    order = torch.randperm(memory.shape[1])
    torch.testing.assert_close(
        backbone((memory[:, order],), search), backbone((memory,), search)
    )


def test_the_box_changes_the_search_feature(backbone, run, inputs):
    exemplar, bbox, search = inputs
    feature = run(backbone, exemplar, bbox, search)
    other = run(backbone, exemplar, bbox.flip(0), search)
    # far above the rounding of float64
    assert (feature - other).abs().max() > 1e-6


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


def test_without_target_position_the_exemplar_has_p_0(make, inputs):
    exemplar, bbox, _ = inputs
    net = make(tokenizer=PLAIN)
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
def test_decoder_gets_both_images_of_the_last_layer(
    make, naive, run, inputs, every
):
    net = make(5, interaction_every=every, decoder=DECODER)
    states, _, num_exemplar = naive(net, *inputs)
    tokens = net.ln1(states[-1])
    expected = net.decoder(
        tokens[:, num_exemplar + 1 :], tokens[:, :num_exemplar]
    )
    found = run(net, *inputs)
    assert net.out_channels == 8 and make().out_channels == 16
    assert found.shape == (2, 8, 4, 4)
    torch.testing.assert_close(found.flatten(2).mT, expected)


@pytest.mark.parametrize('every', [1, 2, 4])
def test_probes_show_equation_8(make, naive, attend, probe, inputs, every):
    net = make(5, interaction_every=every)
    states, used, num_exemplar = naive(net, *inputs)
    maps = probe(net, *inputs)
    assert len(maps) == 5
    for i, (layer, found) in enumerate(zip(net.layers, maps)):
        # where the images do not meet, Eq. (8) asks as if they did
        qkv = layer.attn.qkv(layer.ln1(states[i])).chunk(3, dim=-1)
        _, weights = attend(*qkv, num_heads=2)
        if (i + 1) % every == 0:
            torch.testing.assert_close(weights, used[i])
        expected = weights[:, num_exemplar + 1 :, :num_exemplar].mean(-1)
        torch.testing.assert_close(found, expected.unflatten(1, (4, 4)))


@pytest.mark.parametrize('decoder', [None, DECODER])
def test_names_are_those_of_mmpretrain(decoder):
    plain = VisionTransformer(out_type='raw', **OPTIONS)
    ours = JointViT(tokenizer=FOVEAL, decoder=decoder, **OPTIONS)
    missing, unexpected = ours.load_state_dict(plain.state_dict(), False)
    assert not unexpected
    new = {'tokenizer'} if decoder is None else {'tokenizer', 'decoder'}
    assert {key.split('.')[0] for key in missing} == new


@pytest.mark.parametrize('name', ['with_cls_token', 'final_norm'])
def test_parts_that_every_sequence_has(name):
    with pytest.raises(ValueError, match=f'{name}=False is not supported'):
        JointViT(tokenizer=FOVEAL, arch=ARCH, **{name: False})


@pytest.mark.parametrize('interaction_every', [1, 2])
def test_with_cp_computes_again_what_it_does_not_keep(
    make, inputs, interaction_every, check_with_cp
):
    options = dict(num_layers=4, interaction_every=interaction_every)
    check_with_cp(make(**options), make(**options, with_cp=True), inputs)
