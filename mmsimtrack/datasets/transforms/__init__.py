"""Transforms that change training pairs."""

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
