"""Heads: from the search feature to a box."""

from .corner_head import CornerHead, soft_argmax

__all__ = ['CornerHead', 'soft_argmax']
