"""Smooth paths: how size, rotation and position change over the frames."""

import numpy as np

MAX_STEP = 0.34  # of sqrt(w * h), between two frames


def wander(
    rng: np.random.Generator, num_frames: int, periods: tuple[float, float]
) -> np.ndarray:
    """Sum of three sinusoids with random periods, (T,) in [-1, 1]."""
    weights = rng.dirichlet(np.ones(3))[:, None]
    turns = np.arange(num_frames) / rng.uniform(*periods, (3, 1))
    waves = np.sin(2 * np.pi * (turns + rng.random((3, 1))))
    return (weights * waves).sum(axis=0)


def draw_deformation(
    rng: np.random.Generator, num_frames: int, size: float
) -> np.ndarray:
    """Scale, aspect, shear and rotation of an object.

    Args:
        size: mean sqrt(w * h) in px.

    Returns:
        (T, 2, 2) matrices from the unit frame to pixels.
    """
    growth = rng.uniform(0.08, 0.3) * wander(rng, num_frames, (20, 90))
    stretch = rng.uniform(0, 0.22) * wander(rng, num_frames, (20, 80))
    shear = rng.uniform(0, 0.15) * wander(rng, num_frames, (20, 80))
    swing = np.deg2rad(rng.choice([5, 20, 60]) * rng.uniform(0.3, 1))
    angle = swing * wander(rng, num_frames, (40, 120))
    scale = size * np.exp(growth)
    shape = np.zeros((num_frames, 2, 2))
    shape[:, 0, 0] = scale * np.exp(stretch)
    shape[:, 0, 1] = scale * shear
    shape[:, 1, 1] = scale * np.exp(-stretch)
    return rotations(angle) @ shape


def rotations(angles: np.ndarray) -> np.ndarray:
    """(T,) radians -> (T, 2, 2)."""
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack(
        [np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=-2
    )


def roam(
    rng: np.random.Generator,
    sides: np.ndarray,
    frame_size: tuple[int, int],
    pace: float,
    start: np.ndarray,
) -> np.ndarray:
    """Walk through the frame, turning smoothly, back at the borders.

    Args:
        sides: (T, 2) width and height of the object's box in px.
        frame_size: (width, height).
        pace: typical step as a share of sqrt(w * h).
        start: (2,) center in the first frame, moved inside if necessary.

    Returns:
        (T, 2) centers in px.
    """
    num_frames = len(sides)
    steps = pace * np.exp(0.8 * wander(rng, num_frames, (12, 50)))
    steps = np.clip(steps, 0.015, MAX_STEP) * np.sqrt(sides.prod(axis=1))
    turns = rng.uniform(0.05, 0.3) * wander(rng, num_frames, (10, 60))
    # The share of a side that may lie outside of the image.
    inner = 0.5 - rng.choice([0.0, 0.1, 0.3], p=[0.5, 0.3, 0.2])
    frame = np.array(frame_size, float)
    low = np.minimum(inner * sides, 0.45 * frame)
    high = frame - low
    heading = rng.uniform(0, 2 * np.pi)
    centers = np.empty((num_frames, 2))
    centers[0] = np.clip(start, low[0], high[0])
    for t in range(1, num_frames):
        heading = _steer(
            heading + turns[t], centers[t - 1], steps[t], low[t], high[t]
        )
        step = steps[t] * np.array([np.cos(heading), np.sin(heading)])
        goal = np.clip(centers[t - 1] + step, low[t], high[t])
        move = goal - centers[t - 1]
        # A box that grows at a border is pushed inside: never a jump.
        move *= min(1, steps[t] / max(np.hypot(*move), 1e-9))
        centers[t] = centers[t - 1] + move
    return centers


def _steer(
    heading: float,
    center: np.ndarray,
    step: float,
    low: np.ndarray,
    high: np.ndarray,
) -> float:
    """Turn by at most 0.5 rad towards the middle when a border is near."""
    ahead = center + 2.5 * step * np.array([np.cos(heading), np.sin(heading)])
    if np.all(ahead >= low) and np.all(ahead <= high):
        return heading
    to_middle = (low + high) / 2 - center
    wanted = np.arctan2(to_middle[1], to_middle[0])
    turn = (wanted - heading + np.pi) % (2 * np.pi) - np.pi
    return heading + float(np.clip(turn, -0.5, 0.5))


def draw_camera(
    rng: np.random.Generator,
    num_frames: int,
    frame_size: tuple[int, int],
    canvas_size: tuple[int, int],
) -> np.ndarray:
    """Pan, zoom and roll of the camera over a background canvas.

    Returns:
        (T, 2, 3) affine matrices from the canvas to the frame, continuous
        pixel coordinates.
    """
    frame, canvas = np.array(frame_size, float), np.array(canvas_size, float)
    pans = rng.uniform(0.1, 1) * 0.35 * (canvas - frame)
    center = canvas / 2 + np.stack(
        [pan * wander(rng, num_frames, (40, 120)) for pan in pans], axis=1
    )
    zoom = np.exp(rng.uniform(0, 0.15) * wander(rng, num_frames, (40, 120)))
    roll = rng.uniform(0, 0.08) * wander(rng, num_frames, (40, 120))
    matrix = rotations(roll) * zoom[:, None, None]
    shift = frame / 2 - (matrix @ center[..., None])[..., 0]
    return np.concatenate([matrix, shift[..., None]], axis=2)
