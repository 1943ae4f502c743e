"""Names of weights: unwrapping, selecting and checking them."""

import re
from collections.abc import Iterable, Iterator

from torch import Tensor

PARTS = ('weight', 'bias')
NORM_PARTS = (*PARTS, 'running_mean', 'running_var')


class WrongKeys(KeyError):
    """Names that do not fit; unlike a `KeyError`, it prints as text."""

    def __str__(self) -> str:
        return str(self.args[0])


def unwrap(
    checkpoint: dict, path: str, wrappers: tuple[str, ...]
) -> dict[str, Tensor]:
    """The weights in a checkpoint, without wrappers and `module.`.

    Args:
        checkpoint: What was read from a file.
        path: Of the file, for error messages.
        wrappers: Keys under which a training keeps its weights, outermost
            first; those that are not there are passed over.

    Raises:
        ValueError: If there are no tensors under names.
        KeyError: If two names are the same without `module.`.
    """
    weights = checkpoint
    for wrapper in wrappers:
        if isinstance(weights.get(wrapper), dict):
            weights = weights[wrapper]
    named = all(
        isinstance(name, str) and isinstance(tensor, Tensor)
        for name, tensor in weights.items()
    )
    if not weights or not named:
        keys = ', '.join(str(key) for key in list(weights)[:10])
        raise ValueError(
            f'{path} holds the keys {keys or "(none)"}. Expected tensors '
            f'under their names, or such a dict under '
            f'{" or ".join(wrappers)}: is it a file of another format?'
        )
    return _strip(weights, 'module.', path)


def part(
    weights: dict[str, Tensor],
    prefix: str,
    path: str,
    others: tuple[str, ...] = (),
) -> dict[str, Tensor]:
    """The weights under a prefix, without it; all if none has the prefix.

    What belongs to nobody stays, so that `check_keys` names it.

    Args:
        weights: Of a larger network.
        prefix: Of the names to keep.
        path: Of the file, for error messages.
        others: How the names of the parts to leave out begin.

    Raises:
        KeyError: If two names are the same without the prefix.
    """
    if not any(name.startswith(prefix) for name in weights):
        return weights
    return _strip(without(weights, others), prefix, path)


def _strip(
    weights: dict[str, Tensor], prefix: str, path: str
) -> dict[str, Tensor]:
    stripped = {name.removeprefix(prefix): t for name, t in weights.items()}
    if len(stripped) < len(weights):
        double = [k for k in stripped if {k, prefix + k} <= set(weights)]
        raise WrongKeys(
            f'{path} holds weights with and without {prefix!r}: '
            f'{shorten(double)}. Expected each weight once.'
        )
    return stripped


def without(
    weights: dict[str, Tensor], others: tuple[str, ...]
) -> dict[str, Tensor]:
    """The weights but those whose names begin with one of `others`."""
    return {k: t for k, t in weights.items() if not k.startswith(others)}


def numbered(keys: Iterable[str], pattern: str) -> int:
    """How many layers or stages the keys speak of.

    Args:
        keys: Names of weights.
        pattern: Regular expression whose first group is a number from 0.
    """
    found = (re.match(pattern, key) for key in keys)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def with_parts(
    modules: dict[str, str], parts: tuple[str, ...] = PARTS
) -> Iterator[tuple[str, str]]:
    """Names of modules, here and there -> those of their parameters."""
    for theirs, ours in modules.items():
        for name in parts:
            yield f'{theirs}.{name}', f'{ours}.{name}'


def check_keys(
    found: Iterable[str],
    expected: Iterable[str],
    path: str,
    network: str,
    optional: Iterable[str] = (),
) -> None:
    """Refuse a checkpoint with a key too many or too few, by name.

    Raises:
        KeyError: If the sets differ in more than what is optional.
    """
    found, expected = set(found), set(expected)
    missing = sorted(expected - found)
    unknown = sorted(found - expected - set(optional))
    if missing or unknown:
        raise WrongKeys(
            f'{path} does not hold {network}: missing {shorten(missing)}, '
            f'unknown {shorten(unknown)}. Expected exactly the '
            f'{len(expected)} keys of a network with this many layers; was '
            'the file cut, or does it belong to another network?'
        )


def shorten(names: list[str], limit: int = 10) -> str:
    """The first few of a list of names, and how many more there are."""
    more = len(names) - limit
    return f'{names[:limit]}' + (f' and {more} more' if more > 0 else '')
