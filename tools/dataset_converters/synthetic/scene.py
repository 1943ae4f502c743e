"""A sequence as a description: what moves where, with what look.

Coordinates are continuous frame pixels, origin at the top-left corner of
the top-left pixel. Matrices (T, 2, 3) map an outline's unit frame to them.
"""

from dataclasses import dataclass, field

import numpy as np

from .effects import Effects
from .outlines import Outline

CANVAS = 1.5  # side of the background over that of the frame


@dataclass(frozen=True)
class Look:
    """What an outline is filled with.

    Args:
        seed: seed of the texture.
        hue: turn of the hue in OpenCV's half degrees, 0 for none.
        segment: a segment of a photo (`photos.Segment`) instead of a
            texture.
    """

    seed: int
    hue: int = 0
    segment: object = None


@dataclass(frozen=True)
class Sprite:
    """One moving object; `trim` cuts off what lies outside of it."""

    role: str
    outline: Outline
    look: Look
    matrices: np.ndarray = field(repr=False)
    trim: Outline | None = None

    @property
    def bboxes(self) -> np.ndarray:
        """(T, 4) tight boxes xyxy, not clipped to the image."""
        return moved_bboxes(self.outline, self.matrices)


@dataclass(frozen=True)
class Scene:
    """A whole sequence; sprites are drawn from first to last."""

    size: tuple[int, int]
    sprites: tuple[Sprite, ...]
    target: int
    camera: np.ndarray
    background_seed: int
    effects: Effects

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.camera)

    @property
    def canvas_size(self) -> tuple[int, int]:
        """(width, height) of the background."""
        return canvas_size(self.size)

    def count(self, role: str) -> int:
        """Number of sprites with a role."""
        return sum(sprite.role == role for sprite in self.sprites)

    @property
    def own_texture_distractors(self) -> int:
        """Number of distractors with the very texture of the target."""
        look = self.sprites[self.target].look
        return sum(
            sprite.role == 'distractor' and sprite.look == look
            for sprite in self.sprites
        )


def canvas_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the background for a frame size."""
    return round(CANVAS * size[0]), round(CANVAS * size[1])


def moved_bboxes(outline: Outline, matrices: np.ndarray) -> np.ndarray:
    """(T, 4) tight boxes of an outline under (T, 2, 3) matrices."""
    points = matrices[..., :2] @ outline.points.T + matrices[..., 2:]
    return np.concatenate([points.min(axis=2), points.max(axis=2)], axis=1)
