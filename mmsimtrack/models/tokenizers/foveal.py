"""The exemplar's tokens: Fig. 3 and Eq. (7) of the paper."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn


def foveal_offset(exemplar_size: int, foveal_size: int, patch: int) -> int:
    """Compute the first pixel, per axis, of the window in the exemplar.

    The partitioning lines of the foveal window lie halfway between those of
    the exemplar (Sec. 3.3). A center crop has that property when the grids
    differ by an odd number of patches; else the crop moves by half a patch,
    which is what shifting the exemplar by 16 px does for B/32 (supplement).

    Args:
        exemplar_size: Side of the exemplar in pixels.
        foveal_size: Side of the foveal window in pixels.
        patch: Side of a patch in pixels.

    Raises:
        ValueError: If a side is not a whole number of patches, the patch is
            odd, or the window does not fit into the exemplar.
    """
    if patch % 2 or exemplar_size % patch or foveal_size % patch:
        raise ValueError(
            f'Exemplar size {exemplar_size} and foveal size {foveal_size} '
            f'must be multiples of an even patch size, found {patch}. Change '
            'exemplar.size or tokenizer.foveal_size in the config.'
        )
    offset = (exemplar_size - foveal_size) // 2
    if offset % patch == 0:
        offset += patch // 2
    if offset + foveal_size > exemplar_size:
        raise ValueError(
            f'A foveal window of {foveal_size} px with its lines between '
            f'those of the exemplar does not fit into {exemplar_size} px '
            f'with patches of {patch} px. Make tokenizer.foveal_size smaller.'
        )
    return offset


def patch_boxes(
    offset: int, grid: int, patch: int, size: int, like: Tensor
) -> Tensor:
    """Make the boxes of a square grid of patches, row by row.

    Args:
        offset: First pixel of the grid, per axis.
        grid: Patches per side.
        patch: Side of a patch in pixels.
        size: Side of the crop in pixels, the unit of the result.
        like: A tensor with the wanted dtype and device.

    Returns:
        (grid * grid, 4) xyxy in the unit square of the crop.
    """
    start = offset + patch * torch.arange(grid).to(like)
    y, x = torch.meshgrid(start, start, indexing='ij')
    corner = torch.stack([x, y], dim=-1).flatten(0, 1)
    return torch.cat([corner, corner + patch], dim=-1) / size


def target_ratio(patches: Tensor, bbox: Tensor) -> Tensor:
    """Compute the share of each patch under the target, R_ij of Eq. (7).

    Args:
        patches: (N, 4) xyxy in the unit square of the exemplar.
        bbox: (B, 4) xyxy of the target, in the same unit.

    Returns:
        (B, N) in [0, 1].
    """
    bbox = bbox[:, None]  # (B, 4) -> (B, 1, 4)
    corner = torch.maximum(patches[:, :2], bbox[..., :2])
    opposite = torch.minimum(patches[:, 2:], bbox[..., 2:])
    width, height = (opposite - corner).clamp(min=0).unbind(-1)
    patch_width, patch_height = (patches[:, 2:] - patches[:, :2]).unbind(-1)
    return width * height / (patch_width * patch_height)


class TargetPositionEmbedding(BaseModule):
    """Computes p_e = FCs(i, j, R_ij), Eq. (7).

    The paper leaves the two layers and the input open; both are as in
    the official code: Linear-ReLU-Linear squashed to (-1, 1), fed with
    ((R + 1) / 2, x, y), where (x, y) is the center of the patch.

    Args:
        embed_dims: Channels C of a token.
    """

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.fcs = nn.Sequential(
            nn.Linear(3, embed_dims // 2),
            nn.ReLU(),
            nn.Linear(embed_dims // 2, embed_dims),
        )

    def forward(self, patches: Tensor, bbox: Tensor) -> Tensor:
        """Compute the position embedding of patches for a target.

        Args:
            patches: (N, 4) xyxy in the unit square of the exemplar.
            bbox: (B, 4) xyxy of the target, in the same unit.

        Returns:
            (B, N, C) in (-1, 1).
        """
        ratio = (target_ratio(patches, bbox) + 1) / 2
        center = (patches[:, :2] + patches[:, 2:]) / 2
        center = center.expand(bbox.shape[0], -1, -1)
        # (B, N, 1), (B, N, 2) -> (B, N, 3)
        inputs = torch.cat([ratio[..., None], center], dim=-1)
        return 2 * self.fcs(inputs).sigmoid() - 1


class FovealTokenizer(BaseModule):
    """Cuts an exemplar into exemplar and foveal tokens (Sec. 3.3, Fig. 3).

    Args:
        embed_dims: Channels C of a token.
        patch_size: Side P of a patch in pixels.
        foveal_size: Side of the foveal window in pixels (Sec. 4.1: 64); 0 for
            no window (Table 8).
        target_position: Whether to add p_e of Eq. (7). Without it tokens get
            no position here (Table 8, '+Sim'), and there can be no window.
        as_released: Whether to compute foveal tokens as the official code
            does, where it departs from the paper (docs/en/faq.md): their
            position is the mean of that of two exemplar tokens, and B/32 has
            the center crop. Only released weights need it.

    Raises:
        ValueError: If there is a window, but no position for its tokens.
    """

    def __init__(
        self,
        embed_dims: int,
        patch_size: int,
        foveal_size: int,
        target_position: bool = True,
        as_released: bool = False,
    ) -> None:
        super().__init__()
        if foveal_size and not target_position:
            raise ValueError(
                f'FovealTokenizer: foveal_size is {foveal_size}, but '
                'target_position=False leaves its tokens without a position. '
                'Set tokenizer.foveal_size=0 in the config.'
            )
        self.patch_size = patch_size
        self.foveal_size = foveal_size
        self.target_position = target_position
        self.as_released = as_released
        if target_position:
            self.position = TargetPositionEmbedding(embed_dims)

    def forward(
        self, exemplar: Tensor, bbox: Tensor, patch_embed: nn.Module
    ) -> Tensor:
        """Make the tokens of an exemplar and of its foveal window.

        Args:
            exemplar: (B, 3, S, S), normalized.
            bbox: (B, 4) xyxy of the target in the unit square of the crop.
            patch_embed: The linear projection of the backbone; it embeds
                exemplar, foveal window and search image alike.

        Returns:
            (B, n * n + f * f, C): exemplar tokens, then foveal tokens, with
            their position embedding.
        """
        tokens = patch_embed(exemplar)[0]
        if not self.target_position:
            return tokens
        size, patch = exemplar.shape[-1], self.patch_size
        patches = patch_boxes(0, size // patch, patch, size, bbox)
        position = self.position(patches, bbox)
        tokens = tokens + position
        if not self.foveal_size:
            return tokens
        start = self.foveal_start(size)
        stop = start + self.foveal_size
        foveal = patch_embed(exemplar[..., start:stop, start:stop])[0]
        if self.as_released:
            foveal = foveal + self._mean_of_neighbors(position)
        else:
            grid = self.foveal_size // patch
            patches = patch_boxes(start, grid, patch, size, bbox)
            foveal = foveal + self.position(patches, bbox)
        return torch.cat([tokens, foveal], dim=1)

    def foveal_start(self, size: int) -> int:
        """Compute the first pixel, per axis, of the window in an exemplar.

        Args:
            size: Side of the exemplar in pixels.
        """
        start = foveal_offset(size, self.foveal_size, self.patch_size)
        # The release shifts by half a patch on another condition, which is
        # false for B/32 although its center crop falls on the patch lines.
        border = size - self.foveal_size
        if self.as_released and border % (2 * self.foveal_size):
            return border // 2
        return start

    def _mean_of_neighbors(self, position: Tensor) -> Tensor:
        """Make foveal positions as released: (B, n*n, C) -> (B, f*f, C).

        Token (i, j) gets the mean of its upper left and lower right exemplar
        neighbors.
        """
        n = int(position.shape[1] ** 0.5)
        f = self.foveal_size // self.patch_size
        o = (n - f) // 2
        grid = position.unflatten(1, (n, n))
        upper_left = grid[:, o : o + f, o : o + f]
        lower_right = grid[:, o + 1 : o + f + 1, o + 1 : o + f + 1]
        return ((upper_left + lower_right) / 2).flatten(1, 2)
