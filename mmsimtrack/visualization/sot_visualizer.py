"""Pictures of tracking: frames, videos, contact sheets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from mmengine.visualization import Visualizer

from mmsimtrack.fileio import replace_atomically
from mmsimtrack.registry import VISUALIZERS

PRED_COLOR = (255, 64, 32)
GT_COLOR = (64, 220, 64)


@VISUALIZERS.register_module()
class SOTVisualizer(Visualizer):
    """A mmengine `Visualizer` that draws boxes of single-object tracking."""

    @staticmethod
    def draw_frame(
        frame: np.ndarray,
        pred_bbox=None,
        gt_bbox=None,
        text: str | None = None,
    ) -> np.ndarray:
        """Draw boxes on a copy of a frame: prediction red, annotation green.

        Args:
            frame: (H, W, 3) RGB uint8.
            pred_bbox: (4,) xyxy in frame pixels, or None.
            gt_bbox: (4,) xyxy in frame pixels, or None; NaN is not drawn.
            text: Written into the upper left corner.

        Returns:
            (H, W, 3) RGB uint8.
        """
        frame = np.ascontiguousarray(frame).copy()
        thickness = max(round(min(frame.shape[:2]) / 180), 1)
        for bbox, color in ((gt_bbox, GT_COLOR), (pred_bbox, PRED_COLOR)):
            if bbox is None or not np.isfinite(bbox).all():
                continue
            # a box ends on the far edge of its last pixel
            x1, y1, x2, y2 = np.round(bbox).astype(int).tolist()
            cv2.rectangle(frame, (x1, y1), (x2 - 1, y2 - 1), color, thickness)
        if text:
            scale = max(min(frame.shape[:2]) / 480, 0.45)
            origin = (4, round(26 * scale))
            for color, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
                cv2.putText(
                    frame,
                    text,
                    origin,
                    cv2.FONT_HERSHEY_SIMPLEX,
                    scale,
                    color,
                    width * max(round(scale), 1),
                    cv2.LINE_AA,
                )
        return frame


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write an RGB image; the ending names the format.

    Raises:
        OSError: If it cannot be written.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path) as temporary:
        bgr = np.ascontiguousarray(image[..., ::-1])
        if not cv2.imwrite(str(temporary), bgr):
            raise OSError(f'OpenCV could not write {path}.')


class VideoWriter:
    """A writer of RGB frames to an MP4 that appears once it is closed.

    Args:
        path: Video file.
        fps: Frames per second.
    """

    def __init__(self, path: str | Path, fps: float = 25) -> None:
        self.path = Path(path)
        self.fps = fps
        self._writer = None
        self._replacement = replace_atomically(self.path)

    def __enter__(self) -> VideoWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = self._replacement.__enter__()
        return self

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, (H, W, 3) RGB uint8.

        The first frame sets the size of the video; others are resized to it.

        Raises:
            OSError: If OpenCV has no encoder for MP4.
        """
        if self._writer is None:
            self._size = height, width = frame.shape[:2]
            codec = cv2.VideoWriter_fourcc(*'mp4v')
            self._writer = cv2.VideoWriter(
                str(self._temporary), codec, self.fps, (width, height)
            )
            if not self._writer.isOpened():
                raise OSError(f'OpenCV cannot write the video {self.path}.')
        if frame.shape[:2] != self._size:
            frame = cv2.resize(frame, self._size[::-1])
        self._writer.write(np.ascontiguousarray(frame[..., ::-1]))

    def __exit__(self, *exception) -> None:
        if self._writer is not None:
            self._writer.release()
        self._replacement.__exit__(*exception)


def contact_sheet(
    frames: Iterable[np.ndarray], num_columns: int = 4, width: int = 320
) -> np.ndarray:
    """Put frames of one video side by side.

    Args:
        frames: (H, W, 3) RGB uint8 each, of one size.
        num_columns: Frames in a row.
        width: Width of a frame on the sheet, in pixels.

    Returns:
        (rows * h, num_columns * width, 3) RGB uint8.
    """
    frames = list(frames)
    height = round(width * frames[0].shape[0] / frames[0].shape[1])
    rows = math.ceil(len(frames) / num_columns)
    sheet = np.full((rows * height, num_columns * width, 3), 255, np.uint8)
    for i, frame in enumerate(frames):
        y, x = i // num_columns * height, i % num_columns * width
        small = cv2.resize(
            frame, (width, height), interpolation=cv2.INTER_AREA
        )
        sheet[y : y + height, x : x + width] = small
    return sheet
