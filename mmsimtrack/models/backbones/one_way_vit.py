"""SimTrack without attention from exemplar to search image: Sec. 4.3."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmsimtrack.models.backbones.joint_vit import JointViT
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class OneWayViT(JointViT):
    """`JointViT` without attention from the exemplar to the search image.

    Sec. 4.3: a(e, s) and s W_V leave the first line of Eq. (6), and LaSOT's
    AUC falls from 69.3 to 69.1. The exemplar then does not depend on the
    frame: the memory holds its keys and values of every layer.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        if self.decoder or self.interaction_every != 1 or self.with_cp:
            raise ValueError(
                'OneWayViT: decoder, interaction_every and with_cp are '
                'options of JointViT only. Leave them out of the config.'
            )

    def embed_exemplar(
        self, exemplar: Tensor, exemplar_bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """Keys and values of the exemplar in every layer.

        Args:
            exemplar: (B, 3, Hz, Wz), normalized.
            exemplar_bbox: (B, 4) xyxy of the target in its unit square.

        Returns:
            L tensors (B, 2, heads, Nz + Nz*, C / heads).
        """
        tokens = self._exemplar_tokens(exemplar, exemplar_bbox)
        memory = []
        for layer in self.layers:
            tokens, kept = self._run(layer, tokens)
            memory.append(kept)
        return tuple(memory)

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> Tensor:
        """Search feature s^L; see `JointViT.forward`."""
        tokens, grid = self._search_tokens(search)
        for layer, kept in zip(self.layers, memory):
            tokens, _ = self._run(layer, tokens, kept)
        return self.ln1(tokens[:, 1:]).mT.unflatten(2, grid)

    @staticmethod
    def _run(
        layer, tokens: Tensor, kept: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One layer; tokens attend to themselves and to what was kept.

        Returns:
            The new tokens (B, N, C), and the keys and values of the given
            ones, (B, 2, heads, N, C / heads).
        """
        attn = layer.attn
        qkv = attn.qkv(layer.ln1(tokens))
        # (B, N, 3C) -> (B, 3, heads, N, C / heads)
        qkv = qkv.unflatten(2, (3, attn.num_heads, -1)).permute(0, 2, 3, 1, 4)
        own = qkv[:, 1:]
        seen = own if kept is None else torch.cat([kept, own], dim=3)
        out = F.scaled_dot_product_attention(
            qkv[:, 0],
            *seen.unbind(1),
            dropout_p=attn.attn_drop if layer.training else 0.0,
        )
        out = attn.proj(out.transpose(1, 2).flatten(2))
        tokens = tokens + attn.out_drop(attn.gamma1(attn.proj_drop(out)))
        return layer.ffn(layer.ln2(tokens), identity=tokens), own
