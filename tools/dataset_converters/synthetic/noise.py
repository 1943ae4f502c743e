"""Palettes, noise and coordinates that textures are made of."""

import cv2
import numpy as np


def draw_palette(rng: np.random.Generator) -> np.ndarray:
    """Draw 3 to 6 colors around one or two hues, (K, 3) RGB uint8."""
    num = int(rng.integers(3, 7))
    hues = rng.uniform(0, 180) + rng.choice([0, 0, 90]) * (np.arange(num) % 2)
    hues = hues + rng.normal(0, rng.uniform(4, 45), num)
    saturation = rng.uniform(20, 255) + rng.normal(0, 35, num)
    value = np.linspace(rng.uniform(15, 110), rng.uniform(150, 255), num)
    hsv = np.stack([hues % 180, saturation, rng.permutation(value)], axis=1)
    hsv = np.clip(hsv, 0, (179, 255, 255)).astype(np.uint8)
    return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]


def noise(
    rng: np.random.Generator, height: int, width: int, cell: float
) -> np.ndarray:
    """Smooth noise with knots every `cell` px: (H, W) float32 in [0, 1]."""
    cell = float(np.clip(cell, 1.5, 4 * max(height, width)))
    # 12 px a knot are enough for the cubic part; the rest is linear.
    zoom = max(1.0, cell / 12)
    cell, small = (
        cell / zoom,
        [int(np.ceil(side / zoom)) + 1 for side in (height, width)],
    )
    rows, cols = (int(np.ceil(side / cell)) + 3 for side in small)
    knots = rng.random((rows, cols), dtype=np.float32)
    field = cv2.resize(
        knots,
        (int(cols * cell) + 1, int(rows * cell) + 1),
        interpolation=cv2.INTER_CUBIC,
    )
    y, x = (int(v) for v in rng.uniform(0.5, 1.5, 2) * cell)
    field = field[y : y + small[0], x : x + small[1]]
    if zoom > 1:
        field = cv2.resize(field, (width, height))
    return np.clip(field[:height, :width], 0, 1)


def octaves(
    rng: np.random.Generator,
    height: int,
    width: int,
    cell: float,
    num: int = 3,
) -> np.ndarray:
    """Sum of noises, each of half the size and weight: (H, W) in [0, 1]."""
    field = sum(
        noise(rng, height, width, cell / 2**i) / 2**i for i in range(num)
    )
    return cv2.normalize(field, None, 0, 1, cv2.NORM_MINMAX)


def colorize(
    field: np.ndarray, palette: np.ndarray, smooth: bool
) -> np.ndarray:
    """Look up a field (H, W) in [0, 1] in a palette: (H, W, 3) uint8."""
    knots = np.linspace(0, 1, len(palette))
    levels = np.linspace(0, 1, 256)
    if smooth:
        table = np.stack(
            [np.interp(levels, knots, channel) for channel in palette.T], 1
        )
    else:
        table = palette[
            np.minimum(levels * len(palette), len(palette) - 1).astype(int)
        ]
    index = (np.clip(field, 0, 1) * 255).astype(np.uint8)
    return cv2.LUT(cv2.merge([index] * 3), table.astype(np.uint8)[None])


def axes(
    rng: np.random.Generator, height: int, width: int, grain: float
) -> tuple[np.ndarray, np.ndarray]:
    """Two rotated, slightly bent coordinates in units of `grain`."""
    angle = rng.uniform(0, np.pi)
    rows, cols = np.mgrid[:height, :width].astype(np.float32) / np.float32(
        grain
    )
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    bend = np.float32(rng.choice([0, 0.6, 1.5]))
    first = cols * cos + rows * sin + rng.random(dtype=np.float32)
    second = rows * cos - cols * sin + rng.random(dtype=np.float32)
    if bend:
        first += bend * noise(rng, height, width, 3 * grain)
        second += bend * noise(rng, height, width, 3 * grain)
    return first, second
