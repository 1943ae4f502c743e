"""Looks of objects and backgrounds, drawn without any photograph.

In the unit frame of an object, the tight box of its outline is centered at 0
and has an area of 1 (width * height), so that a scale of s px gives
sqrt(w * h) = s.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 128  # of an object's texture, in px
GLYPHS = 'ABCDEFGHKLMNPQRSTUVXYZ23456789&#%@?'
# fields of styles, from two coordinates in units of the texture's grain;
# their fraction in [0, 1) becomes a color
FIELDS = (
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
    """Backgrounds and objects with textures that come from a generator."""

    def texture(
        self, rng: np.random.Generator, height: int, width: int
    ) -> np.ndarray:
        """Draw the texture of an object."""
        grain = min(height, width) * rng.uniform(0.09, 0.25)
        return draw_texture(rng, height, width, grain)

    def background(
        self, rng: np.random.Generator, height: int, width: int
    ) -> np.ndarray:
        """Draw a gradient, or features of 8 px to a quarter of the side."""
        if rng.random() < 0.4:
            field = noise_field(rng, height, width, max(height, width))
            return _colorize(field, _draw_palette(rng), smooth=True)
        grain = np.exp(rng.uniform(np.log(8), np.log(min(height, width) / 4)))
        return draw_texture(rng, height, width, grain)

    def draw_look(
        self, rng: np.random.Generator, outline: np.ndarray | None = None
    ) -> Look:
        """Draw an object, with a random outline if none is given."""
        if outline is None:
            outline = draw_outline(rng)
        texture = self.texture(rng, SIDE, SIDE)
        return Look(outline, texture, 1.05 * np.abs(outline).max())

    def draw_twin(self, rng: np.random.Generator, look: Look) -> Look:
        """Draw an object with the very texture of another one."""
        outline = draw_outline(rng)
        return Look(outline, look.texture, 1.05 * np.abs(outline).max())


def unit_outline(points: np.ndarray) -> np.ndarray:
    """Shift and scale (N, 2) vertices of any unit into the unit frame."""
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - (low + high) / 2) / np.sqrt(np.prod(high - low))


def draw_outline(rng: np.random.Generator) -> np.ndarray:
    """Draw an irregular, star-shaped outline of aspect 0.45 to 2.2."""
    angles = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    kind = rng.integers(4)
    if kind == 0:  # ragged polygon
        num = int(rng.integers(4, 9))
        angles = (np.arange(num) + rng.uniform(-0.3, 0.3, num)) / num
        angles, radius = 2 * np.pi * angles, rng.uniform(0.55, 1, num)
    elif kind == 1:  # body with limbs
        limbs = rng.uniform(0, 2 * np.pi, (int(rng.integers(2, 6)), 1))
        bumps = np.exp(rng.uniform(10, 30) * (np.cos(angles - limbs) - 1))
        radius = 0.4 + (rng.uniform(0.2, 0.6, limbs.shape) * bumps).max(axis=0)
    else:  # smooth blob, or star
        order = np.arange(2, 7)[:, None]
        waves = np.sin(order * angles + rng.uniform(0, 2 * np.pi, (5, 1)))
        weights = rng.uniform(0.1, 0.4) * rng.normal(0, 1, (5, 1)) / order
        radius = 1 + (weights * waves).sum(axis=0)
        if kind == 3:
            spikes = int(rng.integers(3, 8)) * angles / (2 * np.pi)
            teeth = np.abs(spikes % 1 - 0.5) * 2
            radius = radius * (1 - rng.uniform(0.25, 0.6) * teeth)
        radius = np.maximum(radius, 0.25)
    angles = angles + rng.uniform(0, 2 * np.pi)
    points = radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    sides = np.ptp(points, axis=0)
    aspect = sides[0] / sides[1] * np.exp(rng.uniform(-0.35, 0.35))
    return unit_outline(points / sides * (np.clip(aspect, 0.45, 2.2), 1))


def draw_bar(rng: np.random.Generator) -> np.ndarray:
    """Draw the outline of a long bar with wavy sides."""
    along = np.linspace(-0.5, 0.5, 24)
    left, right = (
        0.03 * np.sin(2 * np.pi * (rng.uniform(0.5, 3) * along + rng.random()))
        + rng.uniform(0.1, 0.17)
        for _ in range(2)
    )
    points = [np.stack([-left, along], 1), np.stack([right, along], 1)[::-1]]
    return unit_outline(np.concatenate(points))


def draw_texture(
    rng: np.random.Generator, height: int, width: int, grain: float
) -> np.ndarray:
    """Draw a texture: one style, or two mixed by noise.

    Args:
        grain: Size of its features in px.

    Returns:
        (height, width, 3) RGB uint8.
    """
    texture = _draw_style(rng, height, width, grain)
    if rng.random() < 0.35:
        other = _draw_style(rng, height, width, grain)
        share = noise_field(rng, height, width, 4 * grain)
        share = np.clip((share - rng.uniform(0.4, 0.6)) * 12 + 0.5, 0, 1)
        texture = cv2.blendLinear(texture, other, 1 - share, share)
    # uneven light; three times as fast as cv2.multiply of uint8 and float32
    gain = 1 - rng.uniform(0, 0.4) * noise_field(rng, height, width, 5 * grain)
    gain -= rng.choice([0, 0.2]) * noise_field(rng, height, width, 2)
    black = np.zeros_like(texture)
    return cv2.blendLinear(texture, black, gain, 1 - gain)


def noise_field(
    rng: np.random.Generator, height: int, width: int, cell: float
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


def _draw_style(rng, height, width, grain) -> np.ndarray:
    palette = _draw_palette(rng)
    kind = int(rng.integers(10))
    if kind < len(FIELDS):
        x, y = _draw_axes(rng, height, width, grain * rng.uniform(1, 2))
        field = FIELDS[kind](rng, x, y) % 1
        return _colorize(field, palette, smooth=rng.random() < 0.4)
    if kind < 7:
        return _draw_cells(rng, height, width, grain, palette)
    octaves = sum(
        noise_field(rng, height, width, 2 * grain / 2**i) / 2**i
        for i in range(3)
    )
    clouds = cv2.normalize(octaves, None, 0, 1, cv2.NORM_MINMAX)
    clouds = _colorize(clouds, palette, smooth=rng.random() < 0.5)
    return clouds if kind == 7 else _scatter(rng, clouds, grain, palette)


def _draw_palette(rng: np.random.Generator) -> np.ndarray:
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


def _draw_cells(rng, height, width, grain, palette) -> np.ndarray:
    """Draw Voronoi cells, darker towards their borders or not."""
    num = int(np.clip(height * width / (1.5 * grain) ** 2, 4, 600))
    points = np.full((height, width), 255, np.uint8)
    points[rng.integers(0, height, num), rng.integers(0, width, num)] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        points, cv2.DIST_L2, cv2.DIST_MASK_3, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = palette[rng.integers(0, len(palette), labels.max() + 1)]
    colors = colors + rng.normal(0, 14, colors.shape)
    texture = np.clip(colors, 0, 255).astype(np.uint8)[labels]
    if rng.random() < 0.5:
        gain = np.clip(1.1 - 0.5 * distance / np.float32(grain), 0.3, 1)
        texture = cv2.blendLinear(texture, texture * 0, gain, 1 - gain)
    return texture


def _scatter(rng, texture, grain, palette) -> np.ndarray:
    """Draw ellipses, rectangles and lines on a texture, or letters."""
    height, width = texture.shape[:2]
    letters = rng.random() < 0.4
    num = height * width / grain**2 / (4 if letters else 2)
    for _ in range(int(np.clip(num, 6, 120))):
        color = palette[rng.integers(len(palette))].tolist()
        x, y = (rng.random(2) * (width, height)).astype(int).tolist()
        a, b = (1 + rng.uniform(0.2, 1.1, 2) * grain).astype(int).tolist()
        kind = 3 if letters else rng.integers(3)
        if kind == 0:
            angle = rng.uniform(0, 180)
            cv2.ellipse(texture, (x, y), (a, b), angle, 0, 360, color, -1)
        elif kind == 1:
            cv2.rectangle(texture, (x, y), (x + 2 * a, y + b), color, -1)
        elif kind == 2:
            end = (x + rng.choice([-2, 2]) * a, y + rng.choice([-2, 2]) * b)
            cv2.line(texture, (x, y), end, color, max(1, int(grain / 6)))
        else:
            glyph = GLYPHS[rng.integers(len(GLYPHS))]
            font, scale = int(rng.integers(8)), a / 10
            pen = max(1, int(grain / 7))
            cv2.putText(texture, glyph, (x, y), font, scale, color, pen, 16)
    return texture
