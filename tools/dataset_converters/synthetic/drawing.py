"""Drawing of scenes: the target, its distractors, still objects."""

from dataclasses import replace

import numpy as np

from .effects import draw_effects
from .motion import draw_camera, draw_deformation, roam, rotations
from .occluders import COVERED, draw_occluder, largest_cover
from .outlines import Outline, draw_outline
from .scene import Look, Scene, Sprite, canvas_size, moved_bboxes

SIZES = (28, 88)  # sqrt(w * h) of the target in a frame of 320 x 240


def draw_scene(
    rng: np.random.Generator, source, size: tuple[int, int], num_frames: int
) -> Scene:
    """Draw a scene.

    Args:
        source: `ProceduralTextures` or `PhotoTextures`; asked only for
            segments here.
        size: (width, height) of the frames.
    """
    unit = np.sqrt(size[0] * size[1] / (320 * 240))
    camera = draw_camera(rng, num_frames, size, canvas_size(size))
    side = unit * np.exp(rng.uniform(*np.log(SIZES)))
    outline, look = _draw_object(rng, source)
    pace = np.exp(rng.uniform(np.log(0.06), np.log(0.16)))
    target = Sprite(
        'target',
        outline,
        look,
        _draw_moves(
            rng,
            outline,
            side,
            size,
            num_frames,
            pace,
            rng.uniform(0.2, 0.8, 2) * size,
        ),
    )
    behind, front = [], []
    for i in range(int(rng.integers(2, 6))):
        sprite = _draw_distractor(rng, source, target, size, first=i == 0)
        overlap = largest_cover(target, [*front, sprite], size)
        on_top = rng.random() < 0.35 and overlap < COVERED[1]
        (front if on_top else behind).append(sprite)
    if rng.random() < 0.55:
        for _ in range(int(rng.integers(1, 2 + num_frames // 40))):
            front += draw_occluder(rng, target, front, size)
    still = [
        _draw_still(rng, source, unit, camera, size)
        for _ in range(int(rng.integers(2, 7)))
    ]
    return Scene(
        size,
        (*still, *behind, target, *front),
        len(still) + len(behind),
        camera,
        int(rng.integers(2**31)),
        draw_effects(rng, num_frames),
    )


def _draw_object(rng: np.random.Generator, source) -> tuple[Outline, Look]:
    """Draw an outline and a look, those of a segment if there are any."""
    look = Look(int(rng.integers(2**31)), 0, source.draw_segment(rng))
    if look.segment is not None:
        return look.segment.outline, look
    return draw_outline(rng), look


def _draw_moves(
    rng: np.random.Generator,
    outline: Outline,
    side: float,
    size: tuple[int, int],
    num_frames: int,
    pace: float,
    start: np.ndarray,
    turn: np.ndarray | None = None,
) -> np.ndarray:
    """Draw matrices that carry the center of the box along a walk.

    Args:
        turn: (2, 2) applied in the unit frame before the deformation.
    """
    shapes = draw_deformation(rng, num_frames, side)
    if turn is not None:
        shapes = shapes @ turn
    matrices = np.concatenate([shapes, np.zeros((num_frames, 2, 1))], axis=2)
    bboxes = moved_bboxes(outline, matrices)
    centers = roam(rng, bboxes[:, 2:] - bboxes[:, :2], size, pace, start)
    matrices[..., 2] = centers - (bboxes[:, :2] + bboxes[:, 2:]) / 2
    return matrices


def _draw_distractor(
    rng: np.random.Generator,
    source,
    target: Sprite,
    size: tuple[int, int],
    first: bool,
) -> Sprite:
    """Draw a distractor: the target's texture, its outline, or neither.

    One with the target's texture differs in outline; where the look is a
    segment it is mirrored, turned and trimmed. In both cases its size
    differs too.
    """
    share = (0.58, 0.8) if first else (0.12, 0.3)
    kind = rng.random()
    outline, look = _draw_object(rng, source)
    trim, turn = None, None
    if kind < share[0]:
        look = target.look
        if look.segment is not None:
            outline, trim = target.outline, draw_outline(rng)
            mirror = np.diag([-rng.choice([0.8, 1.25]), 1])
            turn = rotations(rng.uniform(0.5, 1.5, 1) * np.pi)[0] @ mirror
    elif kind < share[1]:
        outline = target.outline
        look = replace(target.look, hue=int(rng.integers(35, 145)))
    side = np.sqrt(np.prod(target.bboxes[0, 2:] - target.bboxes[0, :2]))
    start = _near(rng, target.bboxes[0], 1.3 * side, 3 * side, size)
    factor = rng.choice([rng.uniform(0.55, 0.8), rng.uniform(1.2, 1.45)])
    if kind >= share[0]:
        factor = rng.uniform(0.6, 1.35)
    side = min(factor * side, 0.45 * min(size))
    moves = _draw_moves(
        rng,
        outline,
        side,
        size,
        len(target.matrices),
        rng.uniform(0, 0.16),
        start,
        turn,
    )
    return Sprite('distractor', outline, look, moves, trim)


def _near(
    rng: np.random.Generator,
    bbox: np.ndarray,
    nearest: float,
    farthest: float,
    size: tuple[int, int],
) -> np.ndarray:
    """Draw a point of the frame at some distance from a box center."""
    for _ in range(20):
        angle, reach = (
            rng.uniform(0, 2 * np.pi),
            rng.uniform(nearest, farthest),
        )
        point = (bbox[:2] + bbox[2:]) / 2 + reach * np.array(
            [np.cos(angle), np.sin(angle)]
        )
        if np.all(point > 0.1 * np.array(size)) and np.all(
            point < 0.9 * np.array(size)
        ):
            break
    return np.clip(point, 0, size)


def _draw_still(
    rng: np.random.Generator,
    source,
    unit: float,
    camera: np.ndarray,
    size: tuple[int, int],
) -> Sprite:
    """Draw an object that moves with the background."""
    outline, look = _draw_object(rng, source)
    side = unit * np.exp(rng.uniform(np.log(16), np.log(85)))
    shape = rotations(rng.uniform(-1, 1, 1))[0] * side
    place = rng.uniform(0.1, 0.9, 2) * canvas_size(size)
    moved = np.concatenate([shape, place[:, None]], axis=1)
    matrices = camera[..., :2] @ moved
    matrices[..., 2] += camera[..., 2]
    return Sprite('still', outline, look, matrices)
