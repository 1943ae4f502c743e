"""Pure functions on boxes: (..., 4), xyxy unless the name says otherwise."""

import numpy as np

LARGEST = 1e9  # px; no box of any frame has a larger number
MOST_FRAMES = 10  # sides of a box, in the longer side of its frame


def xywh_to_xyxy(bboxes_xywh) -> np.ndarray:
    """Convert (..., 4) left, top, width, height to (..., 4) xyxy, float64."""
    bboxes_xywh = np.asarray(bboxes_xywh, np.float64)
    corner, extent = bboxes_xywh[..., :2], bboxes_xywh[..., 2:]
    return np.concatenate([corner, corner + extent], axis=-1)


def xyxy_to_xywh(bboxes) -> np.ndarray:
    """Convert (..., 4) xyxy to (..., 4) left, top, width, height, float64."""
    bboxes = np.asarray(bboxes, np.float64)
    corner, opposite = bboxes[..., :2], bboxes[..., 2:]
    return np.concatenate([corner, opposite - corner], axis=-1)


def has_area(bboxes_xywh: np.ndarray) -> np.ndarray:
    """Tell for (..., 4) xywh which are finite and have two sides above 0."""
    finite = np.isfinite(bboxes_xywh).all(-1)
    return finite & (bboxes_xywh[..., 2:] > 0).all(-1)


def aligned_iou(bboxes, others) -> np.ndarray:
    """Compute the intersection over union, row by row.

    Args:
        bboxes: (..., 4) xyxy.
        others: (..., 4) xyxy in the same unit.

    Returns:
        (...) in [0, 1]; 0 where a box has no area.
    """
    bboxes = np.asarray(bboxes, np.float64)
    others = np.asarray(others, np.float64)
    corner = np.maximum(bboxes[..., :2], others[..., :2])
    opposite = np.minimum(bboxes[..., 2:], others[..., 2:])
    intersection = np.clip(opposite - corner, 0, None).prod(-1)
    area = np.clip(bboxes[..., 2:] - bboxes[..., :2], 0, None).prod(-1)
    other = np.clip(others[..., 2:] - others[..., :2], 0, None).prod(-1)
    union = area + other - intersection
    return np.divide(
        intersection, union, out=np.zeros_like(union), where=union > 0
    )


def is_huge(sizes, frame_shape) -> np.ndarray:
    """Tell for (..., 2) sides in pixels which are far larger than a frame.

    Args:
        sizes: Widths and heights of boxes, or of windows.
        frame_shape: (H, W) or more of their frame.
    """
    return np.max(sizes, axis=-1) > MOST_FRAMES * max(frame_shape[:2])


def clip_bboxes(bboxes, frame_shape, margin: float) -> np.ndarray:
    """Keep boxes in reach of their frame, as the released tracker does.

    At least `margin` pixels of the frame stay to the right of (below) the
    first corner, and every side is at least `margin` long, so an inverted
    prediction keeps its first corner and becomes `margin` long.

    Args:
        bboxes: (B, 4) xyxy in frame pixels.
        frame_shape: (H, W), or (B, 2) of them.
        margin: In pixels; 10 in the release. In a smaller frame it is the
            size of the frame.

    Returns:
        (B, 4) xyxy, float64.
    """
    bboxes = np.asarray(bboxes, np.float64)
    # (H, W) -> (W, H), the order of x, y
    limit = np.asarray(frame_shape, np.float64)[..., ::-1]
    margin = np.minimum(margin, limit)
    corner = np.clip(bboxes[..., :2], 0, limit - margin)
    opposite = np.clip(bboxes[..., 2:], margin, limit)
    return np.concatenate(
        [corner, corner + np.maximum(opposite - corner, margin)], axis=-1
    )


def read_boxes(bboxes) -> np.ndarray:
    """Read a box, (4,) xyxy, or boxes, (N, 4), as (N, 4) float64.

    Raises:
        ValueError: If it is something else, or no box.
    """
    try:
        rows = np.asarray(bboxes).astype(np.float64)  # a copy
    except (TypeError, ValueError):  # texts, rows of different lengths
        rows = np.empty(0)
    if not rows.size or rows.ndim > 2 or rows.shape[-1:] != (4,):
        raise ValueError(
            f'found {bboxes!r} as box, expected four numbers x1, y1, x2, y2 '
            'in pixels, or a row of them for each target.'
        )
    return rows.reshape(-1, 4)


def check_first_box(bbox, frame_shape, where: str) -> None:
    """Refuse a first box from which no tracker could start.

    Args:
        bbox: (4,) xyxy in frame pixels.
        frame_shape: (H, W) or more of the first frame.
        where: Name of the video that the box belongs to, for the message.

    Raises:
        ValueError: If the box is not finite, has no area or lies wholly
            outside of the frame, or is far larger.
    """
    height, width = frame_shape[:2]
    x1, y1, x2, y2 = map(float, bbox)
    problem = None
    if not np.isfinite((x1, y1, x2, y2)).all():
        problem = 'is not finite'
    elif x2 <= x1 or y2 <= y1:
        problem = 'has no area'
    elif x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        problem = 'lies wholly outside of the frame'
    elif is_huge((x2 - x1, y2 - y1), frame_shape):
        problem = f'is over {MOST_FRAMES} times as large as the frame'
    if problem:
        raise ValueError(
            f'{where}: the first box, x,y,w,h = {x1:g},{y1:g},{x2 - x1:g},'
            f'{y2 - y1:g}, {problem}; the frame is {width} x {height} px. '
            'Give a box around the target in the first frame (x,y,w,h in '
            'files and on command lines, xyxy in Python).'
        )
