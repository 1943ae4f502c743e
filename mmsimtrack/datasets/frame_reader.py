"""Read the frames of a video, one ahead of the other."""

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from mmengine import fileio
from PIL import Image

_TAIL = 4096  # bytes in which a complete file shows its end marker
_END_MARKERS = {b'\xff\xd8': b'\xff\xd9', b'\x89P': b'IEND'}  # JPEG, PNG
_ORIENTATION = 0x0112  # EXIF; OpenCV turns the frame, 5 to 8 by 90 degrees
_FIX = 'Unpack or download the file again.'
_FLAGS = {  # what is named after gray scale only reduces
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_COLOR_RGB | cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


class CorruptFrameError(ValueError):
    """A frame is empty, truncated or no image; the message names it."""


def read_frame(path: str, backend_args: dict | None = None) -> np.ndarray:
    """Read and decode one frame.

    Args:
        path: Image file, on any of mmengine's file backends.
        backend_args: Of the file backend.

    Returns:
        (H, W, 3) RGB uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        CorruptFrameError: If the file is empty, truncated or no image. OpenCV
            alone would fill what is missing with grey.
    """
    return read_reduced(path, backend_args, 1)[0]


def read_reduced(
    path: str, backend_args: dict | None, reduction: int
) -> tuple[np.ndarray, int]:
    """Read a frame at a fraction of its size, as `read_frame` does.

    A pixel is the mean of `reduction` x `reduction` pixels of the frame, to
    less than one gray level on average: libjpeg leaves out high frequencies.

    Args:
        path: See `read_frame`.
        backend_args: See `read_frame`.
        reduction: 1, 2, 4 or 8.

    Returns:
        (ceil(H / r), ceil(W / r), 3) RGB uint8, and r: `reduction`, or 1 if
        the file is no JPEG, or has EXIF data, which may turn the frame.
    """
    content = _read_bytes(path, backend_args)
    if not _has_end_marker(content[:2], content[-_TAIL:]):
        _check_completeness(path, content)
    if content[:2] != b'\xff\xd8' or b'Exif' in content[:_TAIL]:
        reduction = 1
    frame = cv2.imdecode(np.frombuffer(content, np.uint8), _FLAGS[reduction])
    if frame is None:
        _check_completeness(path, content)  # names the reason
        raise CorruptFrameError(f'{path} does not decode. {_FIX}')
    return frame, reduction


def check_frame(path: str, backend_args: dict | None = None) -> None:
    """Find out whether a frame is complete, without decoding it.

    Raises:
        FileNotFoundError: If there is no such file.
        CorruptFrameError: If the file is empty, truncated or no image.
    """
    try:
        if backend_args is None:
            head, tail = _read_ends(path)
        else:
            content = fileio.get(path, backend_args)
            head, tail = content[:2], content[-_TAIL:]
    except FileNotFoundError as error:
        raise missing_frame(path, error) from None
    if not _has_end_marker(head, tail):
        _check_completeness(path, _read_bytes(path, backend_args))


def _read_ends(path: str) -> tuple[bytes, bytes]:
    """Beginning and end of a local file."""
    with open(path, 'rb') as file:
        head = file.read(2)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _TAIL, 0))
        return head, file.read()


def image_shape(path: str, backend_args: dict | None = None) -> tuple:
    """(H, W) of an image as `read_frame` gives it, from its header.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no image.
    """
    content = _read_bytes(path, backend_args)
    try:
        image = Image.open(io.BytesIO(content))
        turned = image.getexif().get(_ORIENTATION, 1) >= 5
    except (OSError, SyntaxError) as error:
        raise ValueError(f'{path} is no image ({error}). {_FIX}') from error
    width, height = image.size[::-1] if turned else image.size
    return height, width


def _read_bytes(path: str, backend_args: dict | None) -> bytes:
    try:
        return fileio.get(path, backend_args)
    except FileNotFoundError as error:
        raise missing_frame(path, error) from None


def missing_frame(path: str, error: OSError | None = None) -> OSError:
    """The error for a frame that is not there, not even in an archive."""
    # the operating system would only repeat the path
    where = f' ({error})' if error and not error.errno else ''
    return FileNotFoundError(
        f'{path} is missing{where}. Expected a frame of the sequence; unpack '
        'the full archive, or correct data_root in the config.'
    )


def _has_end_marker(head: bytes, tail: bytes) -> bool:
    """Whether a JPEG or PNG ends as it should; others never do."""
    marker = _END_MARKERS.get(head)
    return marker is not None and marker in tail


def _check_completeness(path: str, content: bytes) -> None:
    """Decode with Pillow, which refuses what is truncated.

    Slow, so only for files that do not show an end marker: it may lie
    further ahead, or the format has none. Pillow takes a JPEG that lacks
    nothing but its end marker for truncated, and raises `SyntaxError` on some
    broken PNGs.
    """
    if not content:
        raise CorruptFrameError(f'{path} is empty, expected an image. {_FIX}')
    if content.startswith(b'\xff\xd8'):
        # of an unfinished download; zeros would decode
        content = content.rstrip(b'\0')
    try:
        Image.open(io.BytesIO(content)).load()
    except (OSError, SyntaxError) as error:
        raise CorruptFrameError(
            f'{path} is truncated or no image ({error}). {_FIX}'
        ) from error


class FrameReader:
    """Frames of a video in order, decoded ahead in threads.

    A plain iterable with a length, and on purpose no `Sequence`: mmengine
    would decode the whole video when it moves a batch to a device. Threads
    start with the iteration, so that a reader can be sent to another process.

    Args:
        paths: Image files in order.
        num_threads: Decoding threads; OpenCV releases the GIL.
        num_ahead: Decoded frames to hold.
        backend_args: Of mmengine's file backend.
    """

    def __init__(
        self,
        paths: Sequence[str],
        num_threads: int = 2,
        num_ahead: int = 4,
        backend_args: dict | None = None,
    ) -> None:
        self.paths = paths
        self.num_threads = num_threads
        self.num_ahead = num_ahead
        self.backend_args = backend_args

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield (H, W, 3) RGB uint8; raises what `read_frame` raises."""
        return map_ahead(
            lambda path: read_frame(path, self.backend_args),
            self.paths,
            self.num_threads,
            self.num_ahead,
        )


def map_ahead(
    function: Callable, items: Iterable, num_threads: int, num_ahead: int
) -> Iterator:
    """Yield function(item) in order, computed ahead in threads.

    Threads start with the first result, and end when the iterator is closed.

    Args:
        function: To call in the threads.
        items: To call it with.
        num_threads: Calls at a time.
        num_ahead: Results to hold, or to wait for, behind the one that is
            taken.
    """
    with ThreadPoolExecutor(num_threads) as pool:
        ahead = deque()
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                if len(ahead) > num_ahead:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
