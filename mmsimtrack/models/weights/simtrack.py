"""Convert official SimTrack files to ours and back, nothing left over."""

import re
from collections.abc import Callable, Iterable

from mmsimtrack.models.weights.guard import compare_names
from mmsimtrack.models.weights.load import read_checkpoint, write_checkpoint
from mmsimtrack.models.weights.rename import (
    DIMS,
    FORMATS,
    SIMTRACK,
    Table,
    Weights,
    convert,
    new_names,
    renamed,
    unwrap,
)

UNUSED = 'backbone.visual.proj'  # CLIP's projection into the space of texts


class WrongKeys(KeyError):
    """Raised for names that do not fit; prints as text, unlike `KeyError`."""

    def __str__(self) -> str:
        return str(self.args[0])


def simtrack_names(num_layers: int, table: Table = SIMTRACK) -> dict[str, str]:
    """Return our names by official names, without the unused one."""
    names = []
    for row in table:
        parts = ['weight', 'bias']
        if re.match(r'box_head\.conv\d_\w+\.1\.', row):  # BatchNorm
            parts += ['running_mean', 'running_var', 'num_batches_tracked']
        for layer in range(num_layers if '#' in row else 1):
            name = row.replace('#', str(layer))
            names += [name.replace('*', part) for part in parts]
    return new_names(names, table)


def to_ours(official: Weights, path: str) -> tuple[Weights, Weights]:
    """Convert official weights to ours.

    Returns:
        Our weights, and those for which our network has no place.

    Raises:
        KeyError: If a weight is missing or unknown.
    """
    names = simtrack_names(_num_layers(official, r'\.resblocks\.(\d+)\.'))
    _check(official, names, path)
    unused = {k: t for k, t in official.items() if k == UNUSED}
    return convert(FORMATS['simtrack'], official, path), unused


def to_official(ours: Weights, unused: Weights, path: str) -> Weights:
    """Convert our weights to official ones; the inverse of `to_ours`.

    Raises:
        KeyError: If a weight is missing or unknown, also an unused one.
    """
    names = simtrack_names(_num_layers(ours, r'backbone\.layers\.(\d+)\.'))
    _check(ours | unused, names.values(), path)
    back = new_names(ours, {new: old for old, new in SIMTRACK.items()})
    weights = renamed(ours, back, path)
    for name in weights:
        for end, index in DIMS.items():
            if name.endswith(end):
                weights[name] = weights[name][tuple(i or 0 for i in index)]
    return weights | unused


def _num_layers(names: Iterable[str], pattern: str) -> int:
    found = (re.search(pattern, name) for name in names)
    return 1 + max((int(match[1]) for match in found if match), default=0)


def _check(weights: Weights, expected: Iterable[str], path: str) -> None:
    """Refuse a set of weights with a name too many or too few.

    BatchNorm's counters and CLIP's projection may be missing. Where most names
    are unknown, all are listed with their shapes, to find out what they are.

    Raises:
        KeyError: Names what is missing and what is unknown.
    """
    expected = sorted({*expected, UNUSED})
    if 2 * len(weights.keys() - expected) > len(weights):
        shapes = [f'  {k} {tuple(t.shape)}' for k, t in weights.items()]
        if len(shapes) > 20:
            shapes[20:] = [f'  ... ({len(shapes)} in all)']
        raise WrongKeys(
            f'{path} does not name its weights as SimTrack does, but:\n'
            + '\n'.join(shapes)
            + f'\nExpected names such as {expected[0]}. If only the '
            'beginnings differ, rename them by --rename OLD=NEW.'
        )
    if problem := compare_names(expected, sorted(weights), new=(UNUSED,)):
        raise WrongKeys(
            f'{path} does not hold a SimTrack network: {problem}. Was the '
            'file cut, or does it belong to another network? --rename '
            'OLD=NEW changes beginnings.'
        )


def convert_file(
    src: str,
    dst: str,
    reverse: bool,
    rename: Iterable[str] = (),
    functions: tuple[Callable, Callable] = (to_ours, to_official),
) -> None:
    """Convert a file from official to ours, or the other way.

    Args:
        src: File to read.
        dst: File to write.
        reverse: From ours to official.
        rename: `OLD=NEW`: names in `src` that begin with OLD begin with NEW.
        functions: `to_ours` and `to_official` of the tracker.

    Raises:
        KeyError: If a weight is missing or unknown.
        ValueError: If `src` cannot be read, or holds no weights.
    """
    checkpoint = read_checkpoint(src)
    weights = unwrap(checkpoint, src)
    for pair in rename:
        old, _, new = pair.partition('=')
        names = {
            k: new + k.removeprefix(old) if k.startswith(old) else k
            for k in weights
        }
        weights = renamed(weights, names, src)
    if reverse:
        unused = checkpoint.get('meta', {}).get('unused', {})
        result = {'net': functions[1](weights, unused, src)}
        if not unused and functions[1] is to_official:
            print(f'{UNUSED} is not in {src}, so it is left out.')
    else:
        weights, unused = functions[0](weights, src)
        result = {'state_dict': weights, 'meta': {'unused': unused}}
    write_checkpoint(result, dst)
    print(f'Converted {len(weights)} tensors: {src} -> {dst}')
