"""The baseline: a Siamese backbone and STARK-S's transformer (Sec. 3.1)."""

from functools import partial
from math import prod

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmsimtrack.models.backbones.attention import (
    Probe,
    mean_over_exemplar,
    target_attention,
    token_grid,
)
from mmsimtrack.models.backbones.interaction import Interaction
from mmsimtrack.models.weights.guard import guard
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class Siamese(BaseModule):
    """STARK-S and STARK-SV, Fig. 2(a), under the contract of all backbones.

    Exemplar and search image pass the same feature extractor, Eq. (1)-(2),
    without knowing of each other, and then interact in a transformer. It does
    not use the box in the exemplar, which is where the crop's middle is.

    Args:
        features: Config of a backbone of mmpretrain that returns a tuple with
            one map: `mmpretrain.ResNet` or `mmpretrain.VisionTransformer`.
        interaction: Options of `Interaction`.
    """

    fresh = ('interaction.',)

    def __init__(self, features: dict, interaction: dict) -> None:
        super().__init__()
        self.features = MODELS.build(features)
        self.is_vit = hasattr(self.features, 'patch_embed')
        channels = (
            self.features.embed_dims if self.is_vit else self.features.feat_dim
        )
        self.interaction = Interaction(channels, **interaction)
        guard(self.features, config='model.backbone.features')

    @property
    def out_channels(self) -> int:
        """Channels D* of the search feature."""
        return self.interaction.out_channels

    def embed_exemplar(
        self, exemplar: Tensor, exemplar_bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """The exemplar feature, which no search image changes.

        Args:
            exemplar: (B, 3, Hz, Wz), normalized.
            exemplar_bbox: Not used.

        Returns:
            One tensor, (B, D*, hz, wz).
        """
        return (self._embed(exemplar),)

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> Tensor:
        """Target-relevant search feature s^L*.

        Args:
            memory: What `embed_exemplar` returned.
            search: (B, 3, Hx, Wx), normalized.

        Returns:
            (B, D*, h, w).
        """
        return self.interaction(*memory, self._embed(search))

    def _embed(self, image: Tensor) -> Tensor:
        (feature,) = self.features(image)
        return self.interaction.embed(feature)

    def attention_probes(self) -> list[Probe]:
        """Layers of a ViT, else of the encoder; see `Probe`.

        The images never meet in the ViT: as in the supplement, Eq. (8) tells
        what the attention would be if exemplar and search tokens did.
        """
        if self.is_vit:
            return [
                Probe(layer.ln1, partial(self._vit_map, layer.attn))
                for layer in self.features.layers
            ]
        # exemplar tokens, then search tokens; a CNN has no attention
        return [
            Probe(layer.self_attn.attn, self._encoder_map)
            for layer in self.interaction.encoder.layers
        ]

    def _vit_map(self, attn: nn.Module, outs: list, size: tuple) -> Tensor:
        patch = self.features.patch_embed.projection.kernel_size[0]
        grid = token_grid(size, patch)
        tokens = torch.cat(outs, dim=1)  # class, exemplar, class, search
        num_exemplar = tokens.shape[1] - 2 - grid[0] * grid[1]
        exemplar = slice(1, 1 + num_exemplar)
        return target_attention(attn, tokens, exemplar, grid)

    def _encoder_map(self, outs: list, size: tuple) -> Tensor:
        (weights,) = (weights for _, weights in outs)
        grid = token_grid(size, 4 * prod(self.features.strides))
        exemplar = slice(weights.shape[1] - grid[0] * grid[1])
        return mean_over_exemplar(weights, exemplar, grid)
