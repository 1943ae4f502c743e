"""Rules of the two benchmarks with a server: GOT-10k and TrackingNet."""

import numpy as np

from .ope import overlaps
from .refusal import RefusedInput
from .scores import FrameErrors


def pooled_errors(
    name: str,
    result_xywh: np.ndarray,
    gt_xywh: np.ndarray,
    visible: np.ndarray,
    image_size: tuple[float, float] | None,
) -> FrameErrors:
    """Overlaps by the rules of GOT-10k.

    Boxes are clipped to the image, the first frame and hidden ones dropped.

    Args:
        name: The sequence, for messages.
        result_xywh: (N, 4).
        gt_xywh: (N, 4).
        visible: (N,) bool.
        image_size: (W, H).

    Raises:
        RefusedInput: If lengths differ, there is one frame only, or no size.
    """
    if len(result_xywh) != len(gt_xywh):
        raise RefusedInput.length(name, len(result_xywh), len(gt_xywh))
    if len(gt_xywh) < 2:
        raise RefusedInput(
            name,
            'annotation',
            'found 1 frame, expected at least 2, since GOT-10k does not '
            'count the first. Leave the sequence out.',
        )
    if image_size is None:
        raise RefusedInput(
            name,
            'annotation',
            'found no image size, expected (W, H), to which GOT-10k clips '
            'boxes. Pass `image_size`.',
        )
    iou = overlaps(
        _shift_into(result_xywh, image_size), _shift_into(gt_xywh, image_size)
    )
    return FrameErrors(np.clip(iou[1:][visible[1:]], 0, 1))


def _shift_into(
    bboxes_xywh: np.ndarray, image_size: tuple[float, float]
) -> np.ndarray:
    """GOT-10k's clip: a box that starts outside is moved, not cut."""
    corner = np.clip(bboxes_xywh[:, :2], 0, image_size)
    size = np.clip(bboxes_xywh[:, 2:], 0, image_size - corner)
    return np.concatenate([corner, size], axis=1)


def server_errors(result_xywh: np.ndarray, gt_xywh: np.ndarray) -> FrameErrors:
    """Errors by the rules of TrackingNet.

    Boxes are rounded, half to even; the first row is replaced, rows that
    lack are NaN, rows too many are not read.

    Args:
        result_xywh: (M, 4).
        gt_xywh: (N, 4).
    """
    num_frames = len(gt_xywh)
    result = np.full((num_frames, 4), np.nan)
    result[: len(result_xywh)] = np.round(result_xywh[:num_frames])
    gt = np.round(gt_xywh)
    result[0] = gt[0]
    # as fmax and fmin do, the server passes over NaN in x or y
    first = np.fmax(result[:, :2], gt[:, :2])
    last = np.fmin(result[:, :2] + result[:, 2:], gt[:, :2] + gt[:, 2:])
    intersection = np.maximum(last - first, 0).prod(axis=1)
    areas = [bboxes[:, 2:].prod(axis=1) for bboxes in (result, gt)]
    centers = [b[:, :2] + (b[:, 2:] + 1) / 2 for b in (result, gt)]
    difference = centers[1] - centers[0]
    with np.errstate(divide='ignore', invalid='ignore'):
        iou = intersection / (sum(areas) - intersection)
        relative = difference / gt[:, 2:]
    return FrameErrors(
        iou,
        np.linalg.norm(difference, axis=1),
        np.linalg.norm(relative, axis=1),
        valid=result.sum(axis=1) > 0,
    )
