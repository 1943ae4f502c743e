"""Candidate elimination: OSTrack drops search tokens on the way (Sec. 3.3)."""

import math
from collections.abc import Sequence

import torch
from mmengine.logging import MessageHub
from torch import Tensor, nn

from mmsimtrack.log import warn

RANGES = ('center', 'rectangle', 'all', 'box')


class CandidateElimination:
    """Drops the search tokens that the target attends to the least.

    It has no parameters. Tokens are ranked by the weights that chosen tokens
    of the exemplar give them in the attention of a block, and leave the
    sequence after that block.

    Args:
        num_layers: Blocks of the ViT.
        blocks: Blocks after which tokens are dropped, counted from 0. A
            warning is logged if the ViT has fewer.
        keep_ratio: Share of the tokens still there that each of these blocks
            keeps; one number for all, or one per block.
        template_tokens: Tokens of the exemplar whose attention ranks:
            `'center'`, the one up and left of the middle (the middle of an
            odd grid); `'rectangle'`, the 2 x 2 in the middle (1 of an odd
            grid); `'all'`; `'box'`, those whose middle lies in the target;
            or a list of numbers, row by row, or one list per image.
        start_epoch: In training, the share is 1 before this epoch (counted
            from 1). In all blocks it is the same.
        warmup_epochs: In training, the share falls to the first `keep_ratio`
            in so many epochs, along a cosine.

    Raises:
        ValueError: If a number or name makes no sense.
    """

    def __init__(
        self,
        num_layers: int,
        blocks: Sequence[int],
        keep_ratio: float | Sequence[float],
        template_tokens: str | Sequence = 'center',
        start_epoch: int = 0,
        warmup_epochs: int = 0,
    ) -> None:
        if isinstance(keep_ratio, (int, float)):
            keep_ratio = [keep_ratio] * len(blocks)
        if not blocks or len({*blocks}) < len(blocks) or min(blocks) < 0:
            raise _wrong('blocks', blocks, 'different numbers from 0 on')
        if len(keep_ratio) != len(blocks) or not all(
            0 < share <= 1 for share in keep_ratio
        ):
            expected = 'a share in (0, 1], or one for each of the blocks'
            raise _wrong('keep_ratio', keep_ratio, expected)
        if not template_tokens or (
            isinstance(template_tokens, str) and template_tokens not in RANGES
        ):
            expected = f'one of {", ".join(RANGES)}, or a list of numbers'
            raise _wrong('template_tokens', template_tokens, expected)
        if max(blocks) >= num_layers:
            warn(
                f'model.backbone.elimination.blocks is {blocks}: beyond '
                f'{num_layers - 1}, there is no block to drop tokens after.'
            )
        self.ratios = dict(zip(blocks, keep_ratio))
        self.template_tokens = template_tokens
        self.start_epoch = start_epoch
        self.warmup_epochs = warmup_epochs

    def training_ratio(self, epoch: int | None = None) -> float:
        """Return the share that blocks keep in an epoch of a training.

        Args:
            epoch: Counted from 1. None asks the running training; without
                one, the warm-up is over.
        """
        if epoch is None:
            epoch = MessageHub.get_current_instance().get_info('epoch')
            epoch = math.inf if epoch is None else epoch + 1
        if epoch < self.start_epoch:
            return 1.0
        done, last = epoch - self.start_epoch, next(iter(self.ratios.values()))
        if done >= self.warmup_epochs:
            return last
        falling = (1 + math.cos(math.pi * done / self.warmup_epochs)) / 2
        return last + (1 - last) * falling

    def num_kept(self, block: int, num_left: int, training: bool) -> int:
        """Return how many of the search tokens stay after a block."""
        if block not in self.ratios:
            return num_left
        ratio = self.training_ratio() if training else self.ratios[block]
        return math.ceil(ratio * num_left)

    def template_weights(self, grid: int, patch: int, bbox: Tensor) -> Tensor:
        """Say how much each token of the exemplar counts in the ranking.

        Args:
            grid: Tokens of the exemplar per side.
            patch: Side of a patch in pixels.
            bbox: (B, 4) xyxy of the target in the unit square.

        Returns:
            (B, grid^2); each row sums to 1.

        Raises:
            ValueError: If there is no such token, or not one list per image.
        """
        tokens, middle = self.template_tokens, (grid - 1) // 2
        chosen = bbox.new_zeros(bbox.shape[0], grid, grid)
        if tokens == 'all':
            chosen += 1
        elif tokens == 'rectangle':
            wide = slice(middle, grid // 2 + 1)
            chosen[:, wide, wide] = 1
        elif tokens == 'box':
            x, y = _inside(grid, patch, bbox).unbind(1)
            chosen = (y[:, :, None] & x[:, None]).to(bbox)
        elif tokens != 'center':
            each = isinstance(tokens[0], Sequence)
            rows = tokens if each else [tokens] * len(bbox)
            numbers = {number for row in rows for number in row}
            if len(rows) != len(bbox) or not numbers <= {*range(grid**2)}:
                expected = (
                    f'numbers from 0 to {grid**2 - 1}, one list for all '
                    f'images or one for each of {len(bbox)}'
                )
                raise _wrong('template_tokens', tokens, expected)
            for row, numbers in zip(chosen.flatten(1), rows):
                row[list(numbers)] = 1
        # also of a target so thin that it lies between the tokens
        chosen[:, middle, middle] += (chosen.sum((1, 2)) == 0).to(chosen)
        chosen = chosen.flatten(1)
        return chosen / chosen.sum(1, keepdim=True)


def _wrong(name: str, found, expected: str) -> ValueError:
    return ValueError(
        f'model.backbone.elimination.{name} is {found!r}, expected {expected}.'
    )


def _inside(grid: int, patch: int, bbox: Tensor) -> Tensor:
    """Tell whose middle lies in a box, in x and in y: (B, 2, grid) bool.

    As in the release: the box in whole pixels, its last one left out, drawn
    and resized bilinearly to the grid, is more than 0.
    """
    pixels = bbox[:, :, None] * (grid * patch)  # (B, 4, 1)
    first, last = pixels[:, :2].trunc(), (pixels[:, 2:] - 1).trunc()
    middles = patch * torch.arange(grid, device=bbox.device) + patch // 2
    return (first <= middles) & (middles <= last) & (first < last)


@torch.no_grad()
def rank_tokens(layer: nn.Module, tokens: Tensor, weights: Tensor) -> Tensor:
    """Weigh search tokens by the attention that the exemplar gives them.

    Args:
        layer: Of mmpretrain's ViT.
        tokens: (B, Nz + Nx, C), the exemplar first, as they enter the layer.
        weights: (B, Nz) of `template_weights`.

    Returns:
        (B, Nx), the mean over heads and chosen tokens.
    """
    attn, num_exemplar = layer.attn, weights.shape[1]
    qkv = attn.qkv(layer.ln1(tokens)).unflatten(2, (3, attn.num_heads, -1))
    query, key, _ = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, d)
    query = query[:, :, :num_exemplar] * query.shape[-1] ** -0.5
    attention = (query @ key.mT).softmax(-1).mean(1)  # (B, Nz, N)
    ranks = torch.einsum('bz,bzn->bn', weights.to(attention), attention)
    return ranks[:, num_exemplar:]
