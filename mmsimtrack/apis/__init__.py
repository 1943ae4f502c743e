"""Tracking in a few lines."""

from .sot_inferencer import SOTInferencer, TrackedFrame
from .sources import open_source

__all__ = ['SOTInferencer', 'TrackedFrame', 'open_source']
