"""Procedural textures: RGB uint8 images drawn from a generator.

`grain` is the size of a texture's features in pixels.
"""

import cv2
import numpy as np

from .noise import axes, colorize, draw_palette, noise, octaves

GLYPHS = 'ABCDEFGHKLMNPQRSTUVXYZ23456789&#%@?'


def clouds(rng, height, width, grain, palette):
    """Smooth or stepped noise; stepped, it looks like camouflage."""
    field = octaves(rng, height, width, 2 * grain)
    return colorize(field, palette, smooth=rng.random() < 0.5)


def stripes(rng, height, width, grain, palette):
    """Stripes, straight or bent, sharp or soft."""
    first, _ = axes(rng, height, width, 2 * grain)
    if rng.random() < 0.4:
        return colorize(0.5 + 0.5 * np.sin(2 * np.pi * first), palette, True)
    return colorize(first - np.floor(first), palette, smooth=False)


def checks(rng, height, width, grain, palette):
    """A checker board of up to four colors."""
    first, second = axes(rng, height, width, grain)
    num = int(rng.integers(2, min(4, len(palette)) + 1))
    index = (np.floor(first) + np.floor(second)) % num
    return colorize((index + 0.5) / num, palette[:num], smooth=False)


def dots(rng, height, width, grain, palette):
    """Dots of random size on a grid with every second row shifted."""
    first, second = axes(rng, height, width, 1.4 * grain)
    first = first + 0.5 * (np.floor(second) % 2)
    across, down = first - np.floor(first), second - np.floor(second)
    distance = np.hypot(across - 0.5, down - 0.5)
    radius = rng.uniform(0.2, 0.42)
    base = plain(rng, height, width, grain, palette)
    edge = np.clip((radius - distance) * grain + 0.5, 0, 1)
    colors = np.empty_like(base)
    colors[:] = palette[-1]
    return blended(base, colors, edge)


def cells(rng, height, width, grain, palette):
    """Voronoi cells, one palette color with some spread each."""
    num = int(np.clip(height * width / (1.5 * grain) ** 2, 4, 600))
    image = np.full((height, width), 255, np.uint8)
    image[rng.integers(0, height, num), rng.integers(0, width, num)] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        image, cv2.DIST_L2, cv2.DIST_MASK_3, labelType=cv2.DIST_LABEL_PIXEL
    )
    colors = palette[rng.integers(0, len(palette), labels.max() + 1)]
    colors = colors + rng.normal(0, 14, colors.shape)
    texture = np.clip(colors, 0, 255).astype(np.uint8)[labels]
    if rng.random() < 0.5:
        shade = np.clip(1.1 - 0.5 * distance / grain, 0.3, 1)
        texture = shaded(texture, shade)
    return texture


def plain(rng, height, width, grain, palette):
    """A color gradient."""
    first, _ = axes(rng, height, width, max(height, width) * 1.5)
    return colorize(first - first.min(), palette[:2], smooth=True)


def patches(rng, height, width, grain, palette):
    """Overlapping rectangles, disks and lines."""
    texture = plain(rng, height, width, grain, palette)
    for _ in range(int(np.clip(height * width / grain**2 / 2, 6, 150))):
        color = palette[rng.integers(len(palette))].tolist()
        x, y = (int(rng.integers(-5, side + 5)) for side in (width, height))
        a, b = (int(v) for v in rng.uniform(0.2, 1.1, 2) * grain)
        kind = rng.integers(3)
        if kind == 0:
            cv2.ellipse(
                texture,
                (x, y),
                (a + 1, b + 1),
                rng.uniform(0, 180),
                0,
                360,
                color,
                -1,
                cv2.LINE_AA,
            )
        elif kind == 1:
            cv2.rectangle(texture, (x, y), (x + 2 * a, y + b), color, -1)
        else:
            end = rng.normal(0, 2 * grain, 2).astype(int) + (x, y)
            cv2.line(
                texture,
                (x, y),
                end.tolist(),
                color,
                max(1, int(grain / 6)),
                cv2.LINE_AA,
            )
    return texture


def glyphs(rng, height, width, grain, palette):
    """Letters and digits on a gradient."""
    texture = plain(rng, height, width, grain, palette)
    for _ in range(int(np.clip(height * width / grain**2 / 4, 3, 80))):
        color = palette[rng.integers(len(palette))].tolist()
        x, y = (int(rng.integers(-5, side)) for side in (width, height))
        cv2.putText(
            texture,
            GLYPHS[rng.integers(len(GLYPHS))],
            (x, y + 10),
            int(rng.integers(0, 8)),
            rng.uniform(0.5, 1.3) * grain / 12,
            color,
            max(1, int(grain / 7)),
            cv2.LINE_AA,
        )
    return texture


def rings(rng, height, width, grain, palette):
    """Rings around a point, bent by noise."""
    rows, cols = np.mgrid[:height, :width].astype(np.float32)
    center = rng.uniform(-0.1, 1.1, 2) * (height, width)
    radius = np.hypot(rows - center[0], cols - center[1]) / (2.5 * grain)
    radius += rng.choice([0, 1]) * noise(rng, height, width, 3 * grain)
    return colorize(
        radius - np.floor(radius), palette, smooth=rng.random() < 0.3
    )


STYLES = (
    clouds,
    clouds,
    stripes,
    checks,
    dots,
    cells,
    cells,
    patches,
    glyphs,
    rings,
)


def blended(
    first: np.ndarray, second: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Mix two (H, W, 3) uint8 images by the share (H, W) of the second."""
    share = share.astype(np.float32)
    return cv2.blendLinear(first, second, 1 - share, share)


def shaded(image: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Multiply (H, W, 3) uint8 by (H, W) in [0, 1]."""
    # Three times as fast as cv2.multiply of uint8 and float32.
    return blended(np.zeros_like(image), image, gain)


class ProceduralTextures:
    """Backgrounds and looks without any photograph."""

    def draw_segment(self, rng: np.random.Generator) -> None:
        """There are no segments of photos here."""

    def texture(
        self, rng: np.random.Generator, height: int, width: int, grain: float
    ) -> np.ndarray:
        """Draw a texture: one style, or two mixed by noise."""
        styles = [STYLES[i] for i in rng.integers(0, len(STYLES), 2)]
        palette = draw_palette(rng)
        texture = styles[0](rng, height, width, grain, palette)
        if rng.random() < 0.35:
            other = styles[1](rng, height, width, grain, draw_palette(rng))
            share = noise(rng, height, width, 4 * grain)
            share = np.clip((share - rng.uniform(0.4, 0.6)) * 12 + 0.5, 0, 1)
            texture = blended(texture, other, share)
        depth = rng.uniform(0, 0.45)
        gain = 1 + depth * (noise(rng, height, width, 5 * grain) - 0.5)
        if rng.random() < 0.6:
            gain += rng.uniform(0, 0.3) * (noise(rng, height, width, 2) - 0.5)
        return shaded(texture, gain / gain.max())

    def background(
        self, rng: np.random.Generator, height: int, width: int
    ) -> np.ndarray:
        """Draw a gradient, or features of up to a quarter of the side."""
        if rng.random() < 0.08:
            return plain(rng, height, width, 1, draw_palette(rng))
        grain = np.exp(rng.uniform(np.log(8), np.log(min(height, width) / 4)))
        return self.texture(rng, height, width, grain)
