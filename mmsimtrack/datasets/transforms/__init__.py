"""Transforms of pairs."""

from .augment import (
    BrightnessJitter,
    JointChannelPermutation,
    JointGray,
    JointTranspose,
    RandomMirror,
)
from .packing import PackPair

__all__ = [
    'BrightnessJitter',
    'JointChannelPermutation',
    'JointGray',
    'JointTranspose',
    'PackPair',
    'RandomMirror',
]
