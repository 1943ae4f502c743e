"""What can be tracked in: videos, folders, cameras, streams, any frames."""

from __future__ import annotations

import fnmatch
import mimetypes
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from mmsimtrack.apis.live import LiveReader
from mmsimtrack.apis.reader import Item, Reader
from mmsimtrack.datasets.frames import (
    ENDINGS,
    FrameReader,
    list_frames,
    naming,
)
from mmsimtrack.structures.tracking import check_frames

# where a sequence keeps its frames in LaSOT, OTB, TNL2K, VOT and others
FRAME_FOLDERS = ('img', 'imgs', 'images', 'frames', 'color')
# images that we do not read, beside those that Python knows the endings of
OTHER_IMAGES = ('.avif', '.dng', '.exr', '.heic', '.heif', '.jp2', '.jxl')
_PATTERN = re.compile(r'[*?]|\[.+\]|%0?\d*d')  # of names
MANIFEST = '.mmsimtrack_outputs'  # names of our results in a folder

Source = str | Path | int | Iterable[np.ndarray] | Sequence[str | Path]


def are_paths(source) -> bool:
    """Tell whether a source is a list of paths."""
    is_list = isinstance(source, (list, tuple)) and len(source) > 0
    return is_list and all(isinstance(one, (str, Path)) for one in source)


def is_clip(sources) -> bool:
    """Tell whether sources are the images of one clip, by their endings."""
    files = [Path(one) for one in sources] if are_paths(sources) else []
    endings = {file.suffix.lower() for file in files} or {''}
    known = {*ENDINGS} - {'.webp'}  # which may be a video
    return endings <= known and not any(map(_is_pattern, files))


def _is_pattern(path: Path) -> bool:
    return not path.exists() and bool(_PATTERN.search(path.name))


def source_name(source: Source) -> str:
    """Name for the files made of a source."""
    if isinstance(source, Integral):
        return f'camera{source}'
    if are_paths(source):
        source = Path(source[0]).parent
    if not isinstance(source, (str, Path)):
        return 'frames'
    if str(source) == '-':
        return 'stdin'
    if '://' in str(source):  # neither password nor query in a file's name
        address = re.sub(r'^\w+://([^/@]*@)?', '', str(source))
        return re.sub(r'\W+', '_', address.split('?')[0]).strip('_')
    path = Path(source).resolve()
    if not path.is_dir():
        if not _is_pattern(path):
            return path.stem
        path = path.parent
    return path.parent.name if path.name in FRAME_FOLDERS else path.name


def open_source(source: Source) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) RGB uint8 of a source; see `SOTInferencer`."""
    return (frame for _, _, frame in Footage(source))


def written_names(folder: str | os.PathLike) -> set[str]:
    """Names of the files in a folder that this library wrote as results."""
    path = Path(folder, MANIFEST)
    content = path.read_bytes() if path.exists() else b''
    return set(os.fsdecode(content).split('\n'))


@dataclass(eq=False)
class Footage:
    """An open source; an iterator of `(number, time, frame)`.

    Numbers count the frames of the source from 0, also those that are left
    out or lost. Times are seconds since frame 0. Frames are (H, W, 3) RGB
    uint8.

    Args:
        source: Video file, animated GIF or WebP, folder of frames, pattern of
            frames such as `dir/*.png` or `dir/frame%d.jpg`, list of images,
            number of a camera, address of a stream, `-` for a video from
            standard input, or an iterable of frames. The attribute is what
            messages call it: of a list, its folder or the name.
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

    source: Source
    start: int = 0
    end: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        self.name = source_name(self.source)
        self.stopped, self.num_given, self._peeked = False, 0, None
        self.reader = _open_reader(self.source)
        if are_paths(self.source):
            self.source = str(Path(self.source[0]).parent)
        elif not isinstance(self.source, (str, Path, Integral)):
            self.source = self.name  # of many frames
        self._items = self._choose()
        if self.reader.live:  # each recording has files of its own
            self.name += time.strftime('_%Y%m%d-%H%M%S')

    @property
    def total(self) -> int | None:
        """How many frames there will be; None if unknown."""
        ends = [n for n in (self.end, self.reader.total) if n is not None]
        return len(range(self.start, min(ends), self.step)) if ends else None

    def __iter__(self) -> Footage:
        return self

    def __next__(self) -> Item:
        item, self._peeked = self._peeked, None
        return item or next(self._items)

    def _choose(self) -> Iterator[Item]:
        """Yield the frames that are wanted."""
        for number, moment, frame in self.reader:
            if self.stopped or (self.end is not None and number >= self.end):
                break
            if number >= self.start and not (number - self.start) % self.step:
                self.num_given += 1
                yield number, moment, frame
        if not (self.num_given or self.stopped):
            within = ''
            if (self.start, self.end) != (0, None):
                within = f' from {self.start} to {self.end or "its end"}'
            raise ValueError(
                f'{self.source} holds no frame{within}, expected a video with '
                'at least one.'
            )

    def peek(self) -> np.ndarray:
        """Look at the next frame, which is given again."""
        self._peeked = next(self)
        return self._peeked[2]

    def stop(self) -> None:
        """End the iteration, also while it waits for a live frame."""
        self.stopped = self.reader.ended = True

    def close(self) -> None:
        """Close files and connections."""
        self._items.close()


def _open_folder(folder: Path, pattern: str | None = None) -> Reader:
    """Open the frames of a folder, or those whose names match a pattern."""
    ours = written_names(folder)
    names = [name for name in list_frames(folder) if name not in ours]
    if pattern is None:
        _check_types(folder)
    else:
        glob = re.sub(r'%0?\d*d', '[0-9]*', pattern)
        names = [name for name in names if fnmatch.fnmatch(name, glob)]
    if not names:
        raise ValueError(
            f'{folder / (pattern or "")} holds no frame, expected files '
            f'ending in {", ".join(ENDINGS)}. Give the folder of the frames, '
            'or a pattern of their names.'
        )
    return _open_images([folder / name for name in names])


def _open_images(files: list[Path]) -> Reader:
    """Open images, a file for each frame."""
    frames = FrameReader([str(file) for file in files])
    return _number(frames, files=files, names=[file.name for file in files])


def _check_types(folder: Path) -> None:
    """Refuse a folder with images that are not read.

    Raises:
        ValueError: If there is one; names it.
    """
    for name in sorted(os.listdir(folder)):
        ending = Path(name).suffix.lower()
        kind = mimetypes.guess_type(name)[0] or ''
        is_image = kind.startswith('image/') or ending in OTHER_IMAGES
        if name[0] != '.' and is_image and ending not in ENDINGS:
            raise ValueError(
                f'{folder} holds {name}, an image of a type that is not '
                f'read; expected {", ".join(ENDINGS)}. Convert these images, '
                'move them away, or leave them out with a pattern such as '
                "'folder/*.jpg'."
            )


def _number(frames: Iterable[np.ndarray], **about) -> Reader:
    """Open frames that have no times of their own, 25 in a second."""
    arrays = (check_frames([frame], 1)[0] for frame in frames)
    items = ((n, n / 25, frame) for n, frame in enumerate(arrays))
    total = len(frames) if hasattr(frames, '__len__') else None
    return Reader(items, total=total, **about)


def _open_animation(path: Path) -> Reader:
    """Open an animated WebP, which no video library reads."""

    def read() -> Iterator[Item]:
        moment = 0.0
        for number, picture in enumerate(ImageSequence.Iterator(image)):
            yield number, moment, np.array(picture.convert('RGB'))
            moment += (picture.info.get('duration') or 40) / 1000

    with naming(path):
        image = Image.open(path)
    return Reader(read(), total=image.n_frames, files=[path])


def _open_video(path: Path | None) -> Reader | LiveReader:
    """Open a video file, or standard input."""
    try:
        from mmsimtrack.apis.video import open_video
    except ImportError:
        if path is not None:
            return LiveReader(path)
        raise ValueError(
            'standard input can only be read with PyAV: pip install av'
        ) from None
    if path is None:
        return open_video(sys.stdin.buffer, 'standard input')
    return open_video(path, str(path))


def _open_reader(source: Source) -> Reader | LiveReader:
    """Open what reads a source."""
    if isinstance(source, Integral):
        return LiveReader(source)
    if are_paths(source):
        return _open_images([Path(one) for one in source])
    if not isinstance(source, (str, Path)):
        return _number(source)
    if '://' in str(source):
        return LiveReader(str(source))
    if str(source) == '-':
        return _open_video(None)
    path = Path(source or "''")  # which is not this folder
    if path.is_dir():
        inner = [path / n for n in FRAME_FOLDERS if (path / n).is_dir()]
        return _open_folder((inner or [path])[0])
    if path.exists():
        is_webp = path.suffix.lower() == '.webp'
        return _open_animation(path) if is_webp else _open_video(path)
    if _is_pattern(path) and path.parent.is_dir():
        return _open_folder(path.parent, path.name)
    raise FileNotFoundError(
        f'{path} is missing. Expected a video file, a folder of frames, or a '
        "pattern of their names such as 'folder/*.jpg'."
    )
