"""Measures of one-pass evaluation: numpy in, numpy out."""

from .attributes import attribute_scores
from .ope import (
    LIMITS,
    center_errors,
    normalized_center_errors,
    normalized_precision_curve,
    overlaps,
    precision_curve,
    success_curve,
)
from .profiles import (
    CURVE_SCORES,
    FRAME_SCORES,
    KITS,
    SERVER_SCORES,
    Profile,
    get_profile,
)
from .refusal import RefusedFile, RefusedInput
from .rules import frame_errors
from .scores import (
    FrameErrors,
    curves,
    overall_curves,
    overall_scores,
    sequence_scores,
)

__all__ = [
    'CURVE_SCORES',
    'FRAME_SCORES',
    'KITS',
    'LIMITS',
    'SERVER_SCORES',
    'FrameErrors',
    'Profile',
    'RefusedFile',
    'RefusedInput',
    'attribute_scores',
    'center_errors',
    'curves',
    'frame_errors',
    'get_profile',
    'normalized_center_errors',
    'normalized_precision_curve',
    'overall_curves',
    'overall_scores',
    'overlaps',
    'precision_curve',
    'sequence_scores',
    'success_curve',
]
