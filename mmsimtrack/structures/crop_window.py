"""The bridge between the pixels of a frame and the unit square of a crop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .bbox import LARGEST, is_huge


@dataclass(frozen=True)
class CropWindow:
    """A square of a frame, in whole pixels, and the crop it is resized to.

    A box keeps its place exactly: `to_frame(to_crop(bboxes))` is `bboxes`.

    Attributes:
        left: First column of the square in frame pixels; may be negative.
        top: First row of the square in frame pixels; may be negative.
        side: Side of the square in frame pixels, >= 1.
        size: Side of the crop in pixels, >= 1.
    """

    left: int
    top: int
    side: int
    size: int

    @classmethod
    def around(cls, bbox, factor: float, size: int) -> CropWindow:
        """Make the window of `factor` times the box, the box in its middle.

        The side is `ceil(factor * sqrt(w * h))`, the corner is rounded half
        to even, as in STARK-S (paper, Sec. 4.1: `2^2` and `4^2` times the
        target bounding box).

        Args:
            bbox: (4,) xyxy in frame pixels.
            factor: Side of the window over `sqrt(w * h)`.
            size: Side of the crop in pixels.

        Raises:
            ValueError: If the box is not finite or has no area.
        """
        x1, y1, x2, y2 = corners = tuple(map(float, bbox))
        finite = all(abs(x) <= LARGEST for x in corners)  # NaN is not
        if not finite or x2 <= x1 or y2 <= y1:
            wanted = 'box with x1 < x2 and y1 < y2' if finite else 'finite box'
            raise ValueError(
                f'A crop window needs a {wanted}, found xyxy {corners}.'
            )
        # The last bits of x2 - x1 are noise: without rounding them away a
        # box of 20 px may get a window of 41 px instead of 40.
        side = math.ceil(round(factor * math.sqrt((x2 - x1) * (y2 - y1)), 6))
        side = max(side, 1)
        left = round(round((x1 + x2 - side) / 2, 6))
        top = round(round((y1 + y2 - side) / 2, 6))
        return cls(left, top, side, size)

    def cut(self, frame: np.ndarray, reduction: int = 1) -> np.ndarray:
        """Cut the window out of a frame; black where there is no frame.

        Args:
            frame: (H, W, 3) uint8.
            reduction: Number by which the sides of the frame were divided
                when it was read.

        Returns:
            (size, size, 3) uint8, resized bilinearly.
        """
        if reduction > 1:
            return self._cut_reduced(frame, reduction)
        height, width = frame.shape[:2]
        x1, y1 = max(self.left, 0), max(self.top, 0)
        x2 = min(self.left + self.side, width)
        y2 = min(self.top + self.side, height)
        shape = (self.size, self.size, frame.shape[2])
        if x2 <= x1 or y2 <= y1:
            return np.zeros(shape, frame.dtype)
        if is_huge([self.side], frame.shape):  # its border would fill memory
            return self._cut_reduced(frame, 1)
        square = frame[y1:y2, x1:x2]
        if square.shape[:2] != (self.side, self.side):
            above, before = y1 - self.top, x1 - self.left
            below = self.side - above - square.shape[0]
            after = self.side - before - square.shape[1]
            border = above, below, before, after, cv2.BORDER_CONSTANT
            square = cv2.copyMakeBorder(square, *border, value=0)
        return cv2.resize(square, (self.size, self.size))

    def _cut_reduced(self, frame: np.ndarray, reduction: int) -> np.ndarray:
        """Cut a window that begins and ends within pixels of the frame."""
        step = self.side / self.size
        # the center of a pixel has index 0
        x = (self.left + step / 2) / reduction - 0.5
        y = (self.top + step / 2) / reduction - 0.5
        step /= reduction
        matrix, size = np.array([[step, 0, x], [0, step, y]]), (self.size,) * 2
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(frame, matrix, size, flags=flags)

    def reduction(self) -> int:
        """Compute how much a frame may be reduced before the crop is enlarged.

        Returns:
            1, 2, 4 or 8; the window stays at least as large as the crop.
        """
        return max(
            r for r in (1, 2, 4, 8) if r == 1 or self.side >= r * self.size
        )

    def padded_share(self, frame_shape: tuple[int, int]) -> float:
        """Compute the share of the window outside of the frame, in [0, 1].

        Args:
            frame_shape: (H, W) of the frame.
        """
        height, width = frame_shape[:2]
        inside_x = min(self.left + self.side, width) - max(self.left, 0)
        inside_y = min(self.top + self.side, height) - max(self.top, 0)
        inside = max(inside_x, 0) * max(inside_y, 0)
        return 1 - inside / self.side**2

    def to_crop(self, bboxes) -> np.ndarray:
        """Map boxes, xyxy, from frame pixels to the unit square.

        Args:
            bboxes: (..., 4), or points (..., 2).
        """
        bboxes = np.asarray(bboxes, np.float64)
        corner = (self.left, self.top) * (bboxes.shape[-1] // 2)
        return (bboxes - corner) / self.side

    def to_frame(self, bboxes) -> np.ndarray:
        """Map boxes (..., 4) xyxy from the unit square to frame pixels."""
        corner = (self.left, self.top, self.left, self.top)
        return np.asarray(bboxes, np.float64) * self.side + corner
