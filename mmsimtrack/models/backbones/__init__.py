"""Backbones under one contract: `embed_exemplar` and `forward`."""

from .joint_pvt import JointPVT
from .joint_swin import JointSwin
from .joint_vit import JointViT
from .one_way_vit import OneWayViT
from .siamese import Siamese

__all__ = [
    'JointPVT',
    'JointSwin',
    'JointViT',
    'OneWayViT',
    'Siamese',
]
