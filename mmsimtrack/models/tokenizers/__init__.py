"""Cut crops into tokens."""

from .foveal import (
    FovealTokenizer,
    TargetPositionEmbedding,
    foveal_offset,
    patch_boxes,
    target_ratio,
)
