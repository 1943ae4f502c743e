"""Functions that the pyramid backbones, Swin and PVT, share (Sec. 4.3)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmsimtrack.models.tokenizers import TargetPositionEmbedding, patch_boxes


def join_last_stages(third: Tensor, fourth: Tensor) -> Tensor:
    """Make the search feature of a pyramid from its last two stages.

    The paper leaves open which stage feeds the head. All stages run here, so
    that no pre-trained block is lost, and the last two join at the stride of
    the third, 16, which is that of Sim-B/16: the fourth alone would have 7x7
    cells, and "too small output size has a negative effect" (Sec. 4.1). The
    head's bottleneck mixes them.

    Args:
        third: (B, C3, h, w).
        fourth: (B, C4, h / 2, w / 2).

    Returns:
        (B, C3 + C4, h, w).
    """
    fourth = F.interpolate(fourth, third.shape[-2:], mode='bilinear')
    return torch.cat([third, fourth], dim=1)


def target_position(
    embedding: TargetPositionEmbedding,
    exemplar: Tensor,
    bbox: Tensor,
    patch: int,
) -> Tensor:
    """Compute p_e of Eq. (7) for the patches of an exemplar.

    There is no foveal window. It makes up for patches that split the target
    (Sec. 3.3), with lines halfway between theirs; the patches of a pyramid
    have 4 px at first and double from stage to stage, and what is half a patch
    in one stage is whole patches in all stages before: no window fits all.

    Args:
        embedding: The two layers of Eq. (7).
        exemplar: (B, 3, S, S).
        bbox: (B, 4) xyxy of the target in the unit square of the crop.
        patch: Side of a patch in pixels. The last patches may stick out.

    Returns:
        (B, N, C) in (-1, 1).
    """
    size = exemplar.shape[-1]
    grid = -(-size // patch)
    return embedding(patch_boxes(0, grid, patch, size, bbox), bbox)
