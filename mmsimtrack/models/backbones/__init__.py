"""Backbones under one contract: `embed_exemplar` and `forward`."""

from .joint_vit import JointViT

__all__ = ['JointViT']
