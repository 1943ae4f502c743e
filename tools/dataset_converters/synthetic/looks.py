"""Looks of objects and backgrounds, drawn without any photograph.

In the unit frame of an object, the tight box of its outline is centered at 0
and has an area of 1 (width * height), so that a scale of s px gives
sqrt(w * h) = s.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

SIDE = 128  # of an object's texture, in px
# Patterns from two coordinates in units of the texture's grain; the fraction
# of what they return, in [0, 1), becomes a color.
PATTERNS = (
    lambda x, y: x,  # stripes
    lambda x, y: (np.floor(x) + np.floor(y)) % 3 / 3,  # checks
    lambda x, y: 1.2 * np.hypot(x % 1 - 0.5, y % 1 - 0.5),  # dots
    lambda x, y: np.hypot(x - x.mean(), y - y.mean()) / 2,  # rings
)


@dataclass(frozen=True)
class Look:
    """What an object looks like.

    Args:
        outline: (N, 2) vertices xy of its outline in the unit frame.
        texture: (S, S, 3) RGB uint8 of the square [-extent, extent]^2.
        extent: Half the side of that square; a bit more than the largest
            coordinate of the outline.
    """

    outline: np.ndarray
    texture: np.ndarray
    extent: float


class Textures:
    """Draws objects and backgrounds with textures from a generator."""

    def texture(self, rng: Generator, height: int, width: int) -> np.ndarray:
        """Draw the texture of an object, (height, width, 3) RGB uint8."""
        grain = min(height, width) * rng.uniform(0.09, 0.25)
        return draw_texture(rng, height, width, grain)

    def background(
        self, rng: Generator, height: int, width: int
    ) -> np.ndarray:
        """Draw a background with features of 8 px up to its whole side."""
        largest = min(height, width) / rng.choice([1, 4])
        grain = np.exp(rng.uniform(np.log(8), np.log(largest)))
        return draw_texture(rng, height, width, grain)

    def draw_look(
        self, rng: Generator, outline: np.ndarray | None = None
    ) -> Look:
        """Draw an object, with a random outline if none is given."""
        if outline is None:
            outline = draw_outline(rng)
        texture = self.texture(rng, SIDE, SIDE)
        return Look(outline, texture, 1.05 * np.abs(outline).max())

    def draw_twin(self, rng: Generator, look: Look) -> Look:
        """Draw an object with the very texture of another one."""
        outline = draw_outline(rng)
        return Look(outline, look.texture, 1.05 * np.abs(outline).max())


def unit_outline(points: np.ndarray) -> np.ndarray:
    """Shift and scale (N, 2) vertices of any unit into the unit frame."""
    low, sides = points.min(axis=0), np.ptp(points, axis=0)
    return (points - low - sides / 2) / np.sqrt(sides.prod())


def draw_outline(rng: Generator) -> np.ndarray:
    """Draw a polygon of 4 to 8 vertices or a blob, of aspect 0.45 to 2.2."""
    num = int(rng.choice([rng.integers(4, 9), 96]))
    angles = np.linspace(0, 2 * np.pi, num, endpoint=False)
    order = np.arange(2, 7)[:, None]
    waves = np.sin(order * angles + rng.uniform(0, 2 * np.pi, (5, 1)))
    weights = rng.uniform(0.1, 0.5) * rng.normal(0, 1, (5, 1)) / order
    radius = np.maximum(1 + (weights * waves).sum(axis=0), 0.25)
    angles += rng.uniform(0, 2 * np.pi)
    points = radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    sides = np.ptp(points, axis=0)
    aspect = sides[0] / sides[1] * np.exp(rng.uniform(-0.35, 0.35))
    return unit_outline(points / sides * (np.clip(aspect, 0.45, 2.2), 1))


def draw_texture(
    rng: Generator, height: int, width: int, grain: float
) -> np.ndarray:
    """Draw a pattern or clouds in a few colors, under uneven light.

    Args:
        grain: Size of its features in px.

    Returns:
        (height, width, 3) RGB uint8.
    """

    def noise(cell: float) -> np.ndarray:
        """Draw smooth noise, a knot every `cell` px: (H, W) in [0, 1]."""
        knots = [int(n / cell) + 2 for n in (height, width)]
        size, method = (width, height), cv2.INTER_CUBIC
        field = rng.random(knots, np.float32)
        return np.clip(cv2.resize(field, size, interpolation=method), 0, 1)

    kind = int(rng.integers(len(PATTERNS) + 2))
    if kind < len(PATTERNS):
        y, x = np.mgrid[:height, :width] / (grain * rng.uniform(1, 2))
        angle, bend = rng.uniform(0, np.pi), rng.choice([0, 0.6, 1.5])
        cos, sin = np.cos(angle), np.sin(angle)
        # rotated, and slightly bent
        axes = x * cos + y * sin, y * cos - x * sin
        axes = (axis + bend * noise(3 * grain) for axis in axes)
        field = PATTERNS[kind](*axes) % 1
    else:
        field = (2 * noise(2 * grain) + noise(grain)) / 3
        field = cv2.normalize(field, None, 0, 1, cv2.NORM_MINMAX)
    # 3 to 6 colors around one
    spread = rng.uniform(20, 90)
    colors = rng.normal(0, spread, (1, rng.integers(3, 7), 3))
    colors = np.clip(rng.uniform(40, 215, 3) + colors, 0, 255)
    method = int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR]))
    (palette,) = cv2.resize(colors, (256, 1), interpolation=method)
    light = 1 - rng.uniform(0, 0.4) * noise(5 * grain)
    light -= rng.choice([0, 0.2]) * noise(2)
    return np.uint8(palette[np.uint8(field * 255)] * light[..., None])
