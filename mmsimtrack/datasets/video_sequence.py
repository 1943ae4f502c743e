"""One annotated video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmsimtrack.datasets.frame_reader import read_frame, read_reduced


@dataclass(frozen=True)
class VideoSequence:
    """One annotated video.

    Attributes:
        name: Unique in its data set.
        frame_template: Path of a frame, with one `{}` field for its number,
            or for its name where there are `frame_names`.
        first_frame: Number of the first frame in its file name.
        num_frames: T.
        bboxes: (T, 4) xyxy in frame pixels; (1, 4) where only the first box
            is public. Rows may be NaN where the target is absent.
        visible: (T,) or (1,) bool.
        backend_args: Of mmengine's file backend, for the frames.
        frame_names: T file names, as text or bytes, where they do not count
            in a row.
        outline: Polygons (P, 2) of x, y around the target of a picture, in
            pixels; see `CocoDataset.outline`.
    """

    name: str
    frame_template: str
    first_frame: int
    num_frames: int
    bboxes: np.ndarray
    visible: np.ndarray
    backend_args: dict | None = None
    frame_names: Sequence[str | bytes] | None = None
    outline: Sequence[np.ndarray] = ()

    def __len__(self) -> int:
        return self.num_frames

    def frame_path(self, t: int) -> str:
        """Path of frame t, 0 <= t < T."""
        if self.frame_names is not None:
            name = os.fsdecode(self.frame_names[t])
            return self.frame_template.format(name)
        return self.frame_template.format(self.first_frame + t)

    def frame_paths(self) -> list[str]:
        """Paths of all frames in order."""
        return [self.frame_path(t) for t in range(len(self))]

    def read_frame(self, t: int) -> np.ndarray:
        """Frame t, (H, W, 3) RGB uint8; see `read_frame`."""
        return read_frame(self.frame_path(t), self.backend_args)

    def read_reduced(self, t: int, reduction: int) -> tuple[np.ndarray, int]:
        """Frame t at a fraction of its size; see `read_reduced`."""
        return read_reduced(self.frame_path(t), self.backend_args, reduction)
