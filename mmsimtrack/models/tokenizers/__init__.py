"""Cut crops into tokens."""

from .foveal import (
    FovealTokenizer,
    TargetPositionEmbedding,
    foveal_offset,
    patch_boxes,
    target_ratio,
)

__all__ = ['FovealTokenizer', 'TargetPositionEmbedding', 'foveal_offset']
__all__ += ['patch_boxes', 'target_ratio']
