"""Track a target in a video, a folder, a camera or any frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger

from mmsimtrack.apis.sources import (
    Source,
    open_source,
    source_fps,
    source_name,
)
from mmsimtrack.apis.zoo import find_model
from mmsimtrack.fileio import write_bboxes_xywh
from mmsimtrack.models import SOTTracker
from mmsimtrack.models.weights import load_model
from mmsimtrack.registry import INFERENCERS, MODELS
from mmsimtrack.structures import xyxy_to_xywh
from mmsimtrack.visualization import (
    SOTVisualizer,
    VideoWriter,
    contact_sheet,
    write_image,
)


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
        model: Name of the model zoo (see `list_models`), path of a config, a
            `Config`, or a built `SOTTracker`.
        weights: Checkpoint to load into it. None takes those of the zoo, if
            the package has them; it keeps the weights of a built model, and
            those of a config random.
        device: Such as `cuda:0` or `cpu`; None takes an accelerator if there
            is one.
        trust_checkpoint: Allow Python objects in `weights`; loading them can
            run code in the file.

    Raises:
        FileNotFoundError: If there are no such weights.
        ValueError: If there is no such model, or the weights cannot be read
            safely or do not fit it.
    """

    def __init__(
        self,
        model: str | Path | Config | SOTTracker,
        weights: str | Path | None = None,
        device: str | torch.device | None = None,
        trust_checkpoint: bool = False,
    ) -> None:
        if isinstance(model, str) and not model.endswith('.py'):
            model, shipped = find_model(model)
            weights = weights or shipped
        if isinstance(model, (str, Path)):
            model = Config.fromfile(model)
        if isinstance(model, Config):
            model = MODELS.build(model.model)
            if weights is None:
                MMLogger.get_current_instance().warning(
                    'SOTInferencer: weights is None, so the network is '
                    'random. Give a checkpoint to track with.'
                )
        if weights is not None:
            load_model(model, weights, trust_checkpoint)
        self.model = model.to(device or get_device()).eval()

    def __call__(
        self,
        source: Source,
        bbox,
        out_dir: str | Path | None = None,
    ) -> dict:
        """Track through a whole source.

        Args:
            source: Video file, address of a stream (`rtsp://...`), folder of
                frames (sorted by name), number of a camera, or an iterable of
                frames (H, W, 3) RGB uint8. Ctrl-C ends it.
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
        files, tracked = {}, []
        frames = self.stream(source, bbox)
        if out_dir is not None:
            stem = Path(out_dir) / source_name(source)
            files = {
                'boxes': Path(f'{stem}.txt'),
                'video': Path(f'{stem}.mp4'),
                'sheet': Path(f'{stem}.png'),
            }
            frames = _draw(frames, files, source_fps(source))
        try:
            for one in frames:
                tracked.append((one.bbox, one.score))
        except KeyboardInterrupt:  # how a camera ends
            if not tracked:
                raise
            frames.close()
        bboxes, scores = zip(*tracked)
        bboxes = np.stack(bboxes)
        if files:
            write_bboxes_xywh(files['boxes'], xyxy_to_xywh(bboxes))
        return {
            'bboxes': bboxes,
            'scores': np.array(scores),
            'files': files,
        }

    def stream(self, source: Source, bbox) -> Iterator[TrackedFrame]:
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


def _draw(
    frames: Iterator[TrackedFrame], files: dict[str, Path], fps: float
) -> Iterator[TrackedFrame]:
    """Pass tracked frames on, and make a video and a contact sheet of them.

    The files are completed when the frames end, and also when the iterator is
    closed before.
    """
    shown = _Shown()
    with VideoWriter(files['video'], fps) as video:
        try:
            for i, one in enumerate(frames):
                text = f'#{i}  {one.score:.2f}'
                drawn = SOTVisualizer.draw_frame(
                    one.frame, one.bbox, text=text
                )
                video.write(drawn)
                shown.add(drawn)
                yield one
        except (GeneratorExit, KeyboardInterrupt):
            if not shown.frames:
                raise
    if shown.frames:
        write_image(files['sheet'], contact_sheet(shown.frames))


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
