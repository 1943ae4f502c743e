"""Scenes of moving objects: drawn once, rendered frame by frame.

Coordinates are continuous frame pixels, origin at the top-left corner of the
top-left pixel. Matrices (T, 2, 3) map an object's unit frame to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.random import Generator

from mmsimtrack.datasets.transforms import effects
from mmsimtrack.datasets.transforms.paste import fill_polygons

from .looks import SIDE, Look, Textures, draw_bar, draw_outline

SIZES = (28, 88)  # sqrt(w * h) of the target in a frame of 320 x 240
MAX_STEP = 0.34  # of sqrt(w * h), between two frames
HIDDEN = (0.12, 0.62)  # largest share of the target behind an occluder
CANVAS = 1.5  # side of the background over that of the frame


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
    def pixels(self) -> np.ndarray:
        """Draw (S, S, 4) RGB and alpha, in the size that it has at most."""
        outline, extent = self.look.outline, self.look.extent
        # px per unit: the longest column of the matrices, over all frames
        density = np.sqrt((self.matrices[..., :2] ** 2).sum(axis=1)).max()
        side = max(8, int(np.ceil(2 * extent * density)))
        shrink = side < len(self.look.texture)
        method = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
        texture = self.look.texture
        texture = cv2.resize(texture, (side, side), interpolation=method)
        alpha = fill((outline / extent + 1) * side / 2, side, side)
        return np.dstack([texture, alpha])

    @cached_property
    def bboxes(self) -> np.ndarray:
        """Compute (T, 4) tight boxes xyxy, not clipped to the frame."""
        points = self.outline_at(slice(None))
        return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)

    def outline_at(self, t: int | slice) -> np.ndarray:
        """Compute (..., N, 2) vertices of the outline in frame pixels."""
        matrix = self.matrices[t]
        points = self.look.outline @ np.swapaxes(matrix[..., :2], -1, -2)
        return points + matrix[..., None, :, 2]

    def paste(self, frame: np.ndarray, t: int) -> None:
        """Draw the object into frame `t`, in place, with soft edges."""
        bbox = self.bboxes[t]
        low = np.maximum(np.floor(bbox[:2]) - 1, 0).astype(int)
        high = np.ceil(bbox[2:]).astype(int) + 1
        high = np.minimum(high, frame.shape[1::-1])
        if (low >= high).any():
            return
        # the square of the pixels -> unit frame -> this part of the frame
        matrix = self.matrices[t].copy()
        matrix[:, 2] -= matrix[:, :2].sum(axis=1) * self.look.extent + low
        matrix[:, :2] *= 2 * self.look.extent / len(self.pixels)
        pixels = warp(self.pixels, matrix, high - low)
        part = frame[low[1] : high[1], low[0] : high[0]]
        share = pixels[..., 3].astype(np.float32) / 255
        new, old = map(np.ascontiguousarray, (pixels[..., :3], part))
        part[:] = cv2.blendLinear(new, old, share, 1 - share)


@dataclass(frozen=True)
class Scene:
    """A whole sequence of T frames.

    Args:
        size: (width, height) of the frames.
        background: (H, W, 3) RGB uint8, larger than a frame.
        camera: (T, 2, 3) from the background to the frame.
        sprites: Objects, drawn from first to last.
        visible: (T,) share of the target's area that is seen.
        effects: Functions of `effects` by name, and T of each number that
            they take; see `draw_effects`.
        noise: Standard deviation of the noise of all frames.
        seeds: T seeds of the noise.
    """

    size: tuple[int, int]
    background: np.ndarray = field(repr=False)
    camera: np.ndarray = field(repr=False)
    sprites: tuple[Sprite, ...]
    visible: np.ndarray = field(repr=False)
    effects: dict[str, dict] = field(repr=False)
    noise: float
    seeds: np.ndarray = field(repr=False)

    @property
    def target(self) -> Sprite:
        """Find the object to track."""
        return next(s for s in self.sprites if s.role == 'target')

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


class ScenePainter:
    """Draws scenes: all that happens in them comes from one generator.

    Args:
        rng: The generator.
        source: Draws textures, objects and backgrounds.
        size: (width, height) of the frames.
        num_frames: T.
    """

    def __init__(
        self, rng: Generator, source: Textures, size, num_frames: int
    ) -> None:
        self.rng, self.source, self.num_frames = rng, source, num_frames
        self.size = np.array(size)

    def draw_scene(self) -> Scene:
        """Draw all objects, the camera and its effects."""
        rng, size = self.rng, tuple(self.size.tolist())
        unit = np.sqrt(self.size.prod() / (320 * 240))
        side = unit * np.exp(rng.uniform(*np.log(SIZES)))
        pace = np.exp(rng.uniform(np.log(0.06), np.log(0.16)))
        start = rng.uniform(0.2, 0.8, 2) * self.size
        look = self.source.draw_look(rng)
        walk = self.draw_walk(look, side, pace, start)
        target = Sprite('target', look, walk)
        behind, front = [], []
        for i in range(int(rng.integers(1, 6))):
            sprite = self.draw_distractor(target, first=i == 0)
            on_top = rng.random() < 0.35
            if on_top and hidden(target, [*front, sprite], size) < HIDDEN[1]:
                front.append(sprite)
            else:
                behind.append(sprite)
        if rng.random() < 0.55:
            for _ in range(int(rng.integers(1, 2 + self.num_frames // 40))):
                front += self.draw_occluder(target, front)
        return Scene(
            size,
            self.pick_background(target),
            self.draw_camera(),
            (*behind, target, *front),
            visible_share(target, front, size),
            self.draw_effects(),
            noise=rng.choice([0.0, 2.0, 4.0, 7.0]),
            seeds=rng.integers(2**31, size=self.num_frames),
        )

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
            pace: Typical step between two frames, as a share of sqrt(w * h).
            start: (2,) center of the first box.

        Returns:
            (T, 2, 3) matrices from the unit frame to the frame.
        """
        rng = self.rng
        spans = rng.uniform([0.08, 0, 0, 0.3], [0.3, 0.22, 0.15, 1])
        growth, stretch, shear, swing = spans[:, None] * self.wander(4, 20, 90)
        swing = np.deg2rad(rng.choice([5, 20, 60])) * swing
        scale = side * np.exp(growth)
        shape = [np.exp(stretch), shear, 0 * shear, np.exp(-stretch)]
        shape = (scale * shape).T.reshape(-1, 2, 2)
        linear = rotations(swing) @ shape
        points = look.outline @ linear.transpose(0, 2, 1)  # (T, N, 2)
        low, high = points.min(axis=1), points.max(axis=1)
        steps = pace * np.exp(0.8 * self.wander(1, 12, 50)[0])
        steps = np.clip(steps, 0.015, MAX_STEP) * scale.min()
        turns = rng.uniform(0.05, 0.3) * self.wander(1, 10, 60)[0]
        heading = rng.uniform(0, 2 * np.pi) + turns.cumsum()
        moves = (steps * [np.cos(heading), np.sin(heading)]).T
        moves[0] = 0
        # the share of a side that may lie outside of the frame
        inner = 0.5 - rng.choice([0.0, 0.1, 0.3], p=[0.5, 0.3, 0.2])
        border = inner * (high - low).max(axis=0)
        border = np.minimum(border, 0.45 * self.size)
        room = self.size - 2 * border
        # a walk without borders, folded back into the room
        path = (start - border + moves.cumsum(axis=0)) % (2 * room)
        centers = border + np.minimum(path, 2 * room - path)
        return affine(linear, centers - (low + high) / 2)

    def draw_distractor(self, target: Sprite, first: bool) -> Sprite:
        """Draw one with the target's texture, its outline, or neither."""
        rng, role, look = self.rng, 'distractor', target.look
        twin, alike = (0.58, 0.8) if first else (0.12, 0.3)
        kind = rng.random()
        if kind < twin:
            role, look = 'twin', self.source.draw_twin(rng, look)
        elif kind < alike:
            look = replace(look, texture=self.source.texture(rng, SIDE, SIDE))
        else:
            look = self.source.draw_look(rng)
        corners = target.bboxes[0].reshape(2, 2)
        side = np.sqrt(np.prod(corners[1] - corners[0]))
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(1.3, 3) * side
        away = reach * np.array([np.cos(angle), np.sin(angle)])
        side *= rng.choice([rng.uniform(0.55, 0.8), rng.uniform(1.2, 1.45)])
        side, pace = min(side, 0.45 * self.size.min()), rng.uniform(0, 0.16)
        walk = self.draw_walk(look, side, pace, corners.mean(axis=0) + away)
        return Sprite(role, look, walk)

    def draw_occluder(
        self, target: Sprite, front: list[Sprite]
    ) -> list[Sprite]:
        """Draw a bar or blob that passes in front of the target.

        Returns:
            One sprite, or none if all trials hid too little or too much.
        """
        rng, num = self.rng, self.num_frames
        draw = draw_bar if rng.random() < 0.6 else draw_outline
        look = self.source.draw_look(rng, draw(rng))
        low, high = target.bboxes[:, :2], target.bboxes[:, 2:]
        centers = (low + high) / 2
        for trial in range(8):
            t = int(rng.integers(num // 5, num))
            side = 0.94**trial * np.sqrt(np.prod(high[t] - low[t]))
            angle = rng.uniform(0, 2 * np.pi)
            across = np.array([np.cos(angle), np.sin(angle)])
            # from one side of the target to the other in 6 to 16 frames
            speed = (centers[t] - centers[max(0, t - 3)]) / 3
            speed -= 1.5 * side / rng.uniform(6, 16) * across
            path = centers[t] + (np.arange(num)[:, None] - t) * speed
            linear = rotations(np.full(num, angle)) * side * 0.75
            sprite = Sprite('occluder', look, affine(linear, path))
            alone = hidden(target, [sprite], self.size)
            together = hidden(target, [*front, sprite], self.size)
            if alone > HIDDEN[0] and together < HIDDEN[1]:
                return [sprite]
        return []

    def pick_background(self, target: Sprite) -> np.ndarray:
        """Draw two backgrounds and take the one more unlike the target."""
        width, height = np.round(CANVAS * self.size).astype(int).tolist()
        inside = target.pixels[target.pixels[..., 3] > 127][:, :3].mean(0)

        def contrast(image: np.ndarray) -> float:
            return np.linalg.norm(inside - image.mean((0, 1)))

        draw = self.source.background
        images = [draw(self.rng, height, width) for _ in range(2)]
        return max(images, key=contrast)

    def draw_effects(self) -> dict[str, dict]:
        """Draw how light drifts, and how blur comes and goes."""
        rng = self.rng
        light, offset, angle, *tint = self.wander(6, 25, 120)
        blur, streak = np.maximum(self.wander(2, 15, 80), 0)
        drift = rng.uniform(0.1, 1)
        blur *= rng.uniform(0.4, 1.5) * (rng.random() < 0.5)
        streak *= rng.uniform(2, 6) * (rng.random() < 0.35)
        return {
            'defocus': {'sigma': np.where(blur > 0.2, blur, 0)},
            'motion_blur': {'length': streak, 'angle': np.pi * angle},
            'color': {
                'gain': np.exp(0.3 * drift * light),
                'offset': 12 * drift * offset,
                'tint': np.exp(0.1 * drift * np.stack(tint, axis=1)),
            },
        }


def rotations(angles: np.ndarray) -> np.ndarray:
    """Make rotation matrices: (T,) radians -> (T, 2, 2)."""
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([cos, -sin, sin, cos], axis=-1).reshape(-1, 2, 2)


def affine(linear: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Join (T, 2, 2) and (T, 2) to (T, 2, 3)."""
    return np.concatenate([linear, shift[..., None]], axis=2)


def visible_share(
    target: Sprite, front: Sequence[Sprite], size: tuple[int, int]
) -> np.ndarray:
    """Compute which share of the target one sees in each frame, (T,)."""
    shares = []
    frame = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size
    for t, bbox in enumerate(target.bboxes):
        corner = np.floor(bbox[:2]).astype(int)
        box = (np.ceil(bbox[2:]).astype(int) - corner).tolist()
        outlines = [sprite.outline_at(t) for sprite in (target, *front)]
        inside, whole, *hiding = (
            fill(outline - corner, *box) > 127
            for outline in (frame, *outlines)
        )
        seen = whole & inside
        for mask in hiding:
            seen &= ~mask
        shares.append(seen.sum() / max(1, whole.sum()))
    return np.array(shares)


def hidden(
    target: Sprite, front: Sequence[Sprite], size: tuple[int, int]
) -> float:
    """Find the largest share of the target that others hide in a frame."""
    alone = visible_share(target, [], size)
    return float(1 - (visible_share(target, front, size) / alone).min())


def fill(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Fill a polygon (N, 2), with soft edges: (height, width) uint8."""
    return fill_polygons([points], width, height, fine=3)


def warp(image: np.ndarray, matrix: np.ndarray, size) -> np.ndarray:
    """Warp by a matrix between continuous pixel coordinates.

    Around an image with alpha all is transparent; another one is mirrored.
    """
    matrix = np.array(matrix)
    # OpenCV's integer coordinates are pixel centers
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    mirror = image.shape[2] == 3
    border = cv2.BORDER_REFLECT_101 if mirror else cv2.BORDER_CONSTANT
    return cv2.warpAffine(
        image, matrix, list(map(int, size)), borderMode=border
    )
