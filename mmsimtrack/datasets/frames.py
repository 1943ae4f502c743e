"""The frames of a video: how they are listed, checked and read ahead."""

import io
import os
import os.path as osp
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

import cv2
import numpy as np
from PIL import Image

from mmsimtrack.datasets.archive import list_folder, read_bytes
from mmsimtrack.log import warn


def read_limit(text: str | int) -> int:
    """Read the largest number of pixels of a frame.

    Raises:
        ValueError: If it is no whole number above 0.
    """
    try:
        limit = int(text)
    except ValueError:
        limit = 0
    if limit < 1:
        raise ValueError(
            f'MMSIMTRACK_MAX_PIXELS is {text!r}, expected a whole number '
            'above 0. Set another one, or unset it.'
        )
    return limit


ENDINGS = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
# A header may promise any number of pixels; a frame of 2**27 takes 400 MB.
MAX_PIXELS = read_limit(os.environ.get('MMSIMTRACK_MAX_PIXELS') or 2**27)
# now, in no thread: a process that is forked while a thread imports what reads
# a format waits for the lock of that import forever
Image.init()
if Image.MAX_IMAGE_PIXELS:  # Pillow's own limit may be raised, not lowered
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, MAX_PIXELS)
_TAIL = 4096  # bytes in which a complete file shows its end marker
_END_MARKERS = {b'\xff\xd8': b'\xff\xd9', b'\x89P': b'IEND'}  # JPEG, PNG
_ORIENTATION = 0x0112  # EXIF; OpenCV turns the frame, 5 to 8 by 90 degrees
_DECIMAL = re.compile(r'(\D*)(\d+\.\d+)(\D*)')  # the name of a frame
_FIX = 'Unpack or download the file again.'
# OpenCV's IMREAD_REDUCED_GRAYSCALE_r is 8 r; beside a color flag, it reduces
# only
_FLAGS = {r: cv2.IMREAD_COLOR_RGB | 8 * r * (r > 1) for r in (1, 2, 4, 8)}


class CorruptFrameError(ValueError):
    """A frame is empty, truncated, too large or no image."""


def list_frames(folder: str | os.PathLike) -> list[str]:
    """List the names of all frames in a folder, `2.jpg` before `10.JPG`.

    Numbers in names are compared by their value, `0.25` before `0.5` where
    it is the only one, endings do not count, and hidden files are left out.
    The folder may be packed in a zip archive.
    """
    _, files = list_folder(folder)

    def order(name: str) -> tuple:
        parts = re.split('([0-9]+)', osp.splitext(name)[0])
        return [int(p) if i % 2 else p for i, p in enumerate(parts)], name

    def decimal(name: str) -> tuple | None:
        found = _DECIMAL.fullmatch(osp.splitext(name)[0])
        return found and (found[1], float(found[2]), found[3])

    names = [name for name in files if name.lower().endswith(ENDINGS)]
    values = {decimal(name) for name in names}
    # 1.1 and 1.10 are counted, not measured
    if None in values or len(values) < len(names):
        return sorted(names, key=order)
    return sorted(names, key=decimal)


def find_numbers(names: Iterable[str], folder: str) -> dict[int, str]:
    """Find the names that are numbers, with any digits and endings.

    Raises:
        ValueError: If two of them are the same number.
    """
    numbers = {}
    for name in names:
        stem = osp.splitext(name)[0]
        if stem.isdecimal() and int(stem) in numbers:
            raise ValueError(
                f'{folder} holds {numbers[int(stem)]} and {name}, expected '
                'one frame of each number. Remove one of them.'
            )
        if stem.isdecimal():
            numbers[int(stem)] = name
    return numbers


def read_frame(path: str) -> np.ndarray:
    """Read and decode one frame.

    Args:
        path: Image file; it may be packed in a zip archive.

    Returns:
        (H, W, 3) RGB uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        CorruptFrameError: If the file is empty, truncated or no image. OpenCV
            alone would fill what is missing with grey.
    """
    return read_reduced(path, 1)[0]


def read_strictly(path: str) -> np.ndarray:
    """Read a frame as `read_frame` does, and refuse a JPEG with a hole.

    Other decoders fill holes with gray, and tell nobody. Flipped bits may
    decode to other colors without anybody's notice.
    """
    frame, content = read_frame(path), _read(path)
    if content[:2] == b'\xff\xd8' and find_spec('simplejpeg'):
        with naming(path):
            import_module('simplejpeg').decode_jpeg(content, 'GRAY')
    return frame


def read_reduced(path: str, reduction: int) -> tuple[np.ndarray, int]:
    """Read a frame at a fraction of its size, as `read_frame` does.

    A pixel is the mean of `reduction` x `reduction` pixels of the frame, to
    less than one gray level on average: libjpeg leaves out high frequencies.

    Args:
        path: See `read_frame`.
        reduction: 1, 2, 4 or 8.

    Returns:
        (ceil(H / r), ceil(W / r), 3) RGB uint8, and r: `reduction`, or 1 if
        the file is no JPEG, or has EXIF data, which may turn the frame.
    """
    content = _read(path)
    if not _has_end_marker(content[:2], content[-_TAIL:]):
        _load_whole(path, content)
    image = _open_image(path, content)  # refuses what is too large
    if content[:2] != b'\xff\xd8' or b'Exif' in content[:_TAIL]:
        reduction = 1
    is_deep = image.mode.startswith('I')  # gray, 16 bits
    flags = cv2.IMREAD_ANYDEPTH if is_deep else _FLAGS[reduction]
    try:
        frame = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise CorruptFrameError(f'{path}: {error.err} {_FIX}') from None
    if frame is None:
        _load_whole(path, content)  # names the reason
        raise CorruptFrameError(f'{path} does not decode. {_FIX}')
    if is_deep:
        _warn(
            f'{osp.dirname(path)} holds gray frames of 16 bits, which are '
            'brought to 8: the darkest pixel of each frame becomes 0, the '
            'brightest 255. Convert them if levels should be comparable.'
        )
        frame = cv2.normalize(frame, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
        frame = cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB)
    return frame, reduction


# each process logs a text once
_warn = lru_cache(1024)(warn)


def check_frame(path: str) -> None:
    """Find out whether a frame is complete, without decoding it.

    Raises:
        FileNotFoundError: If there is no such file.
        CorruptFrameError: If the file is empty, truncated or no image.
    """
    if osp.isfile(path):
        with open(path, 'rb') as file:
            head = file.read(2)
            file.seek(max(file.seek(0, os.SEEK_END) - _TAIL, 0))
            tail = file.read()
    else:
        content = _read(path)
        head, tail = content[:2], content[-_TAIL:]
    if not _has_end_marker(head, tail):
        _load_whole(path, _read(path))


def image_shape(path: str) -> tuple[int, int]:
    """Return (H, W) of an image as `read_frame` gives it, from its header.

    Raises:
        FileNotFoundError: If there is no such file.
        CorruptFrameError: If the file is no image, or too large.
    """
    image = _open_image(path, _read(path))
    with naming(path):
        turned = image.getexif().get(_ORIENTATION) in range(5, 9)
    # OpenCV does not turn WebP, and Pillow's size of a TIFF is turned already
    turned &= image.format not in ('WEBP', 'TIFF')
    width, height = image.size[::-1] if turned else image.size
    return height, width


def missing_frame(path: str, error: OSError | None = None) -> OSError:
    """Make the error for a frame that is neither on the disk nor packed."""
    # the operating system would only repeat the path
    where = f' ({error})' if error and not error.errno else ''
    return FileNotFoundError(
        f'{path} is missing{where}. Expected a frame of the sequence; unpack '
        'the full archive, or correct data_root in the config.'
    )


def _read(path: str) -> bytes:
    try:
        return read_bytes(path)
    except FileNotFoundError as error:
        raise missing_frame(path, error) from None


def _has_end_marker(head: bytes, tail: bytes) -> bool:
    """Find out whether a JPEG or PNG ends as it should; others never do."""
    marker = _END_MARKERS.get(head)
    return marker is not None and marker in tail


def _open_image(path: str, content: bytes) -> Image.Image:
    """Read the header of an image, and refuse what would fill the memory."""
    if not content:
        raise CorruptFrameError(f'{path} is empty, expected an image. {_FIX}')
    with naming(path):
        image = Image.open(io.BytesIO(content))
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise CorruptFrameError(
            f'{path} is an image of {width} x {height} px, expected at most '
            f'{MAX_PIXELS} pixels. {_FIX} If frames are that large, set '
            'MMSIMTRACK_MAX_PIXELS.'
        )
    return image


def _load_whole(path: str, content: bytes) -> None:
    """Decode with Pillow, which refuses what is truncated.

    Slow, so only for files that do not show an end marker: it may lie
    further ahead, or the format has none. Pillow takes a JPEG that lacks
    nothing but its end marker for truncated, and raises `SyntaxError` on some
    broken PNGs.
    """
    if content.startswith(b'\xff\xd8'):
        # of an unfinished download; zeros would decode
        content = content.rstrip(b'\0')
    image = _open_image(path, content)
    with naming(path):
        image.load()


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Turn the errors that Pillow raises into one that names the file."""
    errors = OSError, SyntaxError, ValueError, Image.DecompressionBombError
    try:
        yield
    except errors as error:
        raise CorruptFrameError(
            f'{path} is truncated or no image ({error}). {_FIX}'
        ) from error


@dataclass(eq=False)
class FrameReader:
    """The frames of a video in order, decoded ahead in threads.

    A plain iterable with a length, and on purpose no `Sequence`: mmengine
    would decode the whole video when it moves a batch to a device. Threads
    start with the iteration, so that a reader can be sent to another process.

    Attributes:
        paths: Image files in order.
        num_threads: Decoding threads; OpenCV releases the GIL.
        num_ahead: Decoded frames to hold.
    """

    paths: Sequence[str]
    num_threads: int = 2
    num_ahead: int = 4

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield (H, W, 3) RGB uint8 frames, and raise as `read_frame` does."""
        frames = map_ahead(
            read_frame, self.paths, self.num_threads, self.num_ahead
        )
        shapes = set()
        for path, frame in zip(self.paths, frames):
            if shapes and frame.shape not in shapes:
                _warn(
                    f'{path} has another size than the frames before it, '
                    f'{frame.shape[1]} x {frame.shape[0]} px. Boxes are in '
                    'the pixels of each frame; check the video.'
                )
            shapes.add(frame.shape)
            yield frame


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
