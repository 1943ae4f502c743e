"""The transformer of STARK-S, and the decoder of the paper's Table 9.

mmdet is imported where its layers are built: SimTrack needs none of them.
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn


def _build(
    kind: str, num_layers: int, embed_dims: int, num_heads: int, dropout: float
) -> nn.Module:
    """Build the encoder or the decoder of DETR, as mmdet has them."""
    from mmdet.models import layers

    attention = {
        'embed_dims': embed_dims,
        'num_heads': num_heads,
        'attn_drop': dropout,
        'dropout_layer': {'type': 'Dropout', 'drop_prob': dropout},
    }
    cfg = {
        'self_attn_cfg': attention,
        'ffn_cfg': {
            'embed_dims': embed_dims,
            'feedforward_channels': 8 * embed_dims,  # DETR: 2048 for 256
            'ffn_drop': dropout,
        },
    }
    if kind == 'encoder':
        return layers.DetrTransformerEncoder(num_layers, cfg)
    cfg['cross_attn_cfg'] = dict(attention)  # mmdet writes into each
    return layers.DetrTransformerDecoder(
        num_layers, cfg, return_intermediate=False
    )


def _decode(layers, queries, tokens, query_pos=None, key_pos=None) -> Tensor:
    """Let queries (B, Nq, D) ask tokens (B, Nk, D) -> (1, B, Nq, D)."""
    positions = dict(query_pos=query_pos, key_pos=key_pos)
    key = dict(key=tokens, value=tokens, key_padding_mask=None)
    return layers(queries, **key, **positions)


def _init_xavier(*parts: nn.Module) -> None:
    """Initialize the matrices of transformers as DETR and STARK do."""
    for part in parts:
        for parameter in part.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)


class Interaction(BaseModule):
    """Transformer head of STARK-S: exemplar and search feature interact.

    An encoder attends among all tokens; a decoder with one query sums up the
    target; the search tokens are weighted by their similarity to it.

    Args:
        in_channels: Channels of the features.
        embed_dims: Channels D* inside of the transformer.
        **options: `num_layers` of the encoder, and as many of the decoder,
            `num_heads` of the attention, and the rate of `dropout`.
    """

    def __init__(self, in_channels: int, embed_dims: int, **options) -> None:
        super().__init__()
        from mmdet.models.layers import SinePositionalEncoding

        self.out_channels = embed_dims
        self.bottleneck = nn.Conv2d(in_channels, embed_dims, 1)
        self.position = SinePositionalEncoding(embed_dims // 2, normalize=True)
        self.encoder = _build('encoder', embed_dims=embed_dims, **options)
        self.decoder = _build('decoder', embed_dims=embed_dims, **options)
        self.query = nn.Embedding(1, embed_dims)

    def init_weights(self) -> None:
        """Initialize the transformer; the rest keeps torch's defaults."""
        super().init_weights()
        _init_xavier(self.encoder, self.decoder)

    def embed(self, feature: Tensor) -> Tensor:
        """Reduce the channels: (B, C, h, w) -> (B, D*, h, w)."""
        return self.bottleneck(feature)

    def forward(self, exemplar: Tensor, search: Tensor) -> Tensor:
        """Compute the target-relevant search feature s^L*.

        Args:
            exemplar: (B, D*, hz, wz), from `embed`.
            search: (B, D*, h, w), from `embed`.

        Returns:
            (B, D*, h, w).
        """
        h, w = search.shape[-2:]
        maps = (exemplar, search)
        positions = [self.position(None, m).to(m) for m in maps]
        # (B, D*, h, w) each -> (B, Ne + Ns, D*)
        tokens, position = (
            torch.cat([m.flatten(2) for m in both], dim=2).mT
            for both in (maps, positions)
        )
        tokens = self.encoder(
            tokens, query_pos=position, key_padding_mask=None
        )
        query_pos = self.query.weight.expand(search.shape[0], -1, -1)
        inputs = torch.zeros_like(query_pos), tokens, query_pos, position
        (target,) = _decode(self.decoder, *inputs)
        feature = tokens[:, -h * w :]
        # (B, Ns, D*), (B, 1, D*) -> (B, Ns, 1)
        similarity = feature @ target.mT
        return (feature * similarity).mT.unflatten(2, (h, w))


class SearchDecoder(BaseModule):
    """Decoder after the backbone: search asks, exemplar answers (Table 9).

    The paper says no more than that; the shipped configs take width, heads
    and dropout from STARK-S. Positions are in the tokens already.

    Args:
        in_channels: Channels C of the tokens.
        embed_dims: Channels D of the decoder.
        **options: `num_layers` (1, 3 or 6), `num_heads` of the attention, and
            the rate of `dropout`.
    """

    def __init__(self, in_channels: int, embed_dims: int, **options) -> None:
        super().__init__()
        self.out_channels = embed_dims
        self.projection = nn.Linear(in_channels, embed_dims)
        self.layers = _build('decoder', embed_dims=embed_dims, **options)

    def init_weights(self) -> None:
        """Initialize the layers; the projection keeps torch's defaults."""
        super().init_weights()
        _init_xavier(self.layers)

    def forward(self, search: Tensor, exemplar: Tensor) -> Tensor:
        """Let (B, Ns, C) ask (B, Ne, C) exemplar tokens: (B, Ns, D)."""
        memory = self.projection(exemplar)
        (out,) = _decode(self.layers, self.projection(search), memory)
        return out
