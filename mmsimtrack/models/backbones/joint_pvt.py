"""Joint feature extraction and interaction in a Pyramid Vision Transformer."""

from math import isqrt

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmsimtrack.models.backbones.pyramid import (
    join_last_stages,
    target_position,
)
from mmsimtrack.models.tokenizers import TargetPositionEmbedding
from mmsimtrack.models.weights.guard import guard
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class JointPVT(BaseModule):
    """One PVT for exemplar and search image (Sec. 4.3).

    Attention is Eq. (5): all tokens ask, and the reduced tokens of both images
    answer; the reduction ratio of the exemplar is half that of the search
    image. Layers, options and parameter names are those of mmdet's PVT, which
    is imported where one is built; the position of the target is new.

    Args:
        init_cfg: Initialization config of mmengine.
        **kwargs: Options of `mmdet.PyramidVisionTransformer`.

    Raises:
        ValueError: If an option is given that this network has no place for.
    """

    fresh = ('tokenizer.',)
    patch_size = 16  # px of a cell of the search feature

    def __init__(self, init_cfg: dict | None = None, **kwargs) -> None:
        from mmdet.models.backbones import PyramidVisionTransformer

        for name, reason in (
            ('use_abs_pos_embed', 'p_e takes its place for the exemplar'),
            ('convert_weights', 'a checkpoint `pvt+...` is converted'),
        ):
            if name in kwargs:
                raise ValueError(
                    f'JointPVT: {name} is no option here, since {reason}. '
                    'Leave it out of the config.'
                )
        super().__init__(init_cfg)
        pvt = PyramidVisionTransformer(**kwargs)
        self.layers = pvt.layers
        widths = [pvt.embed_dims * heads for heads in pvt.num_heads]
        self.out_channels = sum(widths[-2:])  # C of the search feature
        self.tokenizer = ModuleList(map(TargetPositionEmbedding, widths))
        guard(self, new=self.fresh)

    def init_weights(self) -> None:
        """Load `init_cfg`, or initialize as mmdet does."""
        if self.init_cfg:
            super().init_weights()
        else:
            from mmdet.models.backbones import PyramidVisionTransformer

            PyramidVisionTransformer.init_weights(self)

    def embed_exemplar(
        self, exemplar: Tensor, exemplar_bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute exemplar tokens of the first stage, p_e of the later ones.

        PVT adds its position embedding in every stage; where it does, the
        exemplar gets p_e of Eq. (7) instead.

        Args:
            exemplar: (B, 3, Hz, Wz), normalized.
            exemplar_bbox: (B, 4) xyxy of the target in its unit square.

        Returns:
            One tensor per stage, (B, N, C).
        """
        positions = [
            target_position(embedding, exemplar, exemplar_bbox, 4 * 2**i)
            for i, embedding in enumerate(self.tokenizer)
        ]
        tokens, _ = self.layers[0][0](exemplar)
        return (tokens + positions[0], *positions[1:])

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> Tensor:
        """Compute the search feature s^L.

        Args:
            memory: Result of `embed_exemplar`.
            search: (B, 3, Hx, Wx), normalized; sides are multiples of 32.

        Returns:
            (B, C, h, w) with stride 16; see `join_last_stages`.
        """
        exemplar, feature = memory[0], search
        maps = []
        for stage, position in zip(self.layers, memory):
            embed, (add_position, *blocks), norm = stage
            if maps:
                exemplar = _halve(embed, exemplar) + position
            tokens, grid = embed(feature)
            tokens = add_position(tokens, grid)
            for block in blocks:
                exemplar, tokens = _run(block, exemplar, tokens, grid)
            # PVT has no norms after its stages (`norm` returns its input), and
            # none is added: detectors take its maps as they are, too
            feature = norm(tokens).mT.unflatten(2, grid)
            maps.append(feature)
        return join_last_stages(*maps[-2:])


def _halve(embed: nn.Module, tokens: Tensor) -> Tensor:
    """Embed exemplar tokens for the next stage, (B, N, C) -> (B, N', C').

    A side of 7 becomes 4: the last row and column are padded, not dropped.
    """
    side = isqrt(tokens.shape[1])
    feature = tokens.mT.unflatten(2, (side, side))
    return embed(F.pad(feature, (0, side % 2, 0, side % 2)))[0]


def _run(
    block: nn.Module, exemplar: Tensor, search: Tensor, grid: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Run one layer, Eq. (4): (B, Ne, C), (B, Ns, C) -> the same shapes."""
    attn = block.attn
    side = isqrt(exemplar.shape[1])
    normed = [block.norm1(exemplar), block.norm1(search)]
    reduced = [
        _reduce(attn, normed[0], (side, side), halved=True),
        _reduce(attn, normed[1], grid),
    ]
    # (B, N, C) -> (N, B, C) and back
    query, key = (torch.cat(x, 1).transpose(0, 1) for x in (normed, reduced))
    out = attn.attn(query=query, key=key, value=key)[0].transpose(0, 1)
    out = attn.dropout_layer(attn.proj_drop(out))
    exemplar = exemplar + out[:, : side**2]
    search = search + out[:, side**2 :]
    return (
        block.ffn(block.norm2(exemplar), (side, side), identity=exemplar),
        block.ffn(block.norm2(search), grid, identity=search),
    )


def _reduce(
    attn: nn.Module,
    tokens: Tensor,
    grid: tuple[int, int],
    halved: bool = False,
) -> Tensor:
    """Reduce tokens before keys and values: (B, N, C) -> (B, M, C).

    The pre-trained kernel has the side of the full ratio R. For the halved
    one its 2x2 blocks are summed up: the same as reducing by R a map enlarged
    twice (nearest neighbour), so that the kernel sees the scale it knows.

    Args:
        attn: `SpatialReductionAttention`.
        tokens: (B, N, C).
        grid: (h, w) of the tokens.
        halved: Whether to reduce by half the ratio; 1 stays 1.
    """
    ratio = attn.sr_ratio
    if ratio == 1:
        return tokens
    feature = tokens.mT.unflatten(2, grid)
    weight = attn.sr.weight
    if halved:
        ratio //= 2
        weight = weight.unflatten(3, (ratio, 2)).unflatten(2, (ratio, 2))
        weight = weight.sum((3, 5))  # (C, C, r, 2, r, 2) -> (C, C, r, r)
    feature = F.conv2d(feature, weight, attn.sr.bias, stride=ratio)
    return attn.norm(feature.flatten(2).mT)
