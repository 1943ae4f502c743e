"""Input that a kit does not accept."""

import os


class RefusedInput(ValueError):
    """Input that the rules of a kit refuse.

    Args:
        name: The sequence.
        part: What is wrong: ``'result'``, ``'annotation'`` or
            ``'visibility'``.
        reason: What was found and expected, and the fix.
        row: Which row is wrong, from 0. None: no single one.
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
        """The result has the wrong number of rows."""
        return cls(
            name,
            'result',
            f'found {found} rows in the result, expected {expected}, one per '
            'annotated frame. Track the sequence again.',
        )


class RefusedFile(ValueError):
    """A file that cannot be scored.

    Args:
        path: The file.
        reason: What was found and expected, and the fix.
    """

    def __init__(self, path: str | os.PathLike, reason: str) -> None:
        # messages of readers start with the path
        reason = ' '.join(reason.removeprefix(str(path)).lstrip(', ').split())
        super().__init__(f'{path}: {reason}')
