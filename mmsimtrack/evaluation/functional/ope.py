"""How far a box is from another: overlaps and distances of centers.

Public kits agree on these measures and differ in odd frames: absent targets,
empty boxes, NaN, missing rows. A `Profile` says what happens to those.
Boxes are (N, 4) xywh here, since the kits define their measures on xywh.
"""

import numpy as np
from numpy import ndarray as Array


def overlaps(result: Array, gt: Array, pixel: float = 1) -> Array:
    """Compute the intersection over union, frame by frame.

    Differs from `aligned_iou` by what the kits do: NaN stays NaN and areas
    are w * h.

    Args:
        result: (N, 4) xywh.
        gt: (N, 4) xywh.
        pixel: 1: corners are pixel indices. This cancels out except for
            rounding, by which a perfect overlap may exceed 1 by 2e-16. 0:
            they are not, and overlaps are clipped to [0, 1].

    Returns:
        (N,); 0 where both boxes are empty.
    """
    size, gt_size = result[:, 2:], gt[:, 2:]
    first = np.maximum(result[:, :2], gt[:, :2])
    last = np.minimum(
        result[:, :2] + size - pixel, gt[:, :2] + gt_size - pixel
    )
    intersection = np.maximum(last - first + pixel, 0).prod(axis=1)
    union = size.prod(axis=1) + gt_size.prod(axis=1) - intersection
    iou = intersection / np.where(union == 0, 1, union)
    return iou if pixel else np.clip(iou, 0, 1)


def center_errors(result: Array, gt: Array) -> Array:
    """Compute the distance of the centers in pixels: two (N, 4) -> (N,)."""
    return np.linalg.norm(centers(result) - centers(gt), axis=1)


def normalized_center_errors(result: Array, gt: Array) -> Array:
    """Compute the distance of the centers in units of the annotated size.

    Args:
        result: (N, 4) xywh.
        gt: (N, 4) xywh.

    Returns:
        (N,); NaN or infinity where the annotation is empty.
    """
    with np.errstate(divide='ignore', invalid='ignore'):
        # divided before subtracting, as the kits do: ties depend on it
        difference = centers(result) / gt[:, 2:] - centers(gt) / gt[:, 2:]
    return np.linalg.norm(difference, axis=1)


def centers(bboxes_xywh: Array) -> Array:
    """Compute the centers in pixel indices: (N, 4) -> (N, 2)."""
    return bboxes_xywh[:, :2] + 0.5 * (bboxes_xywh[:, 2:] - 1)
