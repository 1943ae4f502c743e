"""What each frame of a sequence contributes, by the rules of a kit."""

import numpy as np

from .ope import FrameErrors, center_errors, normalized_center_errors, overlaps
from .profiles import Profile

# a frame that misses (hits) at every threshold of its curve
_NO_OVERLAP = -1.0
_MISS, _HIT = np.inf, -1.0


def frame_errors(
    name: str,
    result_xywh: np.ndarray,
    gt_xywh: np.ndarray,
    profile: Profile,
    visible: np.ndarray | None = None,
    image_size: tuple[float, float] | None = None,
) -> FrameErrors:
    """Compare a result with its annotation by the rules of a profile.

    Args:
        name: The sequence, for messages.
        result_xywh: (M, 4) in frame pixels, first frame included.
        gt_xywh: (N, 4) in frame pixels.
        profile: From `get_profile`.
        visible: (N,) bool. None: the target is visible in every frame.
        image_size: (W, H), needed by a profile that pools frames.

    Raises:
        ValueError: If the kit refuses the input; names the sequence.
    """
    result_xywh = _checked(name, 'result', result_xywh)
    gt_xywh = _checked(name, 'annotation', gt_xywh)
    if visible is None:
        visible = np.ones(len(gt_xywh), dtype=bool)
    visible = np.asarray(visible, dtype=bool)
    if visible.shape != (len(gt_xywh),):
        raise ValueError(
            f"sequence '{name}': found visibility flags of shape "
            f'{visible.shape}, expected ({len(gt_xywh)},), one per annotated '
            'frame. Check the annotation files of the sequence.'
        )
    if profile.pools_frames:
        return _pooled_errors(name, result_xywh, gt_xywh, visible, image_size)
    return _one_pass_errors(name, result_xywh, gt_xywh, visible, profile)


def _checked(name: str, what: str, bboxes_xywh: np.ndarray) -> np.ndarray:
    bboxes_xywh = np.asarray(bboxes_xywh, dtype=np.float64)
    if bboxes_xywh.ndim != 2 or bboxes_xywh.shape[1:] != (4,):
        raise ValueError(
            f"sequence '{name}': found {what} of shape {bboxes_xywh.shape}, "
            'expected (T, 4). Pass one xywh row per frame.'
        )
    if not len(bboxes_xywh):
        raise ValueError(
            f"sequence '{name}': found no {what}, expected at least one row. "
            'Check the files of the sequence.'
        )
    return bboxes_xywh


def _one_pass_errors(
    name: str,
    result_xywh: np.ndarray,
    gt_xywh: np.ndarray,
    visible: np.ndarray,
    profile: Profile,
) -> FrameErrors:
    _refuse_invalid(name, result_xywh, gt_xywh, profile)
    result_xywh = _complete(name, result_xywh, gt_xywh, profile)
    annotated = (gt_xywh[:, 2:] > 0).all(axis=1)
    centers = center_errors(result_xywh, gt_xywh)
    normalized = normalized_center_errors(result_xywh, gt_xywh)
    iou = overlaps(result_xywh, gt_xywh)
    iou[~annotated] = _NO_OVERLAP
    centers[~annotated] = _HIT if profile.marks_absent_by_nan else _MISS
    normalized[~annotated] = _HIT
    if profile.reads_visible:
        iou[~visible] = _NO_OVERLAP
        centers[~visible] = normalized[~visible] = _MISS
    return FrameErrors(iou, centers, normalized)


def _refuse_invalid(
    name: str, result_xywh: np.ndarray, gt_xywh: np.ndarray, profile: Profile
) -> None:
    finite = np.isfinite(result_xywh).all(axis=1)
    bad = ~finite | (result_xywh[:, 2:] < 0).any(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"sequence '{name}': found {result_xywh[row].tolist()} in row "
            f'{row} of the result, expected finite x, y and w, h >= 0. Track '
            'the sequence again.'
        )
    bad = np.isnan(gt_xywh).any(axis=1)
    if bad.any() and not profile.marks_absent_by_nan:
        row = int(bad.argmax())
        raise ValueError(
            f"sequence '{name}': found {gt_xywh[row].tolist()} in row {row} "
            'of the annotation, expected no NaN. Only the rules of the UAV '
            "benchmarks allow it: set `benchmark`, for example to 'uav123'."
        )


def _complete(
    name: str, result_xywh: np.ndarray, gt_xywh: np.ndarray, profile: Profile
) -> np.ndarray:
    """Result of the annotation's length, without empty rows to repair."""
    result_xywh = result_xywh[: len(gt_xywh)]
    num_rows, num_frames = len(result_xywh), len(gt_xywh)
    # an empty box repeats the row before it, unless no target is annotated
    unknown = np.isnan(gt_xywh[:num_rows]).any(axis=1)
    repeated = (result_xywh[:, 2:] == 0).any(axis=1) & ~unknown
    source = np.where(repeated, 0, np.arange(num_rows))
    result_xywh = result_xywh[np.maximum.accumulate(source)]
    if num_rows < num_frames:
        if not profile.pads_result:
            raise _length_error(name, num_rows, num_frames)
        # after the repair: zero boxes of padding stay
        result_xywh = np.pad(result_xywh, ((0, num_frames - num_rows), (0, 0)))
    result_xywh[0] = gt_xywh[0]
    return result_xywh


def _pooled_errors(
    name: str,
    result_xywh: np.ndarray,
    gt_xywh: np.ndarray,
    visible: np.ndarray,
    image_size: tuple[float, float] | None,
) -> FrameErrors:
    if len(result_xywh) != len(gt_xywh):
        raise _length_error(name, len(result_xywh), len(gt_xywh))
    if len(gt_xywh) < 2:
        raise ValueError(
            f"sequence '{name}': found 1 frame, expected at least 2, since "
            'GOT-10k does not count the first. Leave the sequence out.'
        )
    if image_size is None:
        raise ValueError(
            f"sequence '{name}': found no image size, expected (W, H), to "
            'which GOT-10k clips boxes. Pass `image_size`.'
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


def _length_error(name: str, found: int, expected: int) -> ValueError:
    return ValueError(
        f"sequence '{name}': found {found} rows in the result, expected "
        f'{expected}, one per annotated frame. Track the sequence again.'
    )
