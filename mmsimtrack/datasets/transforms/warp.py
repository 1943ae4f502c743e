"""Random geometry of a view, composed into the cut of its crop."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from mmsimtrack.structures import CropWindow

BORDERS = ('reflect', 'background', 'black')


@dataclass(frozen=True)
class RandomWarp:
    """A random warp, which turns, stretches and tilts what a crop shows.

    The middle of the crop stays where it is.

    Attributes:
        rotation: Largest angle in degrees, to either side.
        aspect: Largest logarithm of the ratio that the aspect changes by.
        scale: Standard deviation of the logarithm of the size.
        perspective: How far the plane is tilted: by how much, at most, the
            scale differs between the middle and the border of the crop.
        mirror: Probability that left and right change places.
    """

    rotation: float = 0.0
    aspect: float = 0.0
    scale: float = 0.0
    perspective: float = 0.0
    mirror: float = 0.0

    def draw(self, rng: Generator) -> np.ndarray:
        """Draw a warp: (3, 3), a homography of the crop's unit square."""
        turn, stretch, *tilt = rng.uniform(-1, 1, 4)
        angle = np.radians(self.rotation * turn)
        ratio = np.exp(self.aspect * stretch / 2)
        scale = np.exp(self.scale * rng.standard_normal())
        sides = scale * np.array([ratio, 1 / ratio])
        if rng.random() < self.mirror:
            sides[0] *= -1
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = np.eye(3)
        matrix[:2, :2] = np.array([[cos, -sin], [sin, cos]]) * sides
        matrix[2, :2] = 2 * self.perspective * np.array(tilt)
        middle = _shift(0.5)
        return middle @ matrix @ np.linalg.inv(middle)


class PairWarps:
    """The warps of both views, and what they show beyond the frame.

    Args:
        still: Arguments of `RandomWarp` for `exemplar` and for `search` where
            both are cut from one picture: without a warp they would differ by
            the jitter only.
        video: The same for pairs of two frames.
        border: Shares of what shows beyond the frame: `reflect`, the frame
            mirrored at its border; `background`, a piece of another picture;
            `black`, as when tracking.

    Raises:
        ValueError: If `border` has other keys, or no positive sum.
    """

    def __init__(self, still: dict, video: dict, border: dict) -> None:
        if not set(border) <= set(BORDERS) or sum(border.values()) <= 0:
            raise ValueError(
                f'PairDataset: warp.border is {border}, expected shares of '
                f'{", ".join(BORDERS)} with a positive sum.'
            )
        self._warps = {
            (kind, view): RandomWarp(**cfg)
            for kind, views in (('still', still), ('video', video))
            for view, cfg in views.items()
        }
        self._borders = list(border)
        self._shares = np.divide(list(border.values()), sum(border.values()))

    def draw(self, still: bool, view: str, rng: Generator) -> np.ndarray:
        """Draw the warp of a view; see `RandomWarp.draw`."""
        return self._warps['still' if still else 'video', view].draw(rng)

    def draw_border(self, rng: Generator) -> str:
        """Draw one of `reflect`, `background` and `black`."""
        return str(rng.choice(self._borders, p=self._shares))


def warp_points(points: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """Map points (..., 2) by a homography (3, 3)."""
    mapped = points @ warp[:2, :2].T + warp[:2, 2]
    return mapped / (points @ warp[2, :2] + warp[2, 2])[..., None]


def warp_bbox(bbox: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """Map a box, as the box of the ellipse that fills it.

    The box around a turned box is larger than the one around a turned
    object; for the ellipse in it, both are the same. Under a perspective the
    warp is taken as linear around the middle of the box.

    Args:
        bbox: (4,) xyxy.
        warp: (3, 3) homography.

    Returns:
        (4,) xyxy.
    """
    center, half = (bbox[:2] + bbox[2:]) / 2, (bbox[2:] - bbox[:2]) / 2
    mapped = warp_points(center, warp)
    depth = center @ warp[2, :2] + warp[2, 2]
    jacobian = (warp[:2, :2] - np.outer(mapped, warp[2, :2])) / depth
    reach = np.linalg.norm(jacobian * half, axis=1)
    return np.concatenate([mapped - reach, mapped + reach])


def cut_warped(
    frame: np.ndarray,
    window: CropWindow,
    warp: np.ndarray,
    background: np.ndarray | None = None,
    reduction: int = 1,
) -> np.ndarray:
    """Cut a crop and warp its content, in one step.

    Args:
        frame: (H, W, 3) uint8.
        window: Where to cut.
        warp: (3, 3) homography of the unit square of the crop.
        background: (size, size, 3) uint8 that shows where there is no frame;
            None mirrors the frame at its border.
        reduction: By how much the sides of the frame were divided; see
            `read_reduced`.

    Returns:
        (size, size, 3) uint8.
    """
    shrink = max(int(window.side / (2 * window.size * reduction)), 1)
    height, width = frame.shape[:2]
    if shrink > 1:  # bilinear sampling would skip pixels
        size = max(width // shrink, 1), max(height // shrink, 1)
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    # pixels of this frame -> of the original -> unit square -> crop
    sides = np.array([width, height]) / (frame.shape[1], frame.shape[0])
    to_unit = np.diag([*sides * reduction, 1.0])
    to_unit[:2, 2] -= window.left, window.top
    to_unit[:2] /= window.side
    matrix = np.diag([window.size, window.size, 1.0]) @ warp @ to_unit
    # the middle of a pixel has index 0 in OpenCV
    matrix = _shift(-0.5) @ matrix @ _shift(0.5)
    size = window.size, window.size
    below = None if background is None else background.copy()
    border = (
        cv2.BORDER_REFLECT_101 if below is None else cv2.BORDER_TRANSPARENT
    )
    return cv2.warpPerspective(frame, matrix, size, below, borderMode=border)


def _shift(by: float) -> np.ndarray:
    """Make the homography that adds a number to x and y."""
    return np.array([[1, 0, by], [0, 1, by], [0, 0, 1.0]])
