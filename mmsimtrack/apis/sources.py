"""What the inferencer tracks in: videos, folders, cameras, any frames."""

from collections.abc import Iterable, Iterator
from numbers import Integral
from pathlib import Path

import cv2
import numpy as np

from mmsimtrack.datasets import FrameReader
from mmsimtrack.datasets.frames import ENDINGS, list_frames

FRAME_FOLDERS = ('img', 'imgs')  # of a sequence in LaSOT, OTB, TNL2K

Source = str | Path | int | Iterable[np.ndarray]


def source_name(source: Source) -> str:
    """Name for the files made of a source."""
    if isinstance(source, Integral):
        return f'camera{source}'
    if not isinstance(source, (str, Path)):
        return 'frames'
    path = Path(source).resolve()
    if path.is_dir():
        return path.parent.name if path.name in FRAME_FOLDERS else path.name
    return path.stem


def open_source(source: Source) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) RGB uint8 of a source; see `SOTInferencer`."""
    if isinstance(source, Integral):
        return _read_video(int(source))
    if not isinstance(source, (str, Path)):
        return iter(source)
    if '://' in str(source):  # a stream, such as rtsp://
        return _read_video(str(source))
    path = Path(source)
    if path.is_dir():
        path = _frame_folder(path)
        paths = [str(path / name) for name in list_frames(path)]
        if not paths:
            raise ValueError(
                f'{path} holds no frame, expected files ending in '
                f'{", ".join(ENDINGS)}. Give the folder of the frames.'
            )
        return iter(FrameReader(paths))
    if not path.exists():
        raise FileNotFoundError(
            f'{path} is missing. Expected a video file or a folder of frames.'
        )
    return _read_video(str(path))


def source_fps(source: Source) -> float:
    """Frames per second of a video file; 25 for everything else."""
    if isinstance(source, (str, Path)) and Path(source).is_file():
        capture = cv2.VideoCapture(str(source))
        fps = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        return fps if fps > 0 else 25
    return 25


def _frame_folder(path: Path) -> Path:
    """The folder itself, or the one in it that holds a sequence's frames."""
    for name in FRAME_FOLDERS:
        if (path / name).is_dir():
            return path / name
    return path


def _read_video(source: str | int) -> Iterator[np.ndarray]:
    capture = cv2.VideoCapture(source)
    try:
        ok, frame = capture.read()
        if not ok:
            raise ValueError(
                f'OpenCV reads no frame from {source!r}. Expected a video '
                'file that it can decode, or the number of a camera.'
            )
        while ok:
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            ok, frame = capture.read()
    finally:
        capture.release()
