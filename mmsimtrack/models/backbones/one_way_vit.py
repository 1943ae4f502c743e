"""SimTrack without attention from exemplar to search image: Sec. 4.3."""

import torch
from torch import Tensor

from mmsimtrack.models.backbones.joint_vit import JointViT, attend
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class OneWayViT(JointViT):
    """`JointViT` without attention from the exemplar to the search image.

    Sec. 4.3: a(e, s) and s W_V leave the first line of Eq. (6), and LaSOT's
    AUC falls from 69.3 to 69.1. The exemplar then does not depend on the
    frame: the memory holds its keys and values of every layer.

    Args:
        **kwargs: Options of `JointViT`.

    Raises:
        ValueError: If an option is given that only `JointViT` has.
    """

    def __init__(self, **kwargs) -> None:
        for name in ('decoder', 'interaction_every', 'with_cp'):
            if name in kwargs:
                raise ValueError(
                    f'OneWayViT: {name}={kwargs[name]!r} is an option of '
                    'JointViT only. Leave it out of the config.'
                )
        super().__init__(**kwargs)

    def embed_exemplar(
        self, exemplar: Tensor, exemplar_bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute keys and values of the exemplar for every layer.

        Args:
            exemplar: (B, 3, Hz, Wz), normalized.
            exemplar_bbox: (B, 4) xyxy of the target in its unit square.

        Returns:
            L tensors (B, 2, heads, Nz + Nz*, C / heads).
        """
        tokens = self._exemplar_tokens(exemplar, exemplar_bbox)
        memory = []
        for layer in self.layers[:-1]:
            qkv = _project(layer, tokens)
            memory.append(qkv[:, 1:])
            tokens = _attend(layer, tokens, qkv, qkv[:, 1:])
        # the exemplar's output of the last layer is not needed
        memory.append(_project(self.layers[-1], tokens)[:, 1:])
        return tuple(memory)

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> Tensor:
        """Compute the search feature s^L; see `JointViT.forward`."""
        tokens, grid = self._search_tokens(search)
        for layer, exemplar in zip(self.layers, memory):
            qkv = _project(layer, tokens)
            seen = torch.cat([exemplar, qkv[:, 1:]], dim=3)
            tokens = _attend(layer, tokens, qkv, seen)
        return self.ln1(tokens[:, 1:]).mT.unflatten(2, grid)


def _project(layer, tokens: Tensor) -> Tensor:
    """Make queries, keys, values: (B, 3, heads, N, C / heads)."""
    qkv = layer.attn.qkv(layer.ln1(tokens))
    qkv = qkv.unflatten(2, (3, layer.attn.num_heads, -1))
    return qkv.permute(0, 2, 3, 1, 4)


def _attend(layer, tokens: Tensor, qkv: Tensor, seen: Tensor) -> Tensor:
    """Compute the rest of a layer, after `_project`.

    Args:
        layer: Layer of mmpretrain's ViT.
        tokens: (B, N, C), as they entered the layer.
        qkv: Result of `_project`; only the queries are used.
        seen: Keys and values that they see, (B, 2, heads, M, C / heads).

    Returns:
        (B, N, C).
    """
    attn = layer.attn
    out = attend(
        qkv[:, 0],
        *seen.unbind(1),
        dropout_p=attn.attn_drop if layer.training else 0.0,
    )
    out = attn.proj(out.transpose(1, 2).flatten(2))
    tokens = tokens + attn.out_drop(attn.gamma1(attn.proj_drop(out)))
    return layer.ffn(layer.ln2(tokens), identity=tokens)
