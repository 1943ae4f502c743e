"""Transforms of pairs."""

from .augment import (
    BrightnessJitter,
    JointChannelPermutation,
    JointGamma,
    JointGray,
    JointTranspose,
    RandomMirror,
)
from .degrade import Blur, Coarsen, ColorJitter, JpegNoise, SensorNoise
from .packing import PackPair
from .paste import ExchangeBackground, PasteObject

__all__ = [
    'Blur',
    'BrightnessJitter',
    'Coarsen',
    'ColorJitter',
    'ExchangeBackground',
    'JointChannelPermutation',
    'JointGamma',
    'JointGray',
    'JointTranspose',
    'JpegNoise',
    'PackPair',
    'PasteObject',
    'RandomMirror',
    'SensorNoise',
]
