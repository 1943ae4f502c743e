"""Measures of one-pass evaluation: numpy in, numpy out."""

from .ope import (
    FrameErrors,
    center_errors,
    curves,
    normalized_center_errors,
    normalized_precision_curve,
    overall_curves,
    overall_scores,
    overlaps,
    precision_curve,
    sequence_scores,
    success_curve,
)
from .profiles import CURVE_SCORES, FRAME_SCORES, Profile, get_profile
from .rules import frame_errors

__all__ = [
    'CURVE_SCORES',
    'FRAME_SCORES',
    'FrameErrors',
    'Profile',
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
