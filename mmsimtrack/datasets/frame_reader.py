"""Read the frames of a video, one ahead of the other."""

import io
import os
import os.path as osp
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import mmcv
import numpy as np
from mmengine import fileio
from PIL import Image

_TAIL = 4096  # bytes in which a complete file shows its end marker
_END_MARKERS = {b'\xff\xd8': b'\xff\xd9', b'\x89P': b'IEND'}  # JPEG, PNG
_ORIENTATION = 0x0112  # EXIF; OpenCV turns the frame, 5 to 8 by 90 degrees
_FIX = 'Unpack or download the file again.'


def read_frame(path: str, backend_args: dict | None = None) -> np.ndarray:
    """Read and decode one frame.

    Args:
        path: Image file, on any of mmengine's file backends.
        backend_args: Of the file backend.

    Returns:
        (H, W, 3) RGB uint8.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated or no image. OpenCV alone
            would fill what is missing with grey.
    """
    content = _read_bytes(path, backend_args)
    if not _has_end_marker(content[:2], content[-_TAIL:]):
        _check_completeness(path, content)
    frame = mmcv.imfrombytes(content)
    if frame is None:
        _check_completeness(path, content)  # names the reason
        raise ValueError(f'{path} does not decode. {_FIX}')
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def check_frame(path: str) -> None:
    """Find out whether a local frame is complete, without decoding it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated or no image.
    """
    try:
        with open(path, 'rb') as file:
            head = file.read(2)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _TAIL, 0))
            tail = file.read()
    except FileNotFoundError:
        raise _missing(path) from None
    if not _has_end_marker(head, tail):
        _check_completeness(path, _read_bytes(path, None))


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


def check_frame_folder(folder: str) -> None:
    """Find out whether a sequence is there.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if not fileio.isdir(folder):
        raise FileNotFoundError(
            f'{folder} is missing. Expected a folder of frames; unpack the '
            'full archive, correct data_root in the config, or set `indices` '
            'there to leave the sequence out.'
        )


def check_frame_files(
    frame_template: str,
    first_frame: int,
    num_boxes: int,
    annotation: str,
    first_box_only: bool,
) -> int:
    """Number of frames in a folder, if they fit the annotation.

    Args:
        frame_template: Path of a frame, with a field for its number.
        first_frame: Number of the first one.
        num_boxes: Rows of the annotation.
        annotation: Path of the annotation, for the message.
        first_box_only: Whether one box is right for any number of frames,
            as in test splits that publish no more.

    Raises:
        FileNotFoundError: If the first or the last frame is missing.
        ValueError: If the numbers of frames and boxes differ.
    """
    folder, ending, names = _list_frames(frame_template)
    fits = num_boxes == len(names) or (first_box_only and num_boxes == 1)
    if not names or not fits:
        raise ValueError(
            f'{folder} holds {len(names)} frames ({ending}), but '
            f'{annotation} has {num_boxes} boxes. Expected one box per frame; '
            'unpack the sequence again.'
        )
    for number in (first_frame, first_frame + len(names) - 1):
        path = frame_template.format(number)
        if osp.basename(path) not in names:
            raise _missing(path)
    return len(names)


def check_frame_range(
    frame_template: str, first_frame: int, num_frames: int
) -> int:
    """Number of frames in a folder, if it holds at least a range of them.

    Raises:
        FileNotFoundError: If a frame of the range is missing.
    """
    names = _list_frames(frame_template)[-1]
    for number in range(first_frame, first_frame + num_frames):
        path = frame_template.format(number)
        if osp.basename(path) not in names:
            raise _missing(path)
    return len(names)


def _list_frames(frame_template: str) -> tuple[str, str, set[str]]:
    """Folder, ending and names of the files that end as the template does."""
    folder = osp.dirname(frame_template)
    ending = osp.splitext(frame_template)[1]
    names = fileio.list_dir_or_file(folder, False, True, ending)
    return folder, ending, set(names)


def _read_bytes(path: str, backend_args: dict | None) -> bytes:
    try:
        return fileio.get(path, backend_args)
    except FileNotFoundError:
        raise _missing(path) from None


def _missing(path: str) -> FileNotFoundError:
    return FileNotFoundError(
        f'{path} is missing. Expected a frame of the sequence; unpack the '
        'full archive, or correct data_root in the config.'
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
        raise ValueError(f'{path} is empty, expected an image. {_FIX}')
    if content.startswith(b'\xff\xd8'):
        # of an unfinished download; zeros would decode
        content = content.rstrip(b'\0')
    try:
        Image.open(io.BytesIO(content)).load()
    except (OSError, SyntaxError) as error:
        raise ValueError(
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
        with ThreadPoolExecutor(self.num_threads) as pool:
            ahead = deque()
            try:
                for path in self.paths:
                    ahead.append(
                        pool.submit(read_frame, path, self.backend_args)
                    )
                    if len(ahead) > self.num_ahead:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()
