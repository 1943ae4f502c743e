"""Scores as the public evaluation kits compute them: numpy in, numpy out."""

from .profiles import KITS, Profile, get_profile
from .refusal import RefusedFile, RefusedInput, refusing
from .rules import frame_errors
from .scores import (
    LIMITS,
    FrameErrors,
    attribute_scores,
    overall_curves,
    overall_scores,
    sequence_scores,
)
