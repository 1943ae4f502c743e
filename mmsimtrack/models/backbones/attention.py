"""Attention of the search image to the target: Eq. (8), Fig. 4 and 5."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Probe:
    """How to see where one layer attends to the target.

    Every backbone lists its layers in `attention_probes`; nothing is computed
    unless somebody asks (`mmsimtrack.visualization.record_attention`).

    Attributes:
        module: The module whose outputs tell.
        read: Its outputs, in the order of the calls in `embed_exemplar` and
            `forward`, and the size (Hx, Wx) of the search image in pixels ->
            (B, h, w), the mean weight of an exemplar token.
    """

    module: nn.Module
    read: Callable[[list, tuple[int, int]], Tensor]


def token_grid(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Rows and columns of the tokens of an image of (H, W) pixels.

    The last patches may stick out: the backbones pad what is too small.
    """
    return -(-size[0] // stride), -(-size[1] // stride)


def target_attention(
    attn: nn.Module, tokens: Tensor, exemplar: slice, grid: tuple[int, int]
) -> Tensor:
    """A*(s^l), the target-relevant attention of Eq. (8).

    softmax([a(s, e), a(s, s)]), of which the columns of the exemplar are
    averaged; heads are averaged too.

    Args:
        attn: Attention of a ViT layer of mmpretrain.
        tokens: (B, N, C) normalized tokens; the last h * w are the search's.
        exemplar: Which of them are the exemplar's.
        grid: (h, w) of the search tokens.

    Returns:
        (B, h, w).
    """
    num_search = grid[0] * grid[1]
    qkv = attn.qkv(tokens).unflatten(2, (3, attn.num_heads, -1))
    query, key, _ = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, d)
    query = query[:, :, -num_search:] * query.shape[-1] ** -0.5
    weights = (query @ key.mT).softmax(-1).mean(1)  # (B, Nx, N)
    return weights[..., exemplar].mean(-1).unflatten(1, grid)


def mean_over_exemplar(
    weights: Tensor, exemplar: slice, grid: tuple[int, int]
) -> Tensor:
    """The same from weights (B, N, M) that a module has computed itself."""
    num_search = grid[0] * grid[1]
    return weights[:, -num_search:, exemplar].mean(-1).unflatten(1, grid)
