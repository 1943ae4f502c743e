"""Errors for input that cannot be scored."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


class RefusedInput(ValueError):
    """The rules of a kit refuse the boxes or flags of a sequence.

    Args:
        name: The sequence.
        part: What is wrong: ``'result'``, ``'annotation'`` or
            ``'visibility'``.
        reason: What was found and expected, and the fix.
        row: Which row is wrong, counted from 0. None: no single one.
    """

    def __init__(
        self, name: str, part: str, reason: str, row: int | None = None
    ) -> None:
        where = '' if row is None else f', row {row + 1} of the {part}'
        super().__init__(f"sequence '{name}'{where}: {reason}")
        self.part = part
        self.reason = reason
        self.row = row

    @classmethod
    def length(cls, name: str, found: int, expected: int) -> 'RefusedInput':
        """Make the error for a result with the wrong number of rows."""
        reason = f'found {found} rows in the result, expected {expected}, one '
        fix = 'per annotated frame. Track the sequence again.'
        return cls(name, 'result', reason + fix)


class RefusedFile(ValueError):
    """A file or folder cannot be scored.

    Args:
        path: The file or folder.
        reason: What was found and expected, and the fix.
    """

    def __init__(self, path: str | os.PathLike, reason: str) -> None:
        # messages of readers start with the path
        reason = ' '.join(reason.removeprefix(str(path)).lstrip(', ').split())
        super().__init__(f'{path}: {reason}')


@contextmanager
def refusing(path: str | os.PathLike) -> Iterator[None]:
    """Let a file that cannot be read be refused by its name.

    Raises:
        RefusedFile: Instead of what a reader raises inside the block.
    """
    try:
        yield
    except RefusedFile:
        raise
    except (OSError, ValueError) as error:
        raise RefusedFile(path, str(error)) from None
