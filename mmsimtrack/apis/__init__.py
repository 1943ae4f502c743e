"""Tracking in a few lines."""

from .sot_inferencer import SOTInferencer, TrackedFrame
from .sources import open_source
from .zoo import find_model, get_model, list_models

__all__ = [
    'SOTInferencer',
    'TrackedFrame',
    'find_model',
    'get_model',
    'list_models',
    'open_source',
]
