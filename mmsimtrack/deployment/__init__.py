"""Export of trackers for programs without mmsimtrack or without torch."""

from .export import export

__all__ = ['export']
