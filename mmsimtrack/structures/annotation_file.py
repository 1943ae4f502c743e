"""Text files of boxes and of per-frame flags, in every dialect in use."""

import os

import numpy as np
from mmengine import fileio

from mmsimtrack.fileio import replace_atomically
from mmsimtrack.structures.bbox import xyxy_to_xywh


def read_bboxes_xywh(
    path: str | os.PathLike, backend_args: dict | None = None
) -> np.ndarray:
    """Read one box per line: annotations and tracking results.

    Values are separated by commas, tabs, spaces or a mix of them. Blank lines
    are skipped, so the last line may or may not end with a newline.

    Args:
        path: Text file with ``x, y, w, h`` per line. ``NaN`` is a value (some
            benchmarks mark absent targets so), infinity is not.
        backend_args: Of mmengine's file backend.

    Returns:
        (T, 4) float64 xywh.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line does not hold four numbers, or no line does;
            names the file and the line.
    """
    lines = _read_lines(path, backend_args)
    try:
        bboxes = np.loadtxt(lines, comments=None, ndmin=2)
    except ValueError:
        bboxes = None
    if bboxes is None or bboxes.shape[1] != 4 or np.isinf(bboxes).any():
        raise ValueError(_first_bad_box(path, lines))
    return bboxes


def read_flags(
    path: str | os.PathLike, backend_args: dict | None = None
) -> np.ndarray:
    """Read one integer per frame: absence, cover, occlusion.

    Args:
        path: Text file with one value per line, or with all values in one
            line (separated like the values of boxes).
        backend_args: Of mmengine's file backend.

    Returns:
        (T,) int64.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a value is not an integer, or several lines hold several
            values each; names the file and the line.
    """
    lines = _read_lines(path, backend_args)
    try:
        flags = np.loadtxt(lines, comments=None, ndmin=2)
    except ValueError:
        flags = None
    if (
        flags is None
        or 1 not in flags.shape
        or not np.isfinite(flags).all()
        or (flags != np.round(flags)).any()
    ):
        raise ValueError(_first_bad_flag(path, lines))
    return flags.reshape(-1).astype(np.int64)


def read_nfs_xywh(
    path: str | os.PathLike, backend_args: dict | None = None
) -> np.ndarray:
    """Read an official file of NfS, as boxes at 30 frames per second.

    Args:
        path: Text file with ``id x1 y1 x2 y2 frame ...`` per line, 240 lines
            per second, of which every eighth is taken.
        backend_args: Of mmengine's file backend.

    Returns:
        (T, 4) float64 xywh.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If one of the first six values of a line is not a number;
            names the file and the line.
    """
    boxes = []
    for number, line in enumerate(_read_lines(path, backend_args), start=1):
        values = [_parse(value) for value in line.split()[:6]]
        if values and (len(values) < 6 or None in values):
            raise ValueError(
                f"{path}, line {number}: found '{line.strip()[:80]}', "
                'expected id, x1, y1, x2, y2, frame. Correct the line, or '
                'unpack the file again.'
            )
        boxes += [values[1:5]] if values else []
    return xyxy_to_xywh(boxes[::8])


def read_labels(
    path: str, num_boxes: int, backend_args: dict | None = None
) -> np.ndarray:
    """(num_boxes,) bool from a file of flags: which are above 0.

    Raises:
        ValueError: If there is not one value per box.
    """
    flags = read_flags(path, backend_args)
    if len(flags) != num_boxes:
        raise ValueError(
            f'{path} has {len(flags)} values, but groundtruth.txt beside it '
            f'has {num_boxes} boxes. Expected one value per box; unpack the '
            'sequence again.'
        )
    return flags > 0


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


def _read_lines(
    path: str | os.PathLike, backend_args: dict | None
) -> list[str]:
    """All lines, with spaces instead of commas."""
    try:
        content = fileio.get(path, backend_args)
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path} is missing. Expected a text file with one line per '
            'frame; check that the archive was unpacked completely.'
        ) from None
    # undecodable bytes are reported later, with their line
    text = content.decode('utf-8-sig', errors='replace')
    if not text.strip():
        raise ValueError(
            f'{path} is empty. Expected one line per frame; '
            'unpack or create the file again.'
        )
    return text.replace(',', ' ').splitlines()


def _first_bad_box(path: str | os.PathLike, lines: list[str]) -> str:
    """Error message for the first line that is not a box."""
    for number, line in enumerate(lines, start=1):  # noqa: B007
        values = [_parse(value) for value in line.split()]
        if values and (
            len(values) != 4 or None in values or np.isinf(values).any()
        ):
            break
    return (
        f"{path}, line {number}: found '{line.strip()[:80]}', expected "
        'four numbers x, y, w, h. Correct the line, or unpack or create '
        'the file again.'
    )


def _first_bad_flag(path: str | os.PathLike, lines: list[str]) -> str:
    """Error message for the first line that is not a flag."""
    rows = [
        (number, line.split())
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    for number, texts in rows:  # noqa: B007
        values = [_parse(text) for text in texts]
        bad = [
            text
            for text, value in zip(texts, values)
            if value is None or not value.is_integer()
        ]
        if bad or (len(texts) > 1 and len(rows) > 1):
            break
    found = bad[0] if bad else ' '.join(texts)
    return (
        f"{path}, line {number}: found '{found[:80]}', expected one "
        'integer per line, or all integers in one line. Correct the line, '
        'or unpack or create the file again.'
    )


def _parse(text: str) -> float | None:
    """The number as the readers see it, or None where they refuse it."""
    try:
        return float(np.loadtxt([text], comments=None))
    except ValueError:
        return None
