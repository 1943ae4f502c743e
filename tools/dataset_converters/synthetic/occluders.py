"""Occluders: bars and blobs that pass in front of the target."""

import numpy as np

from .motion import rotations
from .outlines import draw_bar, draw_outline, fill
from .scene import Look, Sprite

COVERED = (0.12, 0.62)  # largest share of the target behind an occluder
TRIALS = 8


def draw_occluder(
    rng: np.random.Generator,
    target: Sprite,
    front: list[Sprite],
    size: tuple[int, int],
) -> list[Sprite]:
    """Draw a bar or blob that passes in front of the target.

    Returns:
        One sprite, or none if all trials covered too little or too much.
    """
    num_frames = len(target.matrices)
    bboxes = target.bboxes
    centers = (bboxes[:, :2] + bboxes[:, 2:]) / 2
    for trial in range(TRIALS):
        t = int(rng.integers(num_frames // 5, num_frames))
        width = bboxes[t, 2:] - bboxes[t, :2]
        side = np.sqrt(np.prod(width)) * 0.94**trial
        angle = rng.uniform(0, 2 * np.pi)
        across = np.array([np.cos(angle), np.sin(angle)])
        # From one side of the target to the other in 6 to 16 frames.
        speed = 1.5 * side / rng.uniform(6, 16)
        passed = np.arange(num_frames)[:, None] - t
        before = centers[t] - centers[max(0, t - 3)]
        path = centers[t] + passed * (before / 3 - speed * across)
        path = path + rng.normal(0, 0.1, 2) * side
        if rng.random() < 0.6:
            outline, scale = draw_bar(rng), rng.uniform(0.6, 0.95)
        else:
            outline, scale = draw_outline(rng), rng.uniform(0.55, 0.8)
            angle += rng.uniform(0, np.pi)
        shape = rotations(np.full(num_frames, angle)) * scale * side
        matrices = np.concatenate([shape, path[..., None]], axis=2)
        sprite = Sprite(
            'occluder', outline, Look(int(rng.integers(2**31))), matrices
        )
        if (
            largest_cover(target, [sprite], size) > COVERED[0]
            and largest_cover(target, [*front, sprite], size) < COVERED[1]
        ):
            return [sprite]
    return []


def largest_cover(
    target: Sprite, others: list[Sprite], size: tuple[int, int]
) -> float:
    """Largest share of the target behind others, over the frames."""
    largest = 0.0
    bboxes = target.bboxes
    boxes = np.array([sprite.bboxes for sprite in others])  # (N, T, 4)
    meet = np.all(boxes[..., :2] < bboxes[:, 2:], axis=2) & np.all(
        boxes[..., 2:] > bboxes[:, :2], axis=2
    )
    for t in np.flatnonzero(meet.any(axis=0)):
        near = [others[i] for i in np.flatnonzero(meet[:, t])]
        # Half resolution is enough for a decision.
        corner = bboxes[t, :2] / 2
        width, height = np.ceil(bboxes[t, 2:] / 2 - corner).astype(int)
        masks = [
            fill(
                [
                    p / 2 - corner
                    for p in sprite.outline.moved(sprite.matrices[t])
                ],
                width,
                height,
            )
            > 0
            for sprite in (target, *near)
        ]
        hidden = masks[0] & np.any(masks[1:], axis=0)
        largest = max(largest, hidden.sum() / max(1, masks[0].sum()))
    return largest
