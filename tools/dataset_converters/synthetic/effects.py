"""What the camera adds: illumination, blur and sensor noise."""

from dataclasses import dataclass

import cv2
import numpy as np

from .motion import wander
from .textures import shaded

NOISE_MARGIN = 48  # px by which the noise image is larger than the frame


@dataclass(frozen=True)
class Effects:
    """Per-frame effects of a sequence of T frames.

    Args:
        tables: (T, 256, 3) uint8, what each RGB level becomes.
        slopes: (T, 2), how the light grows to the right and to the bottom.
        blurs: (T,) sigma of a Gaussian blur in px, 0 for none.
        streaks: (T, 2) motion blur in px along x and y.
        noise: standard deviation of the noise, in levels.
        noise_seed: seed of the noise image.
        noise_shifts: (T, 2) int, where each frame's noise is cut.
    """

    tables: np.ndarray
    slopes: np.ndarray
    blurs: np.ndarray
    streaks: np.ndarray
    noise: float
    noise_seed: int
    noise_shifts: np.ndarray


def no_effects(num_frames: int) -> Effects:
    """Effects that leave every frame as it is."""
    levels = np.arange(256, dtype=np.uint8)[None, :, None]
    return Effects(
        tables=np.tile(levels, (num_frames, 1, 3)),
        slopes=np.zeros((num_frames, 2)),
        blurs=np.zeros(num_frames),
        streaks=np.zeros((num_frames, 2)),
        noise=0.0,
        noise_seed=0,
        noise_shifts=np.zeros((num_frames, 2), int),
    )


def draw_effects(rng: np.random.Generator, num_frames: int) -> Effects:
    """Draw effects: illumination always drifts, the rest comes and goes."""
    drift = rng.uniform(0.1, 1)
    slope = rng.uniform(0, 0.3) * (rng.random() < 0.5)
    blur = rng.uniform(0.4, 1.5) * (rng.random() < 0.5)
    streak = rng.uniform(2, 6) * (rng.random() < 0.35)
    spells = [
        np.maximum(wander(rng, num_frames, (15, 80)), 0) for _ in range(2)
    ]
    angle = np.pi * wander(rng, num_frames, (20, 80))
    return Effects(
        tables=_draw_tables(rng, num_frames, drift),
        slopes=slope
        * np.stack(
            [wander(rng, num_frames, (40, 120)) for _ in range(2)], axis=1
        ),
        blurs=blur * spells[0],
        streaks=(streak * spells[1])[:, None]
        * np.stack([np.cos(angle), np.sin(angle)], axis=1),
        noise=float(rng.choice([0.0, 2.0, 4.0, 7.0])),
        noise_seed=int(rng.integers(2**31)),
        noise_shifts=rng.integers(0, NOISE_MARGIN + 1, (num_frames, 2)),
    )


def _draw_tables(
    rng: np.random.Generator, num_frames: int, drift: float
) -> np.ndarray:
    """Drifting gamma, gain, offset and color cast as look-up tables."""
    waves = [wander(rng, num_frames, (25, 120)) for _ in range(6)]
    gamma = np.exp(0.3 * drift * waves[0])
    gain = np.exp(0.3 * drift * waves[1])
    offset = 0.06 * drift * waves[2]
    cast = np.exp(0.1 * drift * np.stack(waves[3:], axis=1))  # (T, 3)
    levels = np.linspace(0, 1, 256)[None, :, None]
    curves = levels ** gamma[:, None, None] * (gain[:, None] * cast)[:, None]
    curves = curves + offset[:, None, None]
    return np.round(np.clip(curves, 0, 1) * 255).astype(np.uint8)


def noise_image(effects: Effects, width: int, height: int) -> np.ndarray:
    """Noise from which every frame's is cut: int16, larger than a frame."""
    rng = np.random.default_rng(effects.noise_seed)
    shape = (height + NOISE_MARGIN, width + NOISE_MARGIN, 3)
    values = rng.standard_normal(shape, dtype=np.float32) * effects.noise
    return np.round(values).astype(np.int16)


def apply_effects(
    frame: np.ndarray, effects: Effects, t: int, noise: np.ndarray | None
) -> np.ndarray:
    """Apply the effects of frame `t`.

    Args:
        frame: (H, W, 3) RGB uint8.
        noise: result of `noise_image`, None for no noise.
    """
    height, width = frame.shape[:2]
    if effects.blurs[t] > 0.2:
        frame = cv2.GaussianBlur(frame, (0, 0), float(effects.blurs[t]))
    if np.abs(effects.streaks[t]).max() > 1:
        frame = cv2.filter2D(frame, -1, _streak_kernel(effects.streaks[t]))
    frame = cv2.LUT(frame, effects.tables[t][None])
    if effects.slopes[t].any():
        across = np.linspace(-1, 1, width, dtype=np.float32)
        down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        slope = effects.slopes[t].astype(np.float32)
        gain = 1 + slope[0] * across + slope[1] * down
        frame = shaded(frame, gain / (1 + np.abs(slope).sum()))
    if noise is not None:
        y, x = effects.noise_shifts[t]
        frame = cv2.add(
            frame, noise[y : y + height, x : x + width], dtype=cv2.CV_8U
        )
    return frame


def _streak_kernel(streak: np.ndarray) -> np.ndarray:
    """A line through the middle of a kernel, so that nothing shifts."""
    side = 2 * int(np.ceil(np.abs(streak).max() / 2)) + 1
    kernel = np.zeros((side, side), np.uint8)
    middle = side // 2
    ends = [
        np.round((middle + sign * streak / 2) * 16).astype(int).tolist()
        for sign in (-1, 1)
    ]
    cv2.line(kernel, ends[0], ends[1], 255, 1, cv2.LINE_AA, shift=4)
    kernel = kernel.astype(np.float32) + kernel[::-1, ::-1]
    return kernel / kernel.sum()
