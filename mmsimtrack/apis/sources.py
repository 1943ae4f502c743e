"""What can be tracked in: videos, folders, cameras, streams, any frames."""

from __future__ import annotations

import fnmatch
import mimetypes
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from numbers import Integral
from pathlib import Path

import numpy as np
from PIL import Image

from mmsimtrack.apis.live import LiveReader
from mmsimtrack.apis.video import open_video
from mmsimtrack.datasets.frames import (
    ENDINGS,
    FrameReader,
    list_frames,
    naming,
)

# where a sequence keeps its frames in LaSOT, OTB, TNL2K, VOT and others
FRAME_FOLDERS = ('img', 'imgs', 'images', 'frames', 'color')
# images that we do not read, beside those that Python knows the endings of
OTHER_IMAGES = ('.avif', '.dng', '.exr', '.heic', '.heif', '.jp2', '.jxl')
_PATTERN = re.compile(r'[*?]|\[.+\]|%0?\d*d')  # of names
MANIFEST = '.mmsimtrack_outputs'  # names of our results in a folder

Source = str | Path | int | Iterable[np.ndarray]


def source_name(source: Source) -> str:
    """Name for the files made of a source."""
    if isinstance(source, Integral):
        return f'camera{source}'
    if not isinstance(source, (str, Path)):
        return 'frames'
    if str(source) == '-':
        return 'stdin'
    if '://' in str(source):  # neither password nor query in a file's name
        address = re.sub(r'^\w+://([^/@]*@)?', '', str(source))
        return re.sub(r'\W+', '_', address.split('?')[0]).strip('_')
    path = Path(source).resolve()
    if not path.is_dir():
        if path.exists() or not _PATTERN.search(path.name):
            return path.stem
        path = path.parent
    return path.parent.name if path.name in FRAME_FOLDERS else path.name


def is_live(source: Source) -> bool:
    """Whether a source is a camera or an address."""
    if isinstance(source, (str, Path)):
        return '://' in str(source)
    return isinstance(source, Integral)


def open_source(source: Source) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) RGB uint8 of a source; see `SOTInferencer`."""
    return (frame for _, _, frame in Footage(source))


def written_names(folder: str | os.PathLike) -> set[str]:
    """Names of the files in a folder that this library wrote as results."""
    path = Path(folder, MANIFEST)
    return set(path.read_text('utf-8').split('\n')) if path.exists() else set()


class Footage:
    """An open source; an iterator of `(number, time, frame)`.

    Numbers count the frames of the source from 0, also those that are left
    out or lost. Times are seconds since frame 0. Frames are (H, W, 3) RGB
    uint8.

    Args:
        source: Video file, animated GIF or WebP, folder of frames, pattern of
            frames such as `dir/*.png` or `dir/frame%d.jpg`, number of a
            camera, address of a stream, `-` for a video from standard input,
            or an iterable of frames.
        start: Number of the first frame to give.
        end: Number of the frame to stop before; None is the end.
        step: Give each step-th frame.

    Attributes:
        reader: What reads the source; knows `fps`, `total` (frames, None if
            unknown), `files` that nothing may replace, and `live`.
        stopped: Set it to end the iteration after the present frame.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If nothing can be read from it.
    """

    def __init__(
        self,
        source: Source,
        start: int = 0,
        end: int | None = None,
        step: int = 1,
    ) -> None:
        self.source = source
        self.name = source_name(source)
        self.start, self.end, self.step = start, end, step
        self.stopped = False
        self.num_given = 0
        self._peeked = None
        self.reader = _open_reader(source)
        self._items = iter(self.reader)
        if self.reader.live:  # each recording has files of its own
            self.name += time.strftime('_%Y%m%d-%H%M%S')

    @property
    def total(self) -> int | None:
        """How many frames there will be; None if unknown."""
        end = self.end
        if self.reader.total is not None:
            end = min(self.reader.total, end or self.reader.total)
        return end and len(range(self.start, end, self.step))

    def __iter__(self) -> Footage:
        return self

    def __next__(self) -> tuple[int, float, np.ndarray]:
        if self._peeked is not None:
            item, self._peeked = self._peeked, None
            return item
        for number, moment, frame in self._items:
            ended = self.end is not None and number >= self.end
            if ended or self.stopped:
                break
            if number >= self.start and not (number - self.start) % self.step:
                self.num_given += 1
                return number, moment, frame
        self.close()
        raise StopIteration

    def peek(self) -> np.ndarray:
        """Look at the next frame, which is given again.

        Raises:
            ValueError: If there is none.
        """
        self._peeked = next(self, None)
        if self._peeked is None:
            raise ValueError(self.nothing())
        return self._peeked[2]

    def nothing(self) -> str:
        """Message for a source of which no frame was given."""
        within = ''
        if (self.start, self.end) != (0, None):
            within = f' from {self.start} to {self.end or "its end"}'
        return (
            f'{self.source} holds no frame{within}, expected a video with at '
            'least one.'
        )

    def stop(self) -> None:
        """End the iteration, also while it waits for a live frame."""
        self.stopped = True
        if isinstance(self.reader, LiveReader):
            self.reader.ended = True

    def close(self) -> None:
        """Close files and connections."""
        if hasattr(self._items, 'close'):
            self._items.close()


class FolderReader:
    """Frames of a folder, decoded ahead in threads.

    Args:
        folder: Folder of image files.
        pattern: Take only the names that match, such as `*.png` or
            `frame%d.jpg`.
    """

    live, fps = False, Fraction(25)

    def __init__(self, folder: Path, pattern: str | None = None) -> None:
        ours = written_names(folder)
        names = [name for name in list_frames(folder) if name not in ours]
        if pattern is None:
            self._check_types(folder)
        else:
            glob = re.sub(r'%0?\d*d', '[0-9]*', pattern)
            names = [name for name in names if fnmatch.fnmatch(name, glob)]
        if not names:
            raise ValueError(
                f'{folder / (pattern or "")} holds no frame, expected files '
                f'ending in {", ".join(ENDINGS)}. Give the folder of the '
                'frames, or a pattern of their names.'
            )
        self.names = names
        self.files = [folder / name for name in names]
        self.total = len(names)

    @staticmethod
    def _check_types(folder: Path) -> None:
        for name in sorted(os.listdir(folder) if folder.is_dir() else ()):
            ending = Path(name).suffix.lower()
            kind = mimetypes.guess_type(name)[0] or ''
            is_image = kind.startswith('image/') or ending in OTHER_IMAGES
            if name[0] != '.' and is_image and ending not in ENDINGS:
                raise ValueError(
                    f'{folder} holds {name}, an image of a type that is not '
                    f'read; expected {", ".join(ENDINGS)}. Convert these '
                    'images, move them away, or leave them out with a '
                    "pattern such as 'folder/*.jpg'."
                )

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        frames = FrameReader([str(file) for file in self.files])
        for number, frame in enumerate(frames):
            yield number, number / 25, frame


class ArrayReader:
    """Frames that the caller makes."""

    live, fps, files = False, Fraction(25), ()

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self.frames = frames
        self.total = len(frames) if hasattr(frames, '__len__') else None

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        return (
            (number, number / 25, frame)
            for number, frame in enumerate(self.frames)
        )


class AnimationReader:
    """Pictures of an animated WebP, which no video library reads."""

    live, fps = False, Fraction(25)

    def __init__(self, path: Path) -> None:
        self.files = [path]
        with naming(path):
            self._image = Image.open(path)
        self.total = self._image.n_frames

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        moment = 0.0
        for number in range(self.total):
            self._image.seek(number)
            frame = np.array(self._image.convert('RGB'))
            yield number, moment, frame
            moment += (self._image.info.get('duration') or 40) / 1000


def _open_reader(source: Source):
    """Open what reads a source."""
    if is_live(source):
        return LiveReader(source)
    if not isinstance(source, (str, Path)):
        return ArrayReader(source)
    if str(source) == '-':
        return open_video(sys.stdin.buffer, 'standard input')
    path = Path(source)
    if path.is_dir():
        inner = [path / n for n in FRAME_FOLDERS if (path / n).is_dir()]
        return FolderReader((inner or [path])[0])
    if path.exists():
        if path.suffix.lower() == '.webp':
            return AnimationReader(path)
        return open_video(path)
    if _PATTERN.search(path.name) and path.parent.is_dir():
        return FolderReader(path.parent, path.name)
    raise FileNotFoundError(
        f'{path} is missing. Expected a video file, a folder of frames, or a '
        "pattern of their names such as 'folder/*.jpg'."
    )
