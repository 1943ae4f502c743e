"""One annotated video."""

import os
import os.path as osp
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmsimtrack.datasets.frames import read_frame, read_reduced
from mmsimtrack.structures import xywh_to_xyxy


@dataclass(frozen=True)
class VideoSequence:
    """One annotated video.

    Attributes:
        name: Unique in its data set; results are files of that name.
        frame_template: Path of a frame, whose last part has one `{}` field
            for its number.
        first_frame: Number of the first frame in its file name.
        num_frames: T.
        bboxes_xywh: (T, 4) float64 in frame pixels, exactly as annotated;
            (1, 4) where only the first box is public. Rows may be NaN where
            the target is absent.
        visible: (T,) or (1,) bool, where training may draw the target.
        scored: (T,) or (1,) bool, where the benchmark's own kit takes the
            target for visible.
        frame_names: T file names, as text or bytes, where they do not follow
            from the template.
        outline: Polygons (P, 2) of x, y around the target of a picture, in
            pixels, filled by the even-odd rule; empty where it is unknown.
    """

    name: str
    frame_template: str
    first_frame: int
    num_frames: int
    bboxes_xywh: np.ndarray
    visible: np.ndarray
    scored: np.ndarray
    frame_names: Sequence[str | bytes] | None = None
    outline: Sequence[np.ndarray] = ()

    def __len__(self) -> int:
        return self.num_frames

    @cached_property
    def bboxes(self) -> np.ndarray:
        """(T, 4) or (1, 4) xyxy in frame pixels."""
        return xywh_to_xyxy(self.bboxes_xywh)

    def frame_path(self, t: int) -> str:
        """Return the path of frame t, 0 <= t < T."""
        if self.frame_names is not None:
            folder = osp.dirname(self.frame_template)
            return osp.join(folder, os.fsdecode(self.frame_names[t]))
        return frame_path(self.frame_template, self.first_frame + t)

    def frame_paths(self) -> list[str]:
        """List the paths of all frames in order."""
        return [self.frame_path(t) for t in range(len(self))]

    def read_frame(self, t: int) -> np.ndarray:
        """Read frame t, (H, W, 3) RGB uint8; see `read_frame`."""
        return read_frame(self.frame_path(t))

    def read_reduced(self, t: int, reduction: int) -> tuple[np.ndarray, int]:
        """Read frame t at a fraction of its size; see `read_reduced`."""
        return read_reduced(self.frame_path(t), reduction)


def frame_path(frame_template: str, number: int) -> str:
    """Fill in the number of a frame; folders may hold braces."""
    folder, name = osp.split(frame_template)
    return osp.join(folder, name.format(number))
