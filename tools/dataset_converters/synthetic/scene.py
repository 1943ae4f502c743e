"""Scenes of moving objects: drawn once, rendered frame by frame.

Coordinates are continuous frame pixels, origin at the top-left corner of the
top-left pixel. Matrices (T, 2, 3) map an object's unit frame to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.random import Generator

from mmsimtrack.datasets.transforms import effects
from mmsimtrack.datasets.transforms.paste import blend, fill_polygons

from .looks import Look, Textures, draw_outline, unit_outline

SIZES = (28, 88)  # sqrt(w * h) of the target in a frame of 320 x 240
PACES = (0.06, 0.3)  # of sqrt(w * h), along an axis between two frames
HIDDEN = (0.12, 0.62)  # largest share of the target behind an occluder
CANVAS = 1.5  # side of the background over that of the frame
SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])


@dataclass(frozen=True)
class Sprite:
    """An object, and where it is in each frame.

    Args:
        role: `target`, `distractor` (`twin` with the very texture of the
            target) or `occluder`.
        look: What it looks like.
        matrices: (T, 2, 3) from its unit frame to the frame.
    """

    role: str
    look: Look
    matrices: np.ndarray = field(repr=False)

    @cached_property
    def texture(self) -> np.ndarray:
        """Resize its texture to the size that it has at most."""
        # px per unit: the longest column of the matrices, over all frames
        density = np.linalg.norm(self.matrices[..., :2], axis=1).max()
        side = max(8, int(np.ceil(2 * self.look.extent * density)))
        size, method = (side, side), cv2.INTER_AREA
        return cv2.resize(self.look.texture, size, interpolation=method)

    @cached_property
    def outlines(self) -> np.ndarray:
        """Compute (T, N, 2) vertices of its outlines in frame pixels."""
        linear = self.matrices[..., :2].swapaxes(1, 2)
        return self.look.outline @ linear + self.matrices[:, None, :, 2]

    @cached_property
    def bboxes(self) -> np.ndarray:
        """Compute (T, 4) tight boxes xyxy, not clipped to the frame."""
        points = self.outlines
        return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)

    def mask(self, t: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Draw where it is in frame `t`, between two corners: (h, w) uint8."""
        width, height = (high - low).tolist()
        return fill_polygons([self.outlines[t] - low], width, height)

    def paste(self, frame: np.ndarray, t: int) -> None:
        """Draw the object into frame `t`, in place, with soft edges."""
        low, high = grow(self.bboxes[t])
        low, high = np.maximum(low, 0), np.minimum(high, frame.shape[1::-1])
        if (low >= high).any():
            return
        # the texture -> unit frame -> this part of the frame
        matrix = self.matrices[t].copy()
        matrix[:, 2] -= matrix[:, :2].sum(axis=1) * self.look.extent + low
        matrix[:, :2] *= 2 * self.look.extent / len(self.texture)
        part = frame[low[1] : high[1], low[0] : high[0]]
        pixels = warp(self.texture, matrix, high - low)
        part[:] = blend(part, pixels, self.mask(t, low, high))


class Scene:
    """A whole sequence of T frames, drawn from one generator.

    Args:
        rng: The generator.
        source: Draws textures, objects and backgrounds.
        size: (width, height) of the frames.
        num_frames: T.

    Attributes:
        target: The object to track.
        sprites: All objects, drawn from first to last.
        visible: (T,) share of the target's area that is seen.
        background: (H, W, 3) RGB uint8, larger than a frame.
        camera: (T, 2, 3) from the background to the frame.
        effects: Functions of `effects` by name, and T of each number that
            they take; see `draw_effects`.
        noise: Standard deviation of the noise of all frames.
        seeds: T seeds of the noise.
    """

    def __init__(
        self, rng: Generator, source: Textures, size, num_frames: int
    ) -> None:
        self.rng, self.source, self.num_frames = rng, source, num_frames
        self.size = np.array(size)
        side = np.exp(rng.uniform(*np.log(SIZES)))
        side *= np.sqrt(self.size.prod() / (320 * 240))
        pace, start = rng.uniform(*PACES), rng.uniform(0.2, 0.8, 2)
        look = source.draw_look(rng)
        walk = self.draw_walk(look, side, pace, start * self.size)
        self.target = target = Sprite('target', look, walk)
        shares = 0.58, *[0.12] * int(rng.integers(5))
        behind = [self.draw_distractor(share) for share in shares]
        front = []
        for _ in range(int(rng.choice([0, 1, 3]))):
            sprite = self.draw_occluder()
            groups = [sprite], [*front, sprite]
            alone, together = (hidden(target, g, self.size) for g in groups)
            if alone > HIDDEN[0] and together < HIDDEN[1]:
                front.append(sprite)
        self.sprites = (*behind, target, *front)
        self.visible = visible_share(target, front, self.size)
        self.background = self.draw_background()
        self.camera, self.effects = self.draw_camera(), self.draw_effects()
        self.noise = rng.choice([0.0, 2.0, 4.0, 7.0])
        self.seeds = rng.integers(2**31, size=num_frames)

    def count(self, *roles: str) -> int:
        """Count the objects with one of these roles."""
        return sum(sprite.role in roles for sprite in self.sprites)

    def render(self, t: int) -> np.ndarray:
        """Render frame `t`, (H, W, 3) RGB uint8."""
        frame = warp(self.background, self.camera[t], self.size)
        for sprite in self.sprites:
            sprite.paste(frame, t)
        for name, numbers in self.effects.items():
            numbers = {key: value[t] for key, value in numbers.items()}
            frame = getattr(effects, name)(frame, **numbers)
        rng = np.random.default_rng(self.seeds[t])
        return effects.noise(frame, self.noise, rng)

    def wander(self, num: int, low: float, high: float) -> np.ndarray:
        """Draw smooth waves, (num, T) in [-1, 1].

        Args:
            num: How many.
            low: Shortest period of the three sinusoids of each, in frames.
            high: Longest period.
        """
        rng, parts = self.rng, (num, 3, 1)
        turns = np.arange(self.num_frames) / rng.uniform(low, high, parts)
        waves = np.sin(2 * np.pi * (turns + rng.random(parts)))
        return (rng.dirichlet(np.ones(3), num)[..., None] * waves).sum(axis=1)

    def draw_background(self) -> np.ndarray:
        """Draw two backgrounds and take the one more unlike the target."""
        width, height = np.round(CANVAS * self.size).astype(int).tolist()
        draw = self.source.background
        images = [draw(self.rng, height, width) for _ in range(2)]
        colors = np.stack([image.mean((0, 1)) for image in images])
        contrasts = abs(colors - self.target.texture.mean((0, 1))).sum(axis=1)
        return images[contrasts.argmax()]

    def draw_camera(self) -> np.ndarray:
        """Draw pan, zoom and roll: (T, 2, 3) from background to frame."""
        *pan, zoom, roll = self.wander(4, 40, 120)
        reach = self.rng.uniform(0.1, 1) * 0.35 * (CANVAS - 1)
        centers = (CANVAS / 2 + reach * np.stack(pan, axis=1)) * self.size
        linear = rotations(0.05 * roll) * np.exp(0.1 * zoom)[:, None, None]
        moved = (linear @ centers[..., None])[..., 0]
        return affine(linear, self.size / 2 - moved)

    def draw_walk(
        self, look: Look, side: float, pace: float, start: np.ndarray
    ) -> np.ndarray:
        """Draw how an object deforms and where it goes, back at the borders.

        Args:
            look: The object.
            side: sqrt(w * h) in px, on average.
            pace: Longest step along an axis between two frames, as a share
                of the smallest sqrt(w * h).
            start: (2,) center of the first box.

        Returns:
            (T, 2, 3) matrices from the unit frame to the frame.
        """
        rng = self.rng
        spans = rng.uniform([0.08, 0, 0, 0], [0.3, 0.22, 0.15, 0.6])
        growth, stretch, shear, turn = spans[:, None] * self.wander(4, 20, 90)
        scale = side * np.exp(growth)
        shape = [np.exp(stretch), shear, 0 * shear, np.exp(-stretch)]
        shape = (scale * shape).T.reshape(-1, 2, 2)
        linear = rotations(turn) @ shape
        points = look.outline @ linear.swapaxes(1, 2)  # (T, N, 2)
        low, high = points.min(axis=1), points.max(axis=1)
        moves = pace * scale.min() * self.wander(2, 40, 240).T
        # the share of a side that may lie outside of the frame
        outside = rng.choice([0.0, 0.1, 0.3], p=[0.5, 0.3, 0.2])
        border = (0.5 - outside) * (high - low).max(axis=0)
        border = np.minimum(border, 0.45 * self.size)
        room = self.size - 2 * border
        # a walk without borders, folded back into the room
        path = start - border + moves.cumsum(axis=0) - moves[0]
        centers = border + room - abs(path % (2 * room) - room)
        return affine(linear, centers - (low + high) / 2)

    def draw_distractor(self, share: float) -> Sprite:
        """Draw one, with the target's texture in a share of the cases."""
        rng, role, target = self.rng, 'distractor', self.target
        if rng.random() < share:
            role, look = 'twin', self.source.draw_twin(rng, target.look)
        else:
            look = self.source.draw_look(rng)
        low, high = target.bboxes[0].reshape(2, 2)
        side = np.sqrt(np.prod(high - low))
        start = (low + high) / 2 + rng.uniform(1.3, 3) * side * direction(rng)
        side *= rng.choice([rng.uniform(0.55, 0.8), rng.uniform(1.2, 1.45)])
        side, pace = min(side, 0.45 * self.size.min()), rng.uniform(*PACES)
        return Sprite(role, look, self.draw_walk(look, side, pace, start))

    def draw_occluder(self) -> Sprite:
        """Draw a bar or blob that passes in front of the target."""
        rng, num = self.rng, self.num_frames
        bar = unit_outline(SQUARE * (rng.uniform(0.2, 0.34), 1))
        outline = bar if rng.random() < 0.6 else draw_outline(rng)
        look = self.source.draw_look(rng, outline)
        t = int(rng.integers(num // 5, num))
        low, high = self.target.bboxes[t].reshape(2, 2)
        side = np.sqrt(np.prod(high - low))
        # over the length of the target in 4 to 10 frames
        speed = side / rng.uniform(4, 10) * direction(rng)
        path = (low + high) / 2 + (np.arange(num)[:, None] - t) * speed
        angles = np.full(num, rng.uniform(0, 2 * np.pi))
        linear = side * rng.uniform(0.5, 0.75) * rotations(angles)
        return Sprite('occluder', look, affine(linear, path))

    def draw_effects(self) -> dict[str, dict]:
        """Draw how light drifts, and how blur comes and goes."""
        rng = self.rng
        light, offset, angle, *tint = self.wander(6, 25, 120)
        blur, streak = np.maximum(self.wander(2, 15, 80), 0)
        # half of the sequences are sharp, and two thirds have no streaks
        sigma, length = np.maximum(rng.uniform([-1.5, -12], [1.5, 6]), 0)
        drift = rng.uniform(0.1, 1)
        return {
            'defocus': {'sigma': sigma * blur},
            'motion_blur': {'length': length * streak, 'angle': np.pi * angle},
            'color': {
                'gain': np.exp(0.3 * drift * light),
                'offset': 12 * drift * offset,
                'tint': np.exp(0.1 * drift * np.stack(tint, axis=1)),
            },
        }


def direction(rng: Generator) -> np.ndarray:
    """Draw a vector (2,) of length 1."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def rotations(angles: np.ndarray) -> np.ndarray:
    """Make rotation matrices: (T,) radians -> (T, 2, 2)."""
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([cos, -sin, sin, cos], axis=-1).reshape(-1, 2, 2)


def affine(linear: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Join (T, 2, 2) and (T, 2) to (T, 2, 3)."""
    return np.concatenate([linear, shift[..., None]], axis=2)


def grow(bbox: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the corners of all pixels that a box (4,) xyxy touches."""
    return np.floor(bbox[:2]).astype(int), np.ceil(bbox[2:]).astype(int)


def visible_share(
    target: Sprite, front: Sequence[Sprite], size: tuple[int, int]
) -> np.ndarray:
    """Compute which share of the target one sees in each frame, (T,)."""
    shares = []
    for t, bbox in enumerate(target.bboxes):
        low, high = grow(bbox)
        whole, *hiding = (
            sprite.mask(t, low, high) > 127 for sprite in (target, *front)
        )
        seen = whole & ~np.any(hiding, axis=0)
        (x1, y1), (x2, y2) = np.maximum([-low, size - low], 0)
        shares.append(seen[y1:y2, x1:x2].sum() / max(1, whole.sum()))
    return np.array(shares)


def hidden(
    target: Sprite, front: Sequence[Sprite], size: tuple[int, int]
) -> float:
    """Find the largest share of the target that others hide in a frame."""
    alone = visible_share(target, [], size)
    return float(1 - (visible_share(target, front, size) / alone).min())


def warp(image: np.ndarray, matrix: np.ndarray, size) -> np.ndarray:
    """Warp by a matrix between continuous pixel coordinates; mirror beyond."""
    matrix = np.array(matrix)
    # OpenCV's integer coordinates are pixel centers
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    size, border = list(map(int, size)), cv2.BORDER_REFLECT_101
    return cv2.warpAffine(image, matrix, size, borderMode=border)
