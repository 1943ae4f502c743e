"""One-pass evaluation: overlaps, center errors and the curves of shares.

Public kits agree on the three curves and differ in odd frames: absent targets,
empty boxes, NaN, missing rows. A `Profile` says what happens to those.
Boxes are xywh here, since the kits define their measures on xywh.
"""

import numpy as np

# largest threshold of each curve; they are spread evenly from 0
LIMITS = {'success': 1, 'precision': 50, 'norm_precision': 0.5}
# k * 0.05 in float64, as the kits compute them: ties depend on it
SUCCESS_THRESHOLDS = np.arange(21) * 0.05
PRECISION_THRESHOLDS = np.arange(51.0)
NORMALIZED_PRECISION_THRESHOLDS = np.arange(51) / 100


def overlaps(
    result_xywh: np.ndarray, gt_xywh: np.ndarray, pixel: float = 1
) -> np.ndarray:
    """Intersection over union, frame by frame.

    Differs from `aligned_iou` by what the kits do: NaN stays NaN and areas
    are w * h.

    Args:
        result_xywh: (N, 4).
        gt_xywh: (N, 4).
        pixel: 1: corners are pixel indices. This cancels out except for
            rounding, by which a perfect overlap may exceed 1 by 2e-16. 0:
            they are not, and overlaps are clipped to [0, 1].

    Returns:
        (N,); 0 where both boxes are empty.
    """
    result, gt = result_xywh[:, 2:], gt_xywh[:, 2:]
    first = np.maximum(result_xywh[:, :2], gt_xywh[:, :2])
    last = np.minimum(
        result_xywh[:, :2] + result - pixel, gt_xywh[:, :2] + gt - pixel
    )
    intersection = np.maximum(last - first + pixel, 0).prod(axis=1)
    union = result.prod(axis=1) + gt.prod(axis=1) - intersection
    iou = intersection / np.where(union == 0, 1, union)
    return iou if pixel else np.clip(iou, 0, 1)


def center_errors(result_xywh: np.ndarray, gt_xywh: np.ndarray) -> np.ndarray:
    """Distance of the centers in pixels: two (N, 4) -> (N,)."""
    return np.linalg.norm(centers(result_xywh) - centers(gt_xywh), axis=1)


def normalized_center_errors(
    result_xywh: np.ndarray, gt_xywh: np.ndarray
) -> np.ndarray:
    """Distance of the centers, each axis over the annotated size.

    Args:
        result_xywh: (N, 4).
        gt_xywh: (N, 4).

    Returns:
        (N,); NaN or infinity where the annotation is empty.
    """
    size = gt_xywh[:, 2:]
    with np.errstate(divide='ignore', invalid='ignore'):
        # divided before subtracting, as the kits do: ties depend on it
        difference = centers(result_xywh) / size - centers(gt_xywh) / size
    return np.linalg.norm(difference, axis=1)


def centers(bboxes_xywh: np.ndarray) -> np.ndarray:
    """Centers in pixel indices: (N, 4) -> (N, 2)."""
    return bboxes_xywh[:, :2] + 0.5 * (bboxes_xywh[:, 2:] - 1)


def success_curve(overlaps: np.ndarray) -> np.ndarray:
    """Share of frames above each overlap threshold: (N,) -> (21,)."""
    return share(overlaps[:, None] > SUCCESS_THRESHOLDS)


def precision_curve(center_errors: np.ndarray) -> np.ndarray:
    """Share of frames within 0..50 pixels: (N,) -> (51,)."""
    return share(center_errors[:, None] <= PRECISION_THRESHOLDS)


def normalized_precision_curve(
    normalized_center_errors: np.ndarray,
) -> np.ndarray:
    """Share of frames within 0..0.5 target sizes: (N,) -> (51,)."""
    return share(
        normalized_center_errors[:, None] <= NORMALIZED_PRECISION_THRESHOLDS
    )


def share(hits: np.ndarray) -> np.ndarray:
    """(N, K) bool -> (K,); zeros if there is no frame."""
    return hits.sum(axis=0) / max(len(hits), 1)
