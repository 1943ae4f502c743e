"""Backbones under one contract: `embed_exemplar` and `forward`."""

from .clip_weights import convert_clip, load_clip
from .joint_vit import JointViT

__all__ = ['JointViT', 'convert_clip', 'load_clip']
