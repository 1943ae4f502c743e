"""Files that appear whole or not at all, and text files in every dialect."""

import codecs
import errno
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

import numpy as np

from mmsimtrack.structures.bbox import LARGEST

PathLike = str | os.PathLike
# Reads a file, which need not lie on the disk: see `datasets/archive.py`.
Reader = Callable[[str | os.PathLike], bytes]
# errors of a disk, which do not say where it is
OF_DISK = errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC


@contextmanager
def replace_atomically(
    path: PathLike, is_folder: bool = False
) -> Iterator[Path]:
    """Let the caller write a file that appears only once it is complete.

    Args:
        path: File to create or to replace, or folder to create. The folders
            around it need not exist.
        is_folder: Whether it is a folder.

    Yields:
        An empty file or folder beside it, to be written inside the block.
        It moves to ``path`` when the block ends, and is deleted if the block
        raises.
    """
    path = Path(path)
    # the suffix stays last: some writers choose the format by it
    end = f'-{socket.gethostname()}{path.suffix}'
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}{end}')
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, escape(path.stem), path.suffix)
    remove(temporary)
    try:
        with naming_disk(path):
            # by nobody else in between, so that no link is followed
            make = Path.mkdir if is_folder else Path.touch
            make(temporary, exist_ok=False)
            yield temporary
            os.replace(temporary, path)
    finally:
        remove(temporary)


def write_text(path: PathLike, text: str) -> None:
    """Write or replace a text file; never leaves half of it."""
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def write_json(path: PathLike, content, indent: int | None = 2) -> None:
    """Write or replace a JSON file; never leaves half of it."""
    write_text(path, json.dumps(content, indent=indent) + '\n')


@contextmanager
def naming_disk(path: PathLike) -> Iterator[None]:
    """Let the error of a full or broken disk say what was written there."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in OF_DISK:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def sweep(folder: Path, stem: str, suffix: str) -> None:
    """Remove what killed processes of this machine left half written.

    Args:
        folder: Folder of the files.
        stem: Pattern of their names without suffix.
        suffix: Suffix of their names.
    """
    end = f'-{socket.gethostname()}{suffix}'
    pattern = f'.{stem}.[0-9]*{escape(end)}'
    # torch downloads into a file beside the one that it is given
    for left in (*folder.glob(pattern), *folder.glob(f'{pattern}.*.partial')):
        pid = left.name.rpartition(end)[0].rpartition('.')[2]
        if pid.isdecimal() and not is_alive(int(pid)):
            remove(left)


def remove(path: PathLike) -> None:
    """Remove a file, link or folder, if there is one."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Tell whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except (OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        pass  # somebody else's
    return True


@contextmanager
def lock_folder(folder: PathLike, wait: bool = False) -> Iterator[None]:
    """Keep other processes out of a folder until the block ends.

    The operating system frees the lock of a process that dies.

    Args:
        folder: Folder to lock; it need not exist.
        wait: Whether to wait until no other process holds the lock.

    Raises:
        RuntimeError: If another process holds the lock; names it.
    """
    import fcntl  # where there is none, the rest of this module works

    path = Path(folder, '.lock')
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'a+', encoding='utf-8') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
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


def read_file(path: PathLike) -> bytes:
    """Read a file on the disk; a pipe, which would hang, counts as empty."""
    flag = getattr(os, 'O_NONBLOCK', 0)
    opener = lambda path, flags: os.open(path, flags | flag)  # noqa: E731
    with open(path, 'rb', opener=opener) as file:
        return file.read() or b''


def read_text(path: PathLike, expected: str, read: Reader = read_file) -> str:
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


def read_names(path: PathLike, read: Reader = read_file) -> list[str]:
    """Read one name per line; names may hold spaces.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    text = read_text(path, 'a list of sequences, one name per line', read)
    return [name for line in text.splitlines() if (name := line.strip())]


def read_rows(path: PathLike, read: Reader = read_file) -> list[str]:
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


def parse_rows(
    path: PathLike,
    rows: list[str],
    width: int,
    expected: str,
    usecols: Sequence[int] | None = None,
    unit: str = 'line',
    is_bad: Callable[[np.ndarray], np.ndarray] = lambda x: abs(x) > LARGEST,
) -> np.ndarray:
    """Parse rows of numbers; blank ones are skipped.

    Args:
        path: File that the rows come from, for the error.
        rows: Texts with numbers between spaces.
        width: How many numbers a row holds.
        expected: What a row should hold, for the error.
        usecols: Columns to read, if not all.
        unit: What a row is in the file, for the error.
        is_bad: Says which numbers of an array cannot be.

    Returns:
        (N, width) float64.

    Raises:
        ValueError: If a row cannot be parsed; names the first such row.
    """

    def parse(some: list[str]) -> np.ndarray | None:
        with suppress(ValueError):
            table = np.loadtxt(some, comments=None, usecols=usecols, ndmin=2)
            if table.shape[1] == width and not is_bad(table).any():
                return table
        return None

    table = parse(rows)
    if table is None:
        number, row = next(
            (number, row.strip())
            for number, row in enumerate(rows, start=1)
            if row.strip() and parse([row]) is None
        )
        raise ValueError(
            f"{path}, {unit} {number}: found '{row[:80]}', expected "
            f'{expected}. Correct the {unit}, or unpack or create the file '
            'again.'
        )
    return table


def read_bboxes_xywh(path: PathLike, read: Reader = read_file) -> np.ndarray:
    """Read one box per line: annotations and tracking results.

    Values are separated by commas, tabs, spaces or a mix of them. Blank lines
    are skipped, so the last line may or may not end with a newline.

    Args:
        path: Text file with ``x, y, w, h`` per line. ``NaN`` is a value (some
            benchmarks mark absent targets so), infinity is not, nor is what
            lies beyond any frame.
        read: Returns the bytes of the file.

    Returns:
        (T, 4) float64 xywh.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line does not hold four numbers, or no line does;
            names the file and the line.
    """
    rows = read_rows(path, read)
    return parse_rows(path, rows, 4, 'four numbers x, y, w, h')


def read_flags(path: PathLike, read: Reader = read_file) -> np.ndarray:
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
            values each; names the file and the line or the value.
    """
    rows, unit = read_rows(path, read), 'line'
    if sum(map(bool, map(str.strip, rows))) == 1:
        rows, unit = ' '.join(rows).split(), 'value'
    flags = parse_rows(
        path,
        rows,
        1,
        'one integer per line, or all integers in one line',
        unit=unit,
        is_bad=lambda x: ~np.isfinite(x) | (x != np.round(x)),
    )
    return flags[:, 0].astype(np.int64)


def write_bboxes_xywh(path: PathLike, bboxes_xywh: np.ndarray) -> None:
    """Write ``x,y,w,h`` lines with 4 decimals; never leaves half a file.

    Args:
        path: Text file to create or to replace.
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


def read_config(path: PathLike):
    """Read a config file, whose errors then say which file they are in.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read.
    """
    from mmengine.config import Config

    import mmsimtrack.registry  # noqa: F401, refuses tags of YAML

    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'{path} is {"a folder" if os.path.isdir(path) else "missing"}, '
            'expected a config file. `mmsimtrack models NAME` tells where '
            'that of a model lies.'
        )
    try:
        cfg = Config.fromfile(path)
        cfg.items()  # imports what a config of the new style names
        return cfg
    except Exception as error:  # a config is a program
        text = str(error).replace('\n', ' ')[:300]
        raise ValueError(
            f'{path} cannot be read as a config: {type(error).__name__}: '
            f'{text}. Correct it, or the files that it inherits from; '
            'docs/en/config.md says what a config may hold.'
        ) from error
