"""Official OSTrack files into ours and back, with nothing left over."""

import re

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
    _check(used, False, path)
    return convert(FORMATS['ostrack'], used, path), unused


def to_official(ours: Weights, unused: Weights, path: str) -> Weights:
    """Convert our weights to official ones; the inverse of `to_ours`.

    Unused weights that are not known become 0.

    Raises:
        KeyError: If a weight is missing or unknown.
    """
    _check(ours, True, path)
    back = new_names(ours, {new: old for old, new in OSTRACK.items()})
    width = len(ours['backbone.ln1.weight'])
    empty = {
        name: torch.zeros(1, tokens, width) for name, tokens in UNUSED.items()
    }
    return renamed(ours, back, path) | empty | unused


def _check(weights: Weights, ours: bool, path: str) -> None:
    """Refuse a set of weights with a name too many or too few.

    BatchNorm's counters may be missing.

    Args:
        weights: All but the unused ones.
        ours: Whether they have our names.
        path: Of the file.

    Raises:
        KeyError: Names what is missing and what is unknown.
    """
    layers = rf'backbone\.{"layers" if ours else "blocks"}\.(\d+)\.'
    numbers = map(int, re.findall(layers, ' '.join(weights)))
    names = simtrack_names(1 + max(numbers, default=0), OSTRACK)
    expected = sorted(names.values() if ours else names)
    if problem := compare_names(expected, sorted(weights)):
        raise WrongKeys(
            f'{path} does not hold an OSTrack network: {problem}. Was the '
            'file cut, or does it belong to another network? --rename '
            'OLD=NEW changes beginnings.'
        )
