"""Outlines: polygons in the unit frame of an object.

In the unit frame the tight box of the outline is centered at 0 and has an
area of 1 (width * height), so that a scale of s px gives sqrt(w * h) = s.
"""

from dataclasses import dataclass

import cv2
import numpy as np

MASK_SIDE = 256


@dataclass(frozen=True)
class Outline:
    """Closed polygons, filled by the even-odd rule (holes are possible).

    Args:
        polygons: (N_i, 2) float arrays of xy in the unit frame.
    """

    polygons: tuple[np.ndarray, ...]

    @property
    def points(self) -> np.ndarray:
        """All vertices, (N, 2)."""
        return np.concatenate(self.polygons)

    @property
    def half_extent(self) -> float:
        """Largest distance of the box sides from the center."""
        return float(np.abs(self.points).max())

    def moved(self, matrix: np.ndarray) -> list[np.ndarray]:
        """Polygons under an affine matrix (2, 3)."""
        return [p @ matrix[:, :2].T + matrix[:, 2] for p in self.polygons]

    def bbox(self, matrix: np.ndarray) -> np.ndarray:
        """Tight box xyxy under an affine matrix (2, 3), not clipped."""
        points = self.points @ matrix[:, :2].T + matrix[:, 2]
        return np.concatenate([points.min(axis=0), points.max(axis=0)])


def unit_outline(polygons: list[np.ndarray]) -> Outline:
    """Shift and scale polygons of any unit into the unit frame."""
    points = np.concatenate(polygons)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = np.sqrt(np.prod(high - low))
    return Outline(tuple((p - (low + high) / 2) / scale for p in polygons))


def fill(
    polygons: list[np.ndarray], width: int, height: int, supersample: int = 1
) -> np.ndarray:
    """Fill polygons in continuous pixel coordinates.

    Returns:
        (height, width) uint8, 255 inside, with soft edges if `supersample`
        is more than 1.
    """
    mask = np.zeros((height * supersample, width * supersample), np.uint8)
    # OpenCV's integer coordinates are pixel centers; 4 fractional bits.
    scaled = [
        np.round((p * supersample - 0.5) * 16).astype(np.int32)
        for p in polygons
    ]
    cv2.fillPoly(mask, scaled, 255, shift=4)
    if supersample == 1:
        return mask
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)


def trace(mask: np.ndarray, smooth: float) -> list[np.ndarray]:
    """Contours of a mask > 127 after a Gaussian blur, holes included.

    Args:
        mask: (H, W) uint8.
        smooth: sigma of the blur in px.
    """
    mask = cv2.GaussianBlur(mask, (0, 0), smooth)
    mask = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    contours, _ = cv2.findContours(
        (mask > 127).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    contours = [cv2.approxPolyDP(c, 0.5, True)[:, 0] for c in contours]
    # -1 for the border that was added, +0.5: centers to continuous.
    return [c - 0.5 for c in contours if len(c) >= 3]


def draw_outline(rng: np.random.Generator) -> Outline:
    """Draw an irregular outline of aspect 0.45 to 2.2."""
    kind = rng.integers(4)
    if kind == 3:
        polygon = trace(_limbs(rng), smooth=3)
    else:
        polygon = [_radial(rng, int(kind))]
    stretch = np.exp(rng.uniform(-0.35, 0.35))
    outline = unit_outline([p * (stretch, 1) for p in polygon])
    aspect = np.ptp(outline.points, axis=0)
    target = np.clip(aspect[0] / aspect[1], 0.45, 2.2)
    return unit_outline([p / aspect * (target, 1) for p in outline.polygons])


def _radial(rng: np.random.Generator, kind: int) -> np.ndarray:
    """A star-shaped domain: 0 smooth blob, 1 star, 2 ragged polygon."""
    if kind == 2:
        num = int(rng.integers(4, 9))
        angles = (np.arange(num) + rng.uniform(-0.3, 0.3, num)) / num
        radius = rng.uniform(0.55, 1, num)
    else:
        angles = np.arange(96) / 96
        order = np.arange(2, 7)[:, None]
        waves = np.sin(2 * np.pi * (order * angles + rng.random((5, 1))))
        radius = 1 + rng.uniform(0.1, 0.4) * (
            rng.normal(0, 1, (5, 1)) / order * waves
        ).sum(axis=0)
        if kind == 1:
            spikes = int(rng.integers(3, 8))
            teeth = np.abs((spikes * angles) % 1 - 0.5) * 2
            radius = radius * (1 - rng.uniform(0.25, 0.6) * teeth)
        radius = np.maximum(radius, 0.25)
    angles = 2 * np.pi * (angles + rng.random())
    return np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None]


def _limbs(rng: np.random.Generator) -> np.ndarray:
    """Mask of a body with two to five limbs or humps."""
    mask = np.zeros((MASK_SIDE, MASK_SIDE), np.uint8)
    center = (MASK_SIDE // 2, MASK_SIDE // 2)
    axes = rng.uniform(35, 62, 2).astype(int).tolist()
    cv2.ellipse(mask, center, axes, rng.uniform(0, 180), 0, 360, 255, -1)
    for _ in range(int(rng.integers(2, 6))):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(55, 100)
        end = np.array(center) + reach * np.array(
            [np.cos(angle), np.sin(angle)]
        )
        cv2.line(
            mask,
            center,
            end.astype(int).tolist(),
            255,
            int(rng.uniform(18, 45)),
        )
    return mask


def draw_bar(rng: np.random.Generator) -> Outline:
    """Draw a long bar with wavy sides, of aspect 0.2 to 0.4."""
    along = np.linspace(-0.5, 0.5, 24)
    waves = [
        0.05 * np.sin(2 * np.pi * (rng.uniform(0.5, 3) * along + rng.random()))
        for _ in range(2)
    ]
    half = rng.uniform(0.1, 0.17)
    left = np.stack([-half + 0.5 * waves[0], along], axis=1)
    right = np.stack([half + 0.5 * waves[1], along], axis=1)
    return unit_outline([np.concatenate([left, right[::-1]])])
