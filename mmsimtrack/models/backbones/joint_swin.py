"""Joint feature extraction and interaction in a Swin transformer."""

from functools import partial
from math import prod

import torch
import torch.nn.functional as F
from mmpretrain.models import SwinTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmsimtrack.models.backbones.pyramid import (
    join_last_stages,
    target_position,
)
from mmsimtrack.models.tokenizers import TargetPositionEmbedding
from mmsimtrack.models.weights.guard import guard
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class JointSwin(SwinTransformer):
    """One Swin transformer for exemplar and search image (Sec. 4.3).

    The exemplar attends to itself only: a(e, s) and s W_V leave the first
    line of Eq. (6). Each search token attends to the tokens of its (shifted)
    window and to the exemplar, pooled to the size of a window. So the exemplar
    is computed once per sequence, and the memory holds its keys and values.

    Network, arguments and names are mmpretrain's; the norm of the third stage
    and the position of the target are new.

    Args:
        **kwargs: Options of `mmpretrain.SwinTransformer`.

    Raises:
        ValueError: If an option is on that this network has no place for.
    """

    fresh = ('tokenizer.', 'norm2.')
    patch_size = 16  # px of a cell of the search feature

    def __init__(self, **kwargs) -> None:
        for name in ('use_abs_pos_embed', 'out_after_downsample'):
            if kwargs.get(name):
                raise ValueError(
                    f'JointSwin: {name}=True is not supported; leave it out.'
                )
        super().__init__(out_indices=(2, 3), **kwargs)
        self.out_channels = sum(self.num_features[-2:])  # C of the feature
        self.tokenizer = TargetPositionEmbedding(self.embed_dims)
        guard(self, new=self.fresh)

    def train(self, mode: bool = True) -> 'JointSwin':
        """Set the mode; mmpretrain's backbones forget to return themselves."""
        super().train(mode)
        return self

    def embed_exemplar(
        self, exemplar: Tensor, exemplar_bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute keys and values of the pooled exemplar for every block.

        Args:
            exemplar: (B, 3, Hz, Wz), normalized.
            exemplar_bbox: (B, 4) xyxy of the target in its unit square.

        Returns:
            One tensor per block, (B, 2, heads, M, C / heads); M is the size
            of a window, or of the map where that is smaller.
        """
        tokens, grid = self.patch_embed(exemplar)
        patch = self.patch_embed.projection.kernel_size[0]
        # Swin has no absolute position to replace: p_e enters at the start
        position = target_position(
            self.tokenizer, exemplar, exemplar_bbox, patch
        )
        tokens = self.drop_after_pos(tokens + position)
        memory = []
        last = self.stages[-1].blocks[-1]
        for stage in self.stages:
            for block in stage.blocks:
                memory.append(_pooled_keys_values(block, tokens, grid))
                if block is not last:  # its output is not needed
                    tokens = _call(block, tokens, grid)
            if stage.downsample is not None:
                tokens, grid = stage.downsample(tokens, grid)
        return tuple(memory)

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> Tensor:
        """Compute the search feature s^L.

        Args:
            memory: Result of `embed_exemplar`.
            search: (B, 3, Hx, Wx), normalized.

        Returns:
            (B, C, h, w) with stride 16; see `join_last_stages`.
        """
        tokens, grid = self.patch_embed(search)
        tokens = self.drop_after_pos(tokens)
        keys_values = iter(memory)
        maps = []
        for i, stage in enumerate(self.stages):
            for block in stage.blocks:
                tokens = _call(block, tokens, grid, next(keys_values))
            if i in self.out_indices:
                feature = getattr(self, f'norm{i}')(tokens)
                maps.append(feature.mT.unflatten(2, grid))
            if stage.downsample is not None:
                tokens, grid = stage.downsample(tokens, grid)
        return join_last_stages(*maps)


def _pooled_keys_values(
    block: nn.Module, tokens: Tensor, grid: tuple[int, int]
) -> Tensor:
    """Pool (B, N, C) exemplar tokens; return (B, 2, heads, M, C / heads)."""
    msa = block.attn.w_msa
    features = block.norm1(tokens).mT.unflatten(2, grid)
    side = [min(n, block.attn.window_size) for n in grid]
    features = F.adaptive_avg_pool2d(features, side).flatten(2).mT
    # keys and values without the queries, which come first
    weight, bias = (
        None if x is None else x[features.shape[-1] :]
        for x in (msa.qkv.weight, msa.qkv.bias)
    )
    kv = F.linear(features, weight, bias)
    return kv.unflatten(2, (2, msa.num_heads, -1)).permute(0, 2, 3, 1, 4)


def _call(block: nn.Module, *args) -> Tensor:
    """Call `_run`, recomputed in the backward pass if `with_cp` says so."""
    again = partial(checkpoint, _run, use_reentrant=False)
    return (again if block.with_cp else _run)(block, *args)


def _run(
    block: nn.Module,
    tokens: Tensor,
    grid: tuple[int, int],
    exemplar: Tensor | None = None,
) -> Tensor:
    """Run one block; tokens attend to their window and to the exemplar.

    Without an exemplar it is mmpretrain's block, except that nothing attends
    to the padding of maps which no whole number of windows fills.

    Args:
        block: `SwinBlock`.
        tokens: (B, N, C).
        grid: (h, w) of the tokens.
        exemplar: Its keys and values, (B, 2, heads, M, C / heads).

    Returns:
        (B, N, C).
    """
    attn, size = block.attn, block.attn.window_size
    # a map of one window is not shifted, as in the pre-training
    shift = attn.shift_size if min(grid) > size else 0
    padding = [-n % size for n in grid]
    padded = [n + extra for n, extra in zip(grid, padding)]

    def split(x: Tensor, fill: float) -> Tensor:
        """Split (B, h, w, C) into (B * windows, size * size, C)."""
        x = F.pad(x, (0, 0, 0, padding[1], 0, padding[0]), value=fill)
        x = x.roll((-shift, -shift), (1, 2))
        return attn.window_partition(x, size).flatten(1, 2)

    # (1 or windows, heads, N, N): relative position, and what is not seen
    bias = attn.w_msa.relative_position_bias_table
    bias = bias[attn.w_msa.relative_position_index].permute(2, 0, 1)[None]
    mask = attn.get_attn_mask(padded, size, shift, device=tokens.device)
    if mask is not None:
        bias = bias + mask[:, None].to(bias.dtype)
    if any(padding):
        outside = split(tokens.new_zeros(1, *grid, 1), fill=1).mT.bool()
        bias = bias.masked_fill(outside[:, None], -torch.inf)
    windows = split(block.norm1(tokens).unflatten(1, grid), fill=0)
    if exemplar is not None:  # once for each window
        exemplar = exemplar.repeat_interleave(prod(padded) // size**2, dim=0)
    out = _attend(attn.w_msa, windows, bias, exemplar)
    # mmpretrain's `window_reverse` would fix the batch of an exported network
    across = [n // size for n in padded]
    out = out.unflatten(1, (size, size)).unflatten(0, (-1, *across))
    out = out.transpose(2, 3).flatten(3, 4).flatten(1, 2)  # (B, h, w, C)
    out = out.roll((shift, shift), (1, 2))[:, : grid[0], : grid[1]]
    tokens = tokens + attn.drop(out.flatten(1, 2))
    return block.ffn(block.norm2(tokens), identity=tokens)


def _attend(
    msa: nn.Module, windows: Tensor, bias: Tensor, exemplar: Tensor | None
) -> Tensor:
    """Compute the second line of Eq. (6) in every window.

    Args:
        msa: `WindowMSA`.
        windows: (B * windows, N, C).
        bias: (1 or windows, heads, N, N), added to the scores in a window.
        exemplar: Its keys and values for every window, (B * windows, 2,
            heads, M, C / heads), or None. It has no relative position to a
            window, so it gets no bias.

    Returns:
        (B * windows, N, C).
    """
    qkv = msa.qkv(windows).unflatten(2, (3, msa.num_heads, -1))
    query, key, value = qkv.permute(2, 0, 3, 1, 4)
    if exemplar is not None:
        key = torch.cat([exemplar[:, 0], key], dim=2)
        value = torch.cat([exemplar[:, 1], value], dim=2)
        bias = F.pad(bias, (exemplar.shape[3], 0))
    scores = (query * msa.scale) @ key.mT
    scores = scores.unflatten(0, (-1, len(bias))) + bias
    weights = msa.attn_drop(msa.softmax(scores.flatten(0, 1)))
    out = (weights @ value).transpose(1, 2).flatten(2)
    return msa.proj_drop(msa.proj(out))
