"""Weights of other projects, and loading all weights safely.

Importing this package registers how mmengine loads checkpoints.
"""

from .files import read_checkpoint, trust_checkpoints
from .formats import FORMATS, load_weights
from .guard import guard
from .keys import check_keys, numbered, unwrap
from .vit import clip_vit_names

__all__ = [
    'FORMATS',
    'check_keys',
    'clip_vit_names',
    'guard',
    'load_weights',
    'numbered',
    'read_checkpoint',
    'trust_checkpoints',
    'unwrap',
]
