"""Files that appear whole or not at all, and text files in every dialect."""

import codecs
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

# Reads a file, which need not lie on the disk: see `datasets/archive.py`.
Reader = Callable[[str | os.PathLike], bytes]


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


@contextmanager
def lock_folder(folder: str | os.PathLike) -> Iterator[None]:
    """Keep other processes out of a folder until the block ends.

    The operating system frees the lock of a process that dies.

    Args:
        folder: Folder to lock; it need not exist.

    Raises:
        RuntimeError: If another process holds the lock; names it.
    """
    import fcntl  # where there is none, the rest of this module works

    path = Path(folder, '.lock')
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'a+', encoding='utf-8') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise RuntimeError(
                f'{folder} is in use by {file.read() or "another process"}. '
                'Wait until it is done, or give another --work-dir.'
            ) from None
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}')
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def read_text(
    path: str | os.PathLike,
    expected: str,
    read: Reader = Path.read_bytes,
) -> str:
    """Read a text file: UTF-8 with or without mark, or UTF-16 with mark.

    Bytes that are no text become U+FFFD, so that whoever parses the text can
    name the line.

    Args:
        path: File to read.
        expected: What should be there, for the error.
        read: Returns the bytes of the file.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    try:
        content = read(Path(path))
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f'{path} is missing. Expected {expected}; check that the archive '
            'was unpacked completely, or correct the path in the config.'
        ) from None
    utf_16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return content.decode('utf-16' if utf_16 else 'utf-8-sig', 'replace')


def read_names(
    path: str | os.PathLike, read: Reader = Path.read_bytes
) -> list[str]:
    """Read one name per line; names may hold spaces.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    text = read_text(path, 'a list of sequences, one name per line', read)
    return [name for line in text.splitlines() if (name := line.strip())]


def read_rows(
    path: str | os.PathLike, read: Reader = Path.read_bytes
) -> list[str]:
    """Read all lines of numbers, with spaces instead of commas.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty.
    """
    text = read_text(path, 'a text file with one line per frame', read)
    if not text.strip():
        raise ValueError(
            f'{path} is empty. Expected one line per frame; '
            'unpack or create the file again.'
        )
    return text.replace(',', ' ').splitlines()


def read_bboxes_xywh(
    path: str | os.PathLike, read: Reader = Path.read_bytes
) -> np.ndarray:
    """Read one box per line: annotations and tracking results.

    Values are separated by commas, tabs, spaces or a mix of them. Blank lines
    are skipped, so the last line may or may not end with a newline.

    Args:
        path: Text file with ``x, y, w, h`` per line. ``NaN`` is a value (some
            benchmarks mark absent targets so), infinity is not.
        read: Returns the bytes of the file.

    Returns:
        (T, 4) float64 xywh.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line does not hold four numbers, or no line does;
            names the file and the line.
    """
    rows = read_rows(path, read)
    try:
        bboxes = np.loadtxt(rows, comments=None, ndmin=2)
    except ValueError:
        bboxes = None
    if bboxes is None or bboxes.shape[1] != 4 or np.isinf(bboxes).any():
        raise ValueError(_first_bad_box(path, rows))
    return bboxes


def read_flags(
    path: str | os.PathLike, read: Reader = Path.read_bytes
) -> np.ndarray:
    """Read one integer per frame: absence, cover, occlusion.

    Args:
        path: Text file with one value per line, or with all values in one
            line (separated like the values of boxes).
        read: Returns the bytes of the file.

    Returns:
        (T,) int64.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a value is not an integer, or several lines hold several
            values each; names the file and the line.
    """
    rows = read_rows(path, read)
    try:
        flags = np.loadtxt(rows, comments=None, ndmin=2)
    except ValueError:
        flags = None
    if (
        flags is None
        or 1 not in flags.shape
        or not np.isfinite(flags).all()
        or (flags != np.round(flags)).any()
    ):
        raise ValueError(_first_bad_flag(path, rows))
    return flags.reshape(-1).astype(np.int64)


def write_bboxes_xywh(
    path: str | os.PathLike, bboxes_xywh: np.ndarray
) -> None:
    """Write ``x,y,w,h`` lines with 4 decimals; never leaves half a file.

    Args:
        path: Text file to create or to replace. Its folder must exist.
        bboxes_xywh: (T, 4).

    Raises:
        ValueError: If the array has another shape.
    """
    bboxes_xywh = np.asarray(bboxes_xywh, dtype=np.float64)
    if bboxes_xywh.ndim != 2 or bboxes_xywh.shape[1] != 4:
        raise ValueError(
            f'{path}: found boxes of shape {bboxes_xywh.shape}, '
            'expected (T, 4). Pass one xywh row per frame.'
        )
    with replace_atomically(path) as temporary:
        np.savetxt(temporary, bboxes_xywh, fmt='%.4f', delimiter=',')


def parse_number(text: str) -> float | None:
    """Return the number as the readers see it, or None if it is none."""
    try:
        return float(np.loadtxt([text], comments=None))
    except ValueError:
        return None


def _first_bad_box(path: str | os.PathLike, rows: list[str]) -> str:
    """Write the error for the first line that is not a box."""
    for number, row in enumerate(rows, start=1):  # noqa: B007
        values = [parse_number(value) for value in row.split()]
        if values and (
            len(values) != 4 or None in values or np.isinf(values).any()
        ):
            break
    return (
        f"{path}, line {number}: found '{row.strip()[:80]}', expected "
        'four numbers x, y, w, h. Correct the line, or unpack or create '
        'the file again.'
    )


def _first_bad_flag(path: str | os.PathLike, rows: list[str]) -> str:
    """Write the error for the first line that is not a flag."""
    lines = [(n, row.split()) for n, row in enumerate(rows, 1) if row.strip()]
    for number, texts in lines:  # noqa: B007
        values = [parse_number(text) for text in texts]
        bad = [
            text
            for text, value in zip(texts, values)
            if value is None or not value.is_integer()
        ]
        if bad or (len(texts) > 1 and len(lines) > 1):
            break
    found = bad[0] if bad else ' '.join(texts)
    return (
        f"{path}, line {number}: found '{found[:80]}', expected one "
        'integer per line, or all integers in one line. Correct the line, '
        'or unpack or create the file again.'
    )
