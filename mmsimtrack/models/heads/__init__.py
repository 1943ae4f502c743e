"""Heads: from the search feature to a box."""

from .center_head import CenterHead, gaussian_target
from .corner_head import CornerHead, soft_argmax
