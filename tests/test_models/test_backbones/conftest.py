"""Fixtures that the tests of several backbones share."""

import math

import pytest
import torch

from mmsimtrack.visualization import record_attention


@pytest.fixture
def randomized():
    """A function that makes every parameter of a network count."""
    return _randomized


def _randomized(network):
    """No parameter is 0 or 1; float64, eval mode."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            mean = float((parameter == 1).all())  # weights of norms
            parameter.normal_(mean, 0.2)
    return network.eval().double()


@pytest.fixture
def make_inputs():
    """A function that draws exemplars, boxes in them and search images."""
    return _make_inputs


def _make_inputs(exemplar, search, batch=2):
    """Images of `exemplar` x `exemplar` and of `search` = (H, W) pixels."""
    torch.manual_seed(1)
    bboxes = [[0.2, 0.1, 0.7, 0.9], [0.3, 0.3, 0.5, 0.6]]
    options = dict(dtype=torch.float64)
    return (
        torch.randn(batch, 3, exemplar, exemplar, **options),
        torch.tensor(bboxes[:batch], **options),
        torch.randn(batch, 3, *search, **options),
    )


@pytest.fixture
def run():
    """Both methods of the contract, in turn."""
    return _run


def _run(backbone, exemplar, bbox, search):
    return backbone(backbone.embed_exemplar(exemplar, bbox), search)


@pytest.fixture
def check_contract():
    """A function that checks what holds for every backbone."""
    return _check_contract


def _check_contract(backbone, inputs):
    """Shape, memory, independence of the rows, use of every parameter."""
    exemplar, bbox, search = inputs
    memory = backbone.embed_exemplar(exemplar, bbox)
    kept = [part.clone() for part in memory]
    feature = backbone(memory, search)
    assert feature.shape[:2] == (len(search), backbone.out_channels)
    assert feature.std() > 0.01
    # a memory serves many frames
    backbone(memory, search.flip(0))
    assert torch.equal(backbone(memory, search), feature)
    assert all(torch.equal(*pair) for pair in zip(memory, kept))
    # rows know nothing of each other
    rows = [
        _run(backbone, *(x[i : i + 1] for x in inputs))
        for i in range(len(search))
    ]
    torch.testing.assert_close(torch.cat(rows), feature)
    # the exemplar decides
    other = _run(backbone, exemplar.flip(0), bbox, search)
    assert (feature - other).abs().max() > 1e-4
    # with several GPUs, a parameter without gradient is an error
    assert backbone.train() is backbone
    _run(backbone, *inputs).square().sum().backward()
    without = [
        name
        for name, parameter in backbone.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert without == []


@pytest.fixture
def check_with_cp():
    """A function that compares a backbone with itself and `with_cp`."""
    return _check_with_cp


def _check_with_cp(plain, saving, inputs):
    """The same feature and gradients; fewer numbers kept for them."""
    found = []
    for backbone in (plain, saving):
        kept = []

        def keep(tensor, kept=kept):
            kept.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            feature = _run(backbone, *inputs)
        feature.square().sum().backward()
        gradients = [p.grad for p in backbone.parameters()]
        found.append((feature, gradients, sum(kept)))
    torch.testing.assert_close(found[0][:2], found[1][:2])
    assert found[1][2] < 0.7 * found[0][2]


@pytest.fixture
def probe():
    """A function that records the maps of all layers of a ViT."""
    return _probe


def _probe(backbone, exemplar, bbox, search):
    inputs = dict(exemplar=exemplar, exemplar_bbox=bbox, search=search)
    vit = getattr(backbone, 'features', backbone)
    layers = range(1, 1 + len(vit.layers))
    return list(record_attention(backbone, inputs, layers).values())


@pytest.fixture
def attend():
    """A function for attention, head by head."""
    return _attend


def _attend(query, key, value, num_heads, allowed=None):
    """softmax(query key^T / sqrt(d)) value of every head.

    Args:
        query: (B, N, C); key, value: (B, M, C).
        num_heads: Heads of C / num_heads channels.
        allowed: (N, M), which keys a query sees.

    Returns:
        (B, N, C), and the weights (B, N, M), the mean of all heads.
    """
    outs, weights = [], []
    for q, k, v in zip(
        *(x.chunk(num_heads, dim=-1) for x in (query, key, value))
    ):
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -math.inf)
        weights.append(scores.softmax(-1))
        outs.append(weights[-1] @ v)
    return torch.cat(outs, -1), torch.stack(weights).mean(0)


@pytest.fixture
def vit_layers():
    """A function that runs layers of a ViT on [e; s]."""
    return _vit_layers


def _vit_layers(layers, tokens, allowed):
    """Eq. (4), with Eq. (5) restricted to what tokens may see.

    Args:
        layers: Layers of mmpretrain's ViT.
        tokens: (B, N, C).
        allowed: (N, N) for each layer.

    Returns:
        (B, N, C) before the first and after each layer, and the weights
        (B, N, N) of each.
    """
    states, maps = [tokens], []
    for layer, mask in zip(layers, allowed):
        attn = layer.attn
        query, key, value = attn.qkv(layer.ln1(tokens)).chunk(3, dim=-1)
        out, weights = _attend(query, key, value, attn.num_heads, mask)
        tokens = tokens + attn.gamma1(attn.proj(out))
        tokens = layer.ffn(layer.ln2(tokens), identity=tokens)
        states.append(tokens)
        maps.append(weights)
    return states, maps
