"""Joint feature extraction and interaction in a Swin transformer."""

from functools import partial

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
        **kwargs: Of `mmpretrain.SwinTransformer`.

    Raises:
        ValueError: If an option is on that has no place here.
    """

    fresh = ('tokenizer.', 'norm2.')

    def __init__(self, **kwargs) -> None:
        for name in ('use_abs_pos_embed', 'out_after_downsample'):
            if kwargs.get(name):
                raise ValueError(
                    f'JointSwin: {name}=True is not supported; leave it out.'
                )
        super().__init__(out_indices=(2, 3), **kwargs)
        self.tokenizer = TargetPositionEmbedding(self.embed_dims)
        guard(self, new=self.fresh)

    @property
    def out_channels(self) -> int:
        """Channels C of the search feature."""
        return sum(self.num_features[-2:])

    def train(self, mode: bool = True) -> 'JointSwin':
        """Set the mode; mmpretrain's backbones forget to return themselves."""
        super().train(mode)
        return self

    def embed_exemplar(
        self, exemplar: Tensor, exemplar_bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """Keys and values of the pooled exemplar in every block.

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
        tokens = self.drop_after_pos(
            tokens
            + target_position(self.tokenizer, exemplar, exemplar_bbox, patch)
        )
        memory = []
        last = self.stages[-1].blocks[-1]
        for stage in self.stages:
            for block in stage.blocks:
                memory.append(_pooled_keys_values(block, tokens, grid))
                if block is not last:  # nobody asks for what it makes
                    tokens = _call(block, tokens, grid)
            if stage.downsample is not None:
                tokens, grid = stage.downsample(tokens, grid)
        return tuple(memory)

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> Tensor:
        """Search feature s^L.

        Args:
            memory: What `embed_exemplar` returned.
            search: (B, 3, Hx, Wx), normalized.

        Returns:
            (B, C, h, w) with stride 16; see `join_last_stages`.
        """
        tokens, grid = self.patch_embed(search)
        tokens = self.drop_after_pos(tokens)
        kept = iter(memory)
        maps = []
        for i, stage in enumerate(self.stages):
            for block in stage.blocks:
                tokens = _call(block, tokens, grid, next(kept))
            if i in self.out_indices:
                feature = getattr(self, f'norm{i}')(tokens)
                maps.append(feature.mT.unflatten(2, grid))
            if stage.downsample is not None:
                tokens, grid = stage.downsample(tokens, grid)
        return join_last_stages(*maps)


def _pooled_keys_values(
    block: nn.Module, tokens: Tensor, grid: tuple[int, int]
) -> Tensor:
    """(B, N, C) exemplar tokens -> (B, 2, heads, M, C / heads)."""
    msa = block.attn.w_msa
    features = block.norm1(tokens).mT.unflatten(2, grid)
    side = [min(n, block.attn.window_size) for n in grid]
    features = F.adaptive_avg_pool2d(features, side).flatten(2).mT
    channels = features.shape[-1]
    bias = msa.qkv.bias
    kv = F.linear(
        features,
        msa.qkv.weight[channels:],  # keys and values, no queries
        None if bias is None else bias[channels:],
    )
    return kv.unflatten(2, (2, msa.num_heads, -1)).permute(0, 2, 3, 1, 4)


def _call(block: nn.Module, *args) -> Tensor:
    """`_run`, keeping nothing for the backward pass if `with_cp` says so."""
    again = partial(checkpoint, _run, use_reentrant=False)
    return (again if block.with_cp else _run)(block, *args)


def _run(
    block: nn.Module,
    tokens: Tensor,
    grid: tuple[int, int],
    kept: Tensor | None = None,
) -> Tensor:
    """One block; tokens attend to their window and to what was kept.

    Without `kept` it is mmpretrain's block, but that the padding of maps that
    no whole number of windows fills gets no attention.

    Args:
        block: `SwinBlock`.
        tokens: (B, N, C).
        grid: (h, w) of the tokens.
        kept: Of the exemplar, (B, 2, heads, M, C / heads).

    Returns:
        (B, N, C).
    """
    attn, size = block.attn, block.attn.window_size
    padding = [-n % size for n in grid]
    x = block.norm1(tokens).unflatten(1, grid)
    x = F.pad(x, (0, 0, 0, padding[1], 0, padding[0]))
    padded, shift = x.shape[1:3], _shift(attn, grid)
    windows = attn.window_partition(x.roll((-shift, -shift), (1, 2)), size)
    # (B * windows, size, size, C) -> (B * windows, size * size, C)
    out = _attend(
        attn.w_msa, windows.flatten(1, 2), _bias(attn, grid, x), kept
    )
    out = attn.window_reverse(out.unflatten(1, (size, size)), *padded, size)
    out = out.roll((shift, shift), (1, 2))[:, : grid[0], : grid[1]]
    tokens = tokens + attn.drop(out.flatten(1, 2))
    return block.ffn(block.norm2(tokens), identity=tokens)


def _shift(attn: nn.Module, grid: tuple[int, int]) -> int:
    """A map of one window is not shifted, as in the pre-training."""
    return attn.shift_size if min(grid) > attn.window_size else 0


def _attend(
    msa: nn.Module, windows: Tensor, bias: Tensor, kept: Tensor | None
) -> Tensor:
    """Second line of Eq. (6) in every window: (B * windows, N, C) -> same.

    Args:
        msa: `WindowMSA`.
        windows: (B * windows, N, C).
        bias: (1 or windows, heads, N, N), added to the scores in a window.
        kept: Of the exemplar, or None. It has no relative position to a
            window, so it gets no bias.
    """
    qkv = msa.qkv(windows).unflatten(2, (3, msa.num_heads, -1))
    query, key, value = qkv.permute(2, 0, 3, 1, 4)
    if kept is not None:
        per_image = len(windows) // len(kept)
        kept = kept.repeat_interleave(per_image, dim=0)
        key = torch.cat([kept[:, 0], key], dim=2)
        value = torch.cat([kept[:, 1], value], dim=2)
        bias = F.pad(bias, (kept.shape[3], 0))
    scores = (query * msa.scale) @ key.mT
    scores = scores.unflatten(0, (-1, len(bias))) + bias
    weights = msa.attn_drop(msa.softmax(scores.flatten(0, 1)))
    return msa.proj_drop(
        msa.proj((weights @ value).transpose(1, 2).flatten(2))
    )


def _bias(attn: nn.Module, grid: tuple[int, int], x: Tensor) -> Tensor:
    """Relative position, and what a token must not see in its window.

    Returns:
        (1 or windows, heads, N, N).
    """
    msa, size, shift = attn.w_msa, attn.window_size, _shift(attn, grid)
    bias = msa.relative_position_bias_table[msa.relative_position_index]
    bias = bias.permute(2, 0, 1)[None]  # (N, N, heads) -> (1, heads, N, N)
    mask = attn.get_attn_mask(x.shape[1:3], size, shift, device=x.device)
    if mask is not None:
        bias = bias + mask[:, None].to(bias.dtype)
    if tuple(x.shape[1:3]) != tuple(grid):
        inside = x.new_zeros(1, *x.shape[1:3], 1)
        inside[:, : grid[0], : grid[1]] = 1
        inside = attn.window_partition(
            inside.roll((-shift, -shift), (1, 2)), size
        )
        outside = inside.flatten(1) == 0  # (windows, N)
        bias = bias.masked_fill(outside[:, None, None], -torch.inf)
    return bias
