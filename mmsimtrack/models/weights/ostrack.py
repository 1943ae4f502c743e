"""Official OSTrack files into ours and back, with nothing left over."""

import re
from collections.abc import Iterable

import torch

from mmsimtrack.models.weights.guard import compare_names
from mmsimtrack.models.weights.rename import (
    FORMATS,
    OSTRACK,
    Weights,
    convert,
    new_names,
    renamed,
)
from mmsimtrack.models.weights.simtrack import WrongKeys, simtrack_names

# Of the pre-trained ViT, with their tokens. OSTrack keeps them in its files,
# which must have them, and never uses them.
UNUSED = {'backbone.cls_token': 1, 'backbone.pos_embed': 197}


def to_ours(official: Weights, path: str) -> tuple[Weights, Weights]:
    """Convert official weights to ours.

    Returns:
        Our weights, and those for which our network has no place.

    Raises:
        KeyError: If a weight is missing or unknown.
    """
    unused = {name: official[name] for name in UNUSED if name in official}
    used = {k: t for k, t in official.items() if k not in unused}
    _check(used, _names(used, 'blocks'), path)
    return convert(FORMATS['ostrack'], used, path), unused


def to_official(ours: Weights, unused: Weights, path: str) -> Weights:
    """Convert our weights to official ones; the inverse of `to_ours`.

    Unused weights that are not known become 0.

    Raises:
        KeyError: If a weight is missing or unknown.
    """
    _check(ours, _names(ours, 'layers').values(), path)
    back = new_names(ours, {new: old for old, new in OSTRACK.items()})
    width = len(ours['backbone.ln1.weight'])
    empty = {
        name: torch.zeros(1, tokens, width) for name, tokens in UNUSED.items()
    }
    return renamed(ours, back, path) | empty | unused


def _names(weights: Iterable[str], layers: str) -> dict[str, str]:
    """Official names -> ours, for as many layers as there are."""
    found = re.findall(rf'backbone\.{layers}\.(\d+)\.', ' '.join(weights))
    return simtrack_names(1 + max(map(int, found), default=0), OSTRACK)


def _check(weights: Weights, expected: Iterable[str], path: str) -> None:
    """Refuse a set of weights with a name too many or too few.

    BatchNorm's counters may be missing.

    Raises:
        KeyError: Names what is missing and what is unknown.
    """
    if problem := compare_names(sorted(expected), sorted(weights)):
        raise WrongKeys(
            f'{path} does not hold an OSTrack network: {problem}. Was the '
            'file cut, or does it belong to another network? --rename '
            'OLD=NEW changes beginnings.'
        )
