"""Track a target in a video, a folder, a camera or any frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.runner import load_checkpoint

from mmsimtrack.datasets import FrameReader
from mmsimtrack.models import SimTrack
from mmsimtrack.registry import INFERENCERS, MODELS
from mmsimtrack.structures import xyxy_to_xywh
from mmsimtrack.structures.annotation_file import write_bboxes_xywh
from mmsimtrack.visualization import (
    SOTVisualizer,
    VideoWriter,
    contact_sheet,
    write_image,
)

FRAME_FOLDERS = ('img', 'imgs')  # of a sequence in LaSOT, OTB, TNL2K
IMAGE_ENDINGS = ('.jpg', '.jpeg', '.png', '.bmp')


@dataclass(frozen=True)
class TrackedFrame:
    """One frame of a tracked video.

    Attributes:
        frame: (H, W, 3) RGB uint8.
        bbox: (4,) xyxy in frame pixels.
        score: In [0, 1]; 1 for the first frame.
    """

    frame: np.ndarray
    bbox: np.ndarray
    score: float


@INFERENCERS.register_module()
class SOTInferencer:
    """Follows one target through a video.

    Args:
        model: Path of a config, a `Config`, or a built `SimTrack`.
        weights: Checkpoint to load into it; None keeps the weights as they
            are.
        device: Such as `cuda:0` or `cpu`; None takes an accelerator if there
            is one.
    """

    def __init__(
        self,
        model: str | Path | Config | SimTrack,
        weights: str | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        if isinstance(model, (str, Path)):
            model = Config.fromfile(model)
        if isinstance(model, Config):
            cfg = model.model
            model = MODELS.build(cfg)
        if weights is not None:
            load_checkpoint(model, weights, map_location='cpu', strict=True)
        self.model = model.to(device or get_device()).eval()

    def __call__(
        self,
        source: str | Path | int | Iterable[np.ndarray],
        bbox,
        out_dir: str | Path | None = None,
    ) -> dict:
        """Track through a whole source.

        Args:
            source: Video file, folder of frames (sorted by name), number of a
                camera (until it ends, or Ctrl-C), or an iterable of frames
                (H, W, 3) RGB uint8.
            bbox: (4,) xyxy of the target in the first frame, in pixels.
            out_dir: Folder for `<name>.txt` (x,y,w,h per frame), `<name>.mp4`
                and a contact sheet `<name>.png`; None writes nothing.

        Returns:
            `bboxes` (T, 4) xyxy in frame pixels, `scores` (T,) in [0, 1] and
            `files`, the paths written as `boxes`, `video` and `sheet`.

        Raises:
            FileNotFoundError: If the source does not exist.
            ValueError: If it holds no frame, or the box gives no target.
        """
        files = {}
        if out_dir is None:
            tracked = [(t.bbox, t.score) for t in self.stream(source, bbox)]
        else:
            stem = Path(out_dir) / source_name(source)
            files = {
                'boxes': Path(f'{stem}.txt'),
                'video': Path(f'{stem}.mp4'),
                'sheet': Path(f'{stem}.png'),
            }
            tracked = self._write(source, bbox, files)
        bboxes, scores = zip(*tracked)
        return {
            'bboxes': np.stack(bboxes),
            'scores': np.array(scores),
            'files': files,
        }

    def stream(
        self, source: str | Path | int | Iterable[np.ndarray], bbox
    ) -> Iterator[TrackedFrame]:
        """Yield frame by frame, in constant memory; see `__call__`."""
        state = None
        for frame in open_source(source):
            if state is None:
                state = self.model.init([frame], [bbox])
            else:
                state = self.model.track([frame], state)
            yield TrackedFrame(
                frame, state.bboxes[0].numpy(), state.scores[0].item()
            )
        if state is None:
            raise ValueError(
                f'{source} holds no frame, expected a video with at least one.'
            )

    def _write(self, source, bbox, files: dict[str, Path]) -> list[tuple]:
        """Track, and write boxes, video and contact sheet."""
        tracked, shown = [], _Shown()
        with VideoWriter(files['video']) as video:
            try:
                for i, one in enumerate(self.stream(source, bbox)):
                    tracked.append((one.bbox, one.score))
                    text = f'#{i}  {one.score:.2f}'
                    drawn = SOTVisualizer.draw_frame(
                        one.frame, one.bbox, text=text
                    )
                    video.write(drawn)
                    shown.add(drawn)
            except KeyboardInterrupt:  # how a camera ends
                if not tracked:
                    raise
        bboxes = np.stack([bbox for bbox, _ in tracked])
        write_bboxes_xywh(files['boxes'], xyxy_to_xywh(bboxes))
        write_image(files['sheet'], contact_sheet(shown.frames))
        return tracked


class _Shown:
    """Frames spread over a video whose length is not known: at most 2N.

    Every `step`-th frame is kept; when there are too many, every second one
    goes and `step` doubles.
    """

    def __init__(self, num_wanted: int = 8) -> None:
        self.frames = []
        self.num_wanted = num_wanted
        self.step = 1
        self.count = 0

    def add(self, frame: np.ndarray) -> None:
        if self.count % self.step == 0:
            self.frames.append(frame)
        self.count += 1
        if len(self.frames) == 2 * self.num_wanted:
            self.frames = self.frames[::2]
            self.step *= 2


def source_name(source: str | Path | int | Iterable[np.ndarray]) -> str:
    """Name for the files made of a source."""
    if isinstance(source, int):
        return f'camera{source}'
    if not isinstance(source, (str, Path)):
        return 'frames'
    path = Path(source).resolve()
    if path.is_dir():
        return path.parent.name if path.name in FRAME_FOLDERS else path.name
    return path.stem


def open_source(
    source: str | Path | int | Iterable[np.ndarray],
) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) RGB uint8 of a source; see `SOTInferencer`."""
    if isinstance(source, int):
        return _read_video(source)
    if not isinstance(source, (str, Path)):
        return iter(source)
    path = Path(source)
    if path.is_dir():
        path = _frame_folder(path)
        names = (
            p for p in path.iterdir() if p.suffix.lower() in IMAGE_ENDINGS
        )
        paths = sorted(map(str, names), key=lambda p: (len(p), p))
        if not paths:
            raise ValueError(
                f'{path} holds no frame, expected files ending in '
                f'{", ".join(IMAGE_ENDINGS)}. Give the folder of the frames.'
            )
        return iter(FrameReader(paths))
    if not path.exists():
        raise FileNotFoundError(
            f'{path} is missing. Expected a video file or a folder of frames.'
        )
    return _read_video(str(path))


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
