"""What the tests of several backbones share."""

import math

import torch
import torch.nn.functional as F

from mmsimtrack.models import JointPVT, JointSwin, JointViT, OneWayViT, Siamese
from mmsimtrack.visualization import record_attention

FOVEAL = dict(foveal_size=16)
PLAIN = dict(foveal_size=0, target_position=False)
DECODER = dict(num_layers=2, embed_dims=8, num_heads=2, dropout=0.1)
VIT = dict(
    arch=dict(
        embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32
    ),
    patch_size=16,
    img_size=64,
)
SWIN = dict(
    arch=dict(embed_dims=8, depths=[2, 1, 2, 2], num_heads=[1, 2, 2, 4]),
    window_size=4,
)
PVT = dict(
    pretrain_img_size=64,
    embed_dims=4,
    num_layers=[1, 2, 1, 2],
    num_heads=[1, 2, 3, 4],
    mlp_ratios=[2, 2, 2, 2],
)
SIAMESE_VIT = dict(
    VIT,
    type='mmpretrain.VisionTransformer',
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


def vit(num_layers=2, tokenizer=FOVEAL, kind=JointViT, **options):
    """Build a small `JointViT` or `OneWayViT`."""
    options = {**VIT, 'pre_norm': True, 'tokenizer': tokenizer, **options}
    options['arch'] = VIT['arch'] | dict(num_layers=num_layers)
    return randomized(kind(**options))


def one_way(**options):
    """Build a small `OneWayViT`."""
    return vit(kind=OneWayViT, **options)


def swin(**options):
    """Build a small `JointSwin`."""
    return randomized(JointSwin(**SWIN, **options))


def pvt(**options):
    """Build a small `JointPVT`."""
    return randomized(JointPVT(**PVT, **options))


def siamese(features):
    """Build a small `Siamese`; mmengine takes the type out of the dict."""
    interaction = dict(embed_dims=8, num_layers=2, num_heads=2, dropout=0.1)
    return randomized(Siamese(dict(features), interaction))


def randomized(network):
    """No parameter is 0 or 1; float64, eval mode."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            mean = float((parameter == 1).all())  # weights of norms
            parameter.normal_(mean, 0.2)
    return network.eval().double()


def make_inputs(exemplar, search, batch=2):
    """Images of `exemplar` x `exemplar` and of `search` = (H, W) pixels."""
    torch.manual_seed(1)
    bboxes = [[0.2, 0.1, 0.7, 0.9], [0.3, 0.3, 0.5, 0.6]]
    options = dict(dtype=torch.float64)
    return (
        torch.randn(batch, 3, exemplar, exemplar, **options),
        torch.tensor(bboxes[:batch], **options),
        torch.randn(batch, 3, *search, **options),
    )


def run(backbone, exemplar, bbox, search):
    return backbone(backbone.embed_exemplar(exemplar, bbox), search)


def probe(backbone, exemplar, bbox, search):
    inputs = dict(exemplar=exemplar, exemplar_bbox=bbox, search=search)
    vit = getattr(backbone, 'features', backbone)
    layers = range(1, 1 + len(vit.layers))
    return list(record_attention(backbone, inputs, layers).values())


def attend(query, key, value, num_heads, allowed=None):
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


def vit_layers(layers, tokens, allowed):
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
        out, weights = attend(query, key, value, attn.num_heads, mask)
        tokens = tokens + attn.gamma1(attn.proj(out))
        tokens = layer.ffn(layer.ln2(tokens), identity=tokens)
        states.append(tokens)
        maps.append(weights)
    return states, maps


def naive_vit(net, exemplar, bbox, search, may_see):
    """Run [e; s] through all layers.

    Args:
        net: `JointViT` or `OneWayViT`.
        exemplar, bbox, search: Of `make_inputs`.
        may_see: From the number of a layer and from which tokens are the
            exemplar's, (N,), to which keys a query sees, (N, N).

    Returns:
        States and weights of `vit_layers`, and the number of exemplar tokens.
    """
    e = net.tokenizer(exemplar, bbox, net.patch_embed)
    s = net.patch_embed(search)[0]
    s = torch.cat([net.cls_token.expand(len(s), -1, -1), s], dim=1)
    tokens = [net.pre_norm(e), net.pre_norm(s + net.pos_embed)]
    tokens = torch.cat(tokens, dim=1)
    is_exemplar = torch.arange(tokens.shape[1]) < e.shape[1]
    allowed = [may_see(i, is_exemplar) for i in range(1, net.num_layers + 1)]
    return *vit_layers(net.layers, tokens, allowed), e.shape[1]


def project(mha, query, key, value):
    """Inputs of the attention of a torch module, by its projections."""
    weights, biases = mha.in_proj_weight.chunk(3), mha.in_proj_bias.chunk(3)
    return [
        F.linear(*parts) for parts in zip((query, key, value), weights, biases)
    ]
