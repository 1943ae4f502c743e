"""Weights of other projects, and loading all weights safely.

Importing this package registers how mmengine loads checkpoints.
"""

from .guard import guard
from .load import load_model, load_weights, read_checkpoint, trust_checkpoints
from .rename import FORMATS, unwrap
