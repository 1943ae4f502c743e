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
    lambda rng, x, y: x,  # stripes
    lambda rng, x, y: np.abs(x % 1 - 0.5) * 2,  # tubes
    lambda rng, x, y: (np.floor(x) + np.floor(y)) % rng.integers(2, 4) / 3,
    lambda rng, x, y: (
        1.2 * np.hypot(x % 1 - 0.5, (y + 0.5 * np.floor(x)) % 1 - 0.5)
    ),  # dots
    lambda rng, x, y: np.hypot(x - rng.normal(x.mean()), y) / 2,  # rings
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
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - (low + high) / 2) / np.sqrt(np.prod(high - low))


def draw_outline(rng: Generator) -> np.ndarray:
    """Draw a polygon, a blob or a star, of aspect 0.45 to 2.2."""
    kind = rng.integers(3)
    if kind == 0:  # polygon
        num = int(rng.integers(4, 9))
        angles = (np.arange(num) + rng.uniform(-0.3, 0.3, num)) / num
        angles, radius = 2 * np.pi * angles, rng.uniform(0.55, 1, num)
    else:
        angles = np.linspace(0, 2 * np.pi, 96, endpoint=False)
        order = np.arange(2, 7)[:, None]
        waves = np.sin(order * angles + rng.uniform(0, 2 * np.pi, (5, 1)))
        weights = rng.uniform(0.1, 0.4) * rng.normal(0, 1, (5, 1)) / order
        radius = 1 + (weights * waves).sum(axis=0)
        if kind == 2:  # star
            teeth = rng.integers(3, 8) * angles / (2 * np.pi) % 1
            radius *= 1 - rng.uniform(0.5, 1.2) * np.abs(teeth - 0.5)
        radius = np.maximum(radius, 0.25)
    angles = angles + rng.uniform(0, 2 * np.pi)
    points = radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    sides = np.ptp(points, axis=0)
    aspect = sides[0] / sides[1] * np.exp(rng.uniform(-0.35, 0.35))
    return unit_outline(points / sides * (np.clip(aspect, 0.45, 2.2), 1))


def draw_bar(rng: Generator) -> np.ndarray:
    """Draw the outline of a long bar."""
    x = rng.uniform(0.1, 0.17)
    return unit_outline(np.array([[-x, -0.5], [x, -0.5], [x, 0.5], [-x, 0.5]]))


def draw_texture(
    rng: Generator, height: int, width: int, grain: float
) -> np.ndarray:
    """Draw a pattern, clouds, or clouds with ellipses, under uneven light.

    Args:
        grain: Size of its features in px.

    Returns:
        (height, width, 3) RGB uint8.
    """
    palette = _draw_palette(rng)
    kind = int(rng.integers(len(PATTERNS) + 3))
    if kind < len(PATTERNS):
        x, y = _draw_axes(rng, height, width, grain * rng.uniform(1, 2))
        field = PATTERNS[kind](rng, x, y) % 1
    else:
        field = noise_field(rng, height, width, 2 * grain)
        field = (2 * field + noise_field(rng, height, width, grain)) / 3
        field = cv2.normalize(field, None, 0, 1, cv2.NORM_MINMAX)
    texture = _colorize(field, palette, smooth=rng.random() < 0.5)
    if kind > len(PATTERNS):
        _scatter(rng, texture, grain, palette)
    # three times as fast as cv2.multiply of uint8 and float32
    gain = 1 - rng.uniform(0, 0.4) * noise_field(rng, height, width, 5 * grain)
    gain -= rng.choice([0, 0.2]) * noise_field(rng, height, width, 2)
    return cv2.blendLinear(texture, np.zeros_like(texture), gain, 1 - gain)


def noise_field(
    rng: Generator, height: int, width: int, cell: float
) -> np.ndarray:
    """Draw smooth noise, a knot every `cell` px: (H, W) float32 in [0, 1]."""
    # small first: warping knows 32 places between two knots only
    zoom = max(1.0, cell / 16)
    cell, small = cell / zoom, (int(width / zoom) + 1, int(height / zoom) + 1)
    knots = rng.random([int(n / cell) + 5 for n in small[::-1]], np.float32)
    x, y = rng.uniform(1, 2, 2)
    field = cv2.warpAffine(
        knots,
        np.array([[1 / cell, 0, x], [0, 1 / cell, y]]),
        small,
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
    )
    field = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(field, 0, 1)


def _draw_palette(rng: Generator) -> np.ndarray:
    """Draw 3 to 6 colors around one or two hues, (K, 3) RGB uint8."""
    num = int(rng.integers(3, 7))
    hue = rng.uniform(0, 180) + rng.choice([0, 0, 90]) * (np.arange(num) % 2)
    hue = (hue + rng.normal(0, rng.uniform(4, 45), num)) % 180
    saturation = rng.uniform(20, 255) + rng.normal(0, 35, num)
    value = np.linspace(rng.uniform(15, 110), rng.uniform(150, 255), num)
    hsv = np.stack([hue, saturation, rng.permutation(value)], axis=1)
    hsv = np.clip(hsv, 0, (179, 255, 255)).astype(np.uint8)
    return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]


def _colorize(field, palette, smooth: bool) -> np.ndarray:
    """Look up a field (H, W) in [0, 1] in a palette: (H, W, 3) uint8."""
    levels = np.linspace(0, len(palette) - 1e-3, 256)
    table = palette[levels.astype(int)]
    if smooth:
        # around, so that the end of a period meets its beginning
        around = np.concatenate([palette, palette[:1]])
        knots = np.arange(len(around))
        table = [np.interp(levels, knots, channel) for channel in around.T]
        table = np.stack(table, axis=1).astype(np.uint8)
    index = (np.clip(field, 0, 1) * 255).astype(np.uint8)
    return cv2.LUT(cv2.merge([index] * 3), table[None])


def _draw_axes(rng, height, width, grain) -> tuple[np.ndarray, np.ndarray]:
    """Draw two rotated, slightly bent coordinates in units of `grain`."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / np.float32(grain)
    angle, bend = np.float32(rng.uniform(0, np.pi)), rng.choice([0, 0.6, 1.5])
    cos, sin = np.cos(angle), np.sin(angle)
    return tuple(
        axis
        + rng.random(dtype=np.float32)
        + np.float32(bend) * noise_field(rng, height, width, 3 * grain)
        for axis in (x * cos + y * sin, y * cos - x * sin)
    )


def _scatter(rng, texture, grain, palette) -> None:
    """Draw ellipses and rectangles on a texture, in place."""
    height, width = texture.shape[:2]
    num = int(np.clip(height * width / grain**2 / 2, 6, 120))
    for _ in range(num):
        color = palette[rng.integers(len(palette))].tolist()
        x, y = (rng.random(2) * (width, height)).astype(int).tolist()
        a, b = (1 + rng.uniform(0.2, 1.1, 2) * grain).astype(int).tolist()
        if rng.random() < 0.5:
            angle = rng.uniform(0, 180)
            cv2.ellipse(texture, (x, y), (a, b), angle, 0, 360, color, -1)
        else:
            cv2.rectangle(texture, (x, y), (x + 2 * a, y + b), color, -1)
