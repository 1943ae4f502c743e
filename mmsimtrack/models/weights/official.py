"""Convert files of official codes to ours and back, nothing left over."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from mmsimtrack.models.weights.guard import compare_names
from mmsimtrack.models.weights.load import read_checkpoint, write_checkpoint
from mmsimtrack.models.weights.rename import (
    DIMS,
    FORMATS,
    Weights,
    convert,
    new_names,
    renamed,
    unwrap,
)


class WrongKeys(KeyError):
    """Raised for names that do not fit; prints as text, unlike `KeyError`."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Official:
    """An official code, whose files are converted whole.

    Args:
        name: Of the tracker.
        layers: What stands before the number of a layer in its names.
        unused: Weights for which our network has no place.
        shapes: Of those which official files must have: (1, tokens, C) by
            name; they become 0 where they are not known.
    """

    name: str
    layers: str
    unused: tuple[str, ...]
    shapes: dict[str, int] = field(default_factory=dict)

    @property
    def table(self) -> dict[str, str]:
        """Our names by official names."""
        return FORMATS[self.name.lower()].table

    def names(self, num_layers: int) -> dict[str, str]:
        """Return our names by official names, without the unused ones."""
        names = []
        for row in self.table:
            parts = ['weight', 'bias']
            if re.match(r'box_head\.conv\d_\w+\.1\.', row):  # BatchNorm
                parts += ['running_mean', 'running_var', 'num_batches_tracked']
            for layer in range(num_layers if '#' in row else 1):
                name = row.replace('#', str(layer))
                names += [name.replace('*', part) for part in parts]
        return new_names(names, self.table)

    def to_ours(self, official: Weights, path: str) -> tuple[Weights, Weights]:
        """Convert official weights to ours.

        Returns:
            Our weights, and those for which our network has no place.

        Raises:
            KeyError: If a weight is missing or unknown.
        """
        self._check(official, self.names(_count(official, self.layers)), path)
        unused = {k: official[k] for k in self.unused if k in official}
        return convert(FORMATS[self.name.lower()], official, path), unused

    def to_official(
        self, ours: Weights, unused: Weights, path: str
    ) -> Weights:
        """Convert our weights to official ones; the inverse of `to_ours`.

        Raises:
            KeyError: If a weight is missing or unknown, also an unused one.
        """
        names = self.names(_count(ours, r'backbone\.layers'))
        self._check(ours | unused, names.values(), path)
        back = {new: old for old, new in self.table.items()}
        weights = renamed(ours, new_names(ours, back), path)
        for name in weights:
            for end, index in DIMS.items():
                if name.endswith(end):
                    index = tuple(i or 0 for i in index)
                    weights[name] = weights[name][index]
        for name, tokens in self.shapes.items():
            width = len(ours['backbone.ln1.weight'])
            weights[name] = torch.zeros(1, tokens, width)
        for name in {*self.unused} - {*weights, *unused}:
            print(f'{name} is not in {path}, so it is left out.')
        return weights | unused

    def convert_file(
        self, src: str, dst: str, reverse: bool, rename: Iterable[str]
    ) -> None:
        """Convert a file from official to ours, or the other way.

        Args:
            src: File to read.
            dst: File to write.
            reverse: From ours to official.
            rename: `OLD=NEW`: names in `src` that begin with OLD begin with
                NEW.

        Raises:
            KeyError: If a weight is missing or unknown.
            ValueError: If `src` cannot be read, or holds no weights.
        """
        checkpoint = read_checkpoint(src)
        weights = unwrap(checkpoint, src)
        for pair in rename:
            old, sign, new = pair.partition('=')
            if not sign:
                raise ValueError(f'--rename {pair}: expected OLD=NEW.')
            cut = len(old)
            names = {
                k: new + k[cut:] if k.startswith(old) else k for k in weights
            }
            weights = renamed(weights, names, src)
        if reverse:
            unused = checkpoint.get('meta', {}).get('unused', {})
            result = {'net': self.to_official(weights, unused, src)}
        else:
            weights, unused = self.to_ours(weights, src)
            result = {'state_dict': weights, 'meta': {'unused': unused}}
        write_checkpoint(result, dst)
        print(f'Converted {len(weights)} tensors: {src} -> {dst}')

    def _check(
        self, weights: Weights, expected: Iterable[str], path: str
    ) -> None:
        """Refuse a set of weights with a name too many or too few.

        BatchNorm's counters and the unused weights may be missing. Where most
        names are unknown, all are listed with their shapes, those of like
        layers once, to find out what they are.

        Raises:
            KeyError: Names what is missing and what is unknown.
        """
        expected, used = sorted(expected), weights.keys() - self.unused
        if 2 * len(used - {*expected}) > len(used):
            like = {}  # of layers that differ by their numbers only
            for name, tensor in weights.items():
                row = re.sub(r'\.\d+(?=\.)', '', name), tuple(tensor.shape)
                like.setdefault(row, []).append(name)
            shapes = [
                f'  {names[0]} {shape}'
                + f', {len(names)} alike' * (len(names) > 1)
                for (_, shape), names in like.items()
            ]
            if len(shapes) > 200:
                shapes[200:] = [f'  ... ({len(weights)} in all)']
            raise WrongKeys(
                f'{path} does not name its weights as {self.name} does, but:\n'
                + '\n'.join(shapes)
                + f'\nExpected names such as {expected[0]}. If only the '
                'beginnings differ, rename them by --rename OLD=NEW.'
            )
        if problem := compare_names(expected, sorted(used)):
            raise WrongKeys(
                f'{path} does not hold a network of {self.name}: {problem}. '
                'Was the file cut, or does it belong to another network? '
                '--rename OLD=NEW changes beginnings.'
            )


def _count(names: Iterable[str], layers: str) -> int:
    """Count the layers of a network."""
    numbers = re.findall(rf'{layers}\.(\d+)\.', ' '.join(names))
    return 1 + max(map(int, numbers), default=0)


SIMTRACK = Official(
    'SimTrack',
    layers=r'backbone\.visual\.transformer\.resblocks',
    # CLIP's projection into the space of texts
    unused=('backbone.visual.proj',),
)
# Of the pre-trained ViT, with their tokens. OSTrack keeps them in its files,
# which must have them, and never uses them.
SHAPES = {'backbone.cls_token': 1, 'backbone.pos_embed': 197}
OSTRACK = Official('OSTrack', r'backbone\.blocks', tuple(SHAPES), SHAPES)
