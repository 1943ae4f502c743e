import math

import pytest
import torch
import torch.nn.functional as F
from small_backbones import attend, project, randomized

from mmsimtrack.models.backbones.interaction import Interaction, SearchDecoder

OPTIONS = dict(embed_dims=16, num_layers=2, num_heads=2, dropout=0.1)


@pytest.fixture
def interaction():
    return randomized(Interaction(8, **OPTIONS))


@pytest.fixture
def maps():
    torch.manual_seed(1)
    sizes = (2, 2), (3, 5)
    return [torch.randn(2, 16, *s, dtype=torch.float64) for s in sizes]


def mix(attn, query, key, value):
    """Compute query + attention, with its projections."""
    projected = project(attn.attn, query, key, value)
    return attn.attn.out_proj(attend(*projected, num_heads=2)[0])


def feed_forward(layer, x):
    """Two linear layers, ReLU between them; the norm comes last."""
    (first, *_), second = layer.ffn.layers[0], layer.ffn.layers[1]
    return layer.norms[-1](x + second(F.relu(first(x))))


def decode(decoder, query, query_pos, tokens, position):
    """Run the decoder: queries, then tokens to be asked."""
    for layer in decoder.layers:
        asked = query + query_pos
        query = query + mix(layer.self_attn, asked, asked, query)
        query = layer.norms[0](query)
        asked = query + query_pos
        query = query + mix(layer.cross_attn, asked, tokens + position, tokens)
        query = feed_forward(layer, layer.norms[1](query))
    return decoder.post_norm(query)


def test_encoder_decoder_and_similarity(interaction, maps):
    # sines of each map by itself; mmdet computes them in float32
    position = [interaction.position(None, m)[0].flatten(1) for m in maps]
    position = torch.cat(position, dim=1).mT.double()
    tokens = torch.cat([m.flatten(2).mT for m in maps], dim=1)
    for layer in interaction.encoder.layers:
        asked = tokens + position
        tokens = tokens + mix(layer.self_attn, asked, asked, tokens)
        tokens = feed_forward(layer, layer.norms[0](tokens))
    query = torch.zeros(2, 1, 16, dtype=torch.float64)
    (target,) = interaction.query.weight
    target = decode(interaction.decoder, query, target, tokens, position)
    search = tokens[:, 4:]
    similarity = (search * target).sum(-1, keepdim=True)
    expected = search * similarity
    result = interaction(*maps)
    assert result.shape == maps[1].shape
    torch.testing.assert_close(result.flatten(2).mT, expected)


def test_search_asks_and_exemplar_answers():
    decoder = randomized(SearchDecoder(8, **OPTIONS))
    search = torch.randn(2, 15, 8, dtype=torch.float64)
    exemplar = torch.randn(2, 5, 8, dtype=torch.float64)
    found = decoder(search, exemplar)
    query, tokens = decoder.projection(search), decoder.projection(exemplar)
    expected = decode(decoder.layers, query, 0, tokens, 0)
    assert found.shape == (2, 15, decoder.out_channels)
    torch.testing.assert_close(found, expected)
    other = decoder(search, exemplar.flip(0))
    assert (found - other).abs().max() > 1e-3


def test_matrices_start_as_in_stark():
    torch.manual_seed(0)
    for net in (Interaction(8, **OPTIONS), SearchDecoder(8, **OPTIONS)):
        before = {k: value.clone() for k, value in net.state_dict().items()}
        net.init_weights()
        inside = 0
        for name, value in net.state_dict().items():
            if name.split('.')[0] in ('bottleneck', 'query', 'projection'):
                assert torch.equal(value, before[name])
            elif value.dim() > 1:
                inside += 1
                bound = math.sqrt(6 / sum(value.shape))
                assert 0.9 * bound < value.abs().max() <= bound
        # in and out of attention, two of the feed-forward network
        layers = 2 * (4 + 6) if isinstance(net, Interaction) else 2 * 6
        assert inside == layers


def test_width_of_the_feed_forward_network_and_dropout(interaction):
    layers = [*interaction.encoder.layers, *interaction.decoder.layers]
    assert len(layers) == 4
    for layer in layers:
        assert layer.ffn.layers[0][0].out_features == 8 * 16  # 2048 for 256
    modules = interaction.modules()
    dropouts = [x for x in modules if isinstance(x, torch.nn.Dropout)]
    rates = {module.p for module in dropouts if module.p}
    assert rates == {0.1}
    assert {layer.self_attn.attn.dropout for layer in layers} == {0.1}
