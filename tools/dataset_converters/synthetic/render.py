"""Rendering of a scene, frame by frame, with exact boxes."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from .effects import apply_effects, noise_image
from .outlines import fill
from .scene import Look, Scene, Sprite

CONTRAST = 60  # wanted difference of target and background, in levels
TRIALS = 4


@dataclass(frozen=True)
class Frame:
    """A rendered frame.

    Args:
        image: (H, W, 3) RGB uint8.
        bbox: (4,) xyxy of the whole target, clipped to the image.
        visible: share of the target's area that is seen.
        cut: whether the image border cuts the target.
    """

    image: np.ndarray
    bbox: np.ndarray
    visible: float
    cut: bool


@dataclass(frozen=True)
class Canvas:
    """A sprite's pixels: the unit frame's square [-extent, extent]^2.

    Args:
        pixels: (S, S, 4) uint8, RGB and alpha; alpha is 0 at the borders.
        to_unit: (2, 3) from continuous canvas pixels to the unit frame.
    """

    pixels: np.ndarray
    to_unit: np.ndarray


def render_scene(scene: Scene, source) -> Iterator[Frame]:
    """Render all frames of a scene."""
    tiles: dict[int, np.ndarray] = {}
    order = sorted(scene.sprites, key=lambda s: s.role != 'target')
    canvases = {id(s): make_canvas(s, source, tiles) for s in order}
    background = pick_background(
        scene, source, canvases[id(scene.sprites[scene.target])]
    )
    noise = None
    if scene.effects.noise > 0:
        noise = noise_image(scene.effects, *scene.size)
    for t in range(scene.num_frames):
        image = warp(
            background, scene.camera[t], scene.size, cv2.BORDER_REFLECT_101
        )
        for sprite in scene.sprites[: scene.target]:
            paste(image, canvases[id(sprite)], sprite.matrices[t])
        target = scene.sprites[scene.target]
        left = paste(image, canvases[id(target)], target.matrices[t])
        for sprite in scene.sprites[scene.target + 1 :]:
            left.hide(paste(image, canvases[id(sprite)], sprite.matrices[t]))
        bbox = target.outline.bbox(target.matrices[t])
        clipped = np.clip(bbox, 0, (*scene.size, *scene.size))
        yield Frame(
            apply_effects(image, scene.effects, t, noise),
            clipped,
            left.visible(scene.size),
            bool(np.abs(clipped - bbox).max() > 0.5),
        )


class Stamp:
    """Where a sprite was drawn: a boolean mask at an offset.

    The mask reaches beyond the image where the sprite does.
    """

    def __init__(self, mask: np.ndarray, x: int, y: int) -> None:
        self.mask, self.x, self.y = mask, x, y
        self.area = int(np.count_nonzero(mask))

    def hide(self, other: 'Stamp') -> None:
        """Remove what another stamp covers."""
        own = self.slices(other.x, other.y, other.mask.shape)
        its = other.slices(self.x, self.y, self.mask.shape)
        if own is not None:
            self.mask[own] &= ~other.mask[its]

    def visible(self, size: tuple[int, int]) -> float:
        """Share of the area that is left inside of the image."""
        own = self.slices(0, 0, size[::-1])
        inside = 0 if own is None else np.count_nonzero(self.mask[own])
        return inside / max(1, self.area)

    def slices(
        self, x: int, y: int, shape: tuple[int, int]
    ) -> tuple[slice, slice] | None:
        """Part of the mask inside of a rectangle, None if there is none.

        Args:
            x, y: its top-left corner.
            shape: its (height, width).
        """
        height, width = self.mask.shape
        top, left = max(y - self.y, 0), max(x - self.x, 0)
        bottom = min(y + shape[0] - self.y, height)
        right = min(x + shape[1] - self.x, width)
        if top >= bottom or left >= right:
            return None
        return slice(top, bottom), slice(left, right)


def make_canvas(
    sprite: Sprite, source, tiles: dict[int, np.ndarray]
) -> Canvas:
    """Draw a sprite's texture and alpha at its largest size.

    Args:
        tiles: textures by the seed of their look, filled on first use, so
            that sprites with one look share one texture.
    """
    # px per unit: the longest column of the matrices, over all frames.
    density = max(4.0, np.sqrt((sprite.matrices[..., :2] ** 2).sum(1)).max())
    extent = sprite.outline.half_extent + 2 / density
    side = int(np.ceil(2 * extent * density))
    scale = side / (2 * extent)
    matrix = np.array([[scale, 0, side / 2], [0, scale, side / 2]])
    alpha = fill(sprite.outline.moved(matrix), side, side, supersample=3)
    if sprite.trim is not None:
        trim = fill(sprite.trim.moved(matrix), side, side, supersample=3)
        alpha = cv2.multiply(alpha, trim, scale=1 / 255)
    to_unit = np.array([[1 / scale, 0, -extent], [0, 1 / scale, -extent]])
    texture = _texture(sprite.look, source, side, extent, tiles)
    return Canvas(np.dstack([texture, alpha]), to_unit)


def _texture(
    look: Look, source, side: int, extent: float, tiles: dict[int, np.ndarray]
) -> np.ndarray:
    """Texture of a look for a canvas, (side, side, 3)."""
    if look.segment is not None:
        texture = source.cutout(look.segment, side, extent)
    else:
        if look.seed not in tiles:
            rng = np.random.default_rng(look.seed)
            tiles[look.seed] = source.texture(
                rng, side, side, side * rng.uniform(0.09, 0.25)
            )
        texture = tiles[look.seed]
        if len(texture) != side:
            texture = cv2.resize(
                texture,
                (side, side),
                interpolation=cv2.INTER_AREA
                if len(texture) > side
                else cv2.INTER_LINEAR,
            )
    if look.hue == 0:
        return texture
    hsv = cv2.cvtColor(texture, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + look.hue) % 180
    hsv[..., 1] = np.maximum(hsv[..., 1], 90)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def pick_background(scene: Scene, source, target: Canvas) -> np.ndarray:
    """Draw backgrounds until the target stands out; else the best one."""
    rng = np.random.default_rng(scene.background_seed)
    inside = target.pixels[target.pixels[..., 3] > 127][:, :3]
    best, best_contrast = None, -1.0
    for _ in range(TRIALS):
        width, height = scene.canvas_size
        image = source.background(rng, height, width)
        outside = image[::8, ::8].reshape(-1, 3)
        contrast = np.linalg.norm(inside.mean(0) - outside.mean(0)) + (
            0.5 * np.linalg.norm(inside.std(0) - outside.std(0))
        )
        if contrast > best_contrast:
            best, best_contrast = image, contrast
        if contrast > CONTRAST:
            break
    return best


def warp(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int
) -> np.ndarray:
    """Warp by a matrix between continuous pixel coordinates."""
    centered = np.array(matrix, float)
    # OpenCV's integer coordinates are pixel centers.
    centered[:, 2] += centered[:, :2] @ (0.5, 0.5) - 0.5
    return cv2.warpAffine(
        image, centered, size, flags=cv2.INTER_LINEAR, borderMode=border
    )


def paste(image: np.ndarray, canvas: Canvas, matrix: np.ndarray) -> Stamp:
    """Draw a sprite into an image, in place, with soft edges.

    Args:
        matrix: (2, 3) from the unit frame to the image.
    """
    linear = matrix[:, :2] @ canvas.to_unit[:, :2]
    shift = matrix[:, :2] @ canvas.to_unit[:, 2] + matrix[:, 2]
    side = len(canvas.pixels)
    corners = np.array([[0, 0, side, side], [0, side, 0, side]], float)
    corners = linear @ corners + shift[:, None]
    x, y = (int(v) for v in np.floor(corners.min(axis=1)))
    x_end, y_end = (int(v) for v in np.ceil(corners.max(axis=1)))
    local = np.concatenate([linear, (shift - (x, y))[:, None]], axis=1)
    pixels = warp(
        canvas.pixels, local, (x_end - x, y_end - y), cv2.BORDER_CONSTANT
    )
    stamp = Stamp(pixels[..., 3] > 127, x, y)
    own = stamp.slices(0, 0, image.shape[:2])
    if own is not None:
        its = (
            slice(y + own[0].start, y + own[0].stop),
            slice(x + own[1].start, x + own[1].stop),
        )
        part = pixels[own]
        share = part[..., 3].astype(np.float32) / 255
        image[its] = cv2.blendLinear(
            np.ascontiguousarray(part[..., :3]),
            np.ascontiguousarray(image[its]),
            share,
            1 - share,
        )
    return stamp
