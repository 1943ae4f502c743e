"""One-pass evaluation: success, precision, normalized precision, AO and SR.

Public kits agree on the three curves and differ in odd frames: absent targets,
empty boxes, NaN, missing rows. A `Profile` says what happens to those.
Boxes are xywh here, since the kits define their measures on xywh.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .profiles import CURVE_SCORES, FRAME_SCORES, Profile

# k * 0.05 in float64, as the kits compute them: ties depend on it
SUCCESS_THRESHOLDS = np.arange(21) * 0.05
PRECISION_THRESHOLDS = np.arange(51.0)
NORMALIZED_PRECISION_THRESHOLDS = np.arange(51) / 100


@dataclass(frozen=True)
class FrameErrors:
    """What each counted frame of a sequence contributes; (N,) each.

    Args:
        overlaps: Intersection over union, or -1 for a miss.
        center_errors: Pixels, -1 for a hit or infinity for a miss at every
            threshold. None under a profile that has no such curve.
        normalized_center_errors: The same, in target sizes.
    """

    overlaps: np.ndarray
    center_errors: np.ndarray | None = None
    normalized_center_errors: np.ndarray | None = None


def overlaps(result_xywh: np.ndarray, gt_xywh: np.ndarray) -> np.ndarray:
    """Intersection over union, frame by frame.

    Differs from `aligned_iou` by what the kits do: NaN stays NaN, areas are
    w * h, and corners are pixel indices. The latter cancels out except for
    rounding, by which a perfect overlap may exceed 1 by 2e-16.

    Args:
        result_xywh: (N, 4).
        gt_xywh: (N, 4).

    Returns:
        (N,); 0 where both boxes are empty.
    """
    result, gt = result_xywh[:, 2:], gt_xywh[:, 2:]
    first = np.maximum(result_xywh[:, :2], gt_xywh[:, :2])
    last = np.minimum(result_xywh[:, :2] + result - 1, gt_xywh[:, :2] + gt - 1)
    intersection = np.maximum(last - first + 1, 0).prod(axis=1)
    union = result.prod(axis=1) + gt.prod(axis=1) - intersection
    return intersection / np.where(union == 0, 1, union)


def center_errors(result_xywh: np.ndarray, gt_xywh: np.ndarray) -> np.ndarray:
    """Distance of the centers in pixels: two (N, 4) -> (N,)."""
    return np.linalg.norm(_centers(result_xywh) - _centers(gt_xywh), axis=1)


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
        difference = _centers(result_xywh) / size - _centers(gt_xywh) / size
    return np.linalg.norm(difference, axis=1)


def success_curve(overlaps: np.ndarray) -> np.ndarray:
    """Share of frames above each overlap threshold: (N,) -> (21,)."""
    return _share(overlaps[:, None] > SUCCESS_THRESHOLDS)


def precision_curve(center_errors: np.ndarray) -> np.ndarray:
    """Share of frames within 0..50 pixels: (N,) -> (51,)."""
    return _share(center_errors[:, None] <= PRECISION_THRESHOLDS)


def normalized_precision_curve(
    normalized_center_errors: np.ndarray,
) -> np.ndarray:
    """Share of frames within 0..0.5 target sizes: (N,) -> (51,)."""
    return _share(
        normalized_center_errors[:, None] <= NORMALIZED_PRECISION_THRESHOLDS
    )


def curves(errors: FrameErrors) -> dict[str, np.ndarray]:
    """``success``, and ``precision`` and ``norm_precision`` if defined."""
    result = dict(success=success_curve(errors.overlaps))
    if errors.center_errors is not None:
        result.update(
            precision=precision_curve(errors.center_errors),
            norm_precision=normalized_precision_curve(
                errors.normalized_center_errors
            ),
        )
    return result


def sequence_scores(errors: FrameErrors, profile: Profile) -> dict[str, float]:
    """Scores of one sequence.

    Returns:
        `CURVE_SCORES` in per cent, then `FRAME_SCORES` as fractions; NaN
        where the profile does not define a score or no frame counts.
    """
    return overall_scores([errors], profile)


def overall_scores(
    errors: Sequence[FrameErrors], profile: Profile
) -> dict[str, float]:
    """Scores of a benchmark; like `sequence_scores`."""
    scores = dict.fromkeys(CURVE_SCORES + FRAME_SCORES, np.nan)
    if profile.pools_frames:
        scores.update(_frame_scores(_pool(errors).overlaps))
    else:
        scores.update(_curve_scores(overall_curves(errors, profile)))
    return scores


def overall_curves(
    errors: Sequence[FrameErrors], profile: Profile
) -> dict[str, np.ndarray]:
    """Curves of a benchmark, for plots; keys like `curves`.

    The mean over sequences, or the curve of all frames where a profile pools.
    """
    if profile.pools_frames:
        return curves(_pool(errors))
    each = [curves(sequence) for sequence in errors]
    return {key: np.mean([c[key] for c in each], axis=0) for key in each[0]}


def _centers(bboxes_xywh: np.ndarray) -> np.ndarray:
    # of pixel indices, hence the -1; it matters to normalized ties only
    return bboxes_xywh[:, :2] + 0.5 * (bboxes_xywh[:, 2:] - 1)


def _share(hits: np.ndarray) -> np.ndarray:
    """(N, K) -> (K,); zeros if there is no frame."""
    return hits.sum(axis=0) / max(len(hits), 1)


def _pool(errors: Sequence[FrameErrors]) -> FrameErrors:
    return FrameErrors(np.concatenate([e.overlaps for e in errors]))


def _frame_scores(overlaps: np.ndarray) -> dict[str, float]:
    if not len(overlaps):
        return {}
    values = overlaps.mean(), (overlaps > 0.5).mean(), (overlaps > 0.75).mean()
    return dict(zip(FRAME_SCORES, map(float, values)))


def _curve_scores(curves: dict[str, np.ndarray]) -> dict[str, float]:
    success, norm = curves['success'], curves['norm_precision']
    # thresholds 0.5, 0.75, 20 px and 0.2
    values = (
        success.mean(),
        success[10],
        success[15],
        curves['precision'][20],
        norm[20],
        norm.mean(),
    )
    return {key: 100 * float(v) for key, v in zip(CURVE_SCORES, values)}
