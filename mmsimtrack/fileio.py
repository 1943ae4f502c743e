"""Files that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_atomically(path: str | os.PathLike) -> Iterator[Path]:
    """Let the caller write a file that appears only once it is complete.

    Args:
        path: File to create or to replace, or folder to create.

    Yields:
        A temporary path in the same folder, to be written inside the block.
        It moves to ``path`` when the block ends, and is deleted if the block
        raises.
    """
    path = Path(path)
    # the suffix stays last: some writers choose the format by it
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
