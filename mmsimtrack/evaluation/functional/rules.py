"""What each frame of a sequence contributes, by the rules of a kit."""

import numpy as np

from .ope import center_errors, centers, normalized_center_errors, overlaps
from .profiles import Profile
from .refusal import RefusedInput
from .scores import FrameErrors
from .server_rules import pooled_errors, server_errors

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
        RefusedInput: If the kit refuses the input; names the sequence.
    """
    result_xywh = _checked(name, 'result', result_xywh)
    gt_xywh = _checked(name, 'annotation', gt_xywh)
    if visible is None:
        visible = np.ones(len(gt_xywh), dtype=bool)
    visible = np.asarray(visible, dtype=bool)
    if visible.shape != (len(gt_xywh),):
        raise RefusedInput(
            name,
            'visibility',
            f'found visibility flags of shape {visible.shape}, expected '
            f'({len(gt_xywh)},), one per annotated frame. Check the '
            'annotation files of the sequence.',
        )
    if profile.measure == 'frames':
        return pooled_errors(name, result_xywh, gt_xywh, visible, image_size)
    if profile.measure == 'server':
        return server_errors(result_xywh, gt_xywh)
    return _one_pass_errors(name, result_xywh, gt_xywh, visible, profile)


def _checked(name: str, what: str, bboxes_xywh: np.ndarray) -> np.ndarray:
    bboxes_xywh = np.asarray(bboxes_xywh, dtype=np.float64)
    if bboxes_xywh.ndim != 2 or bboxes_xywh.shape[1:] != (4,):
        raise RefusedInput(
            name,
            what,
            f'found {what} of shape {bboxes_xywh.shape}, expected (T, 4). '
            'Pass one xywh row per frame.',
        )
    if not len(bboxes_xywh):
        raise RefusedInput(
            name,
            what,
            f'found no {what}, expected at least one row. Check the files of '
            'the sequence.',
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
    kept = np.arange(len(gt_xywh)) < len(result_xywh)
    if profile.valid == 'number':
        kept &= ~np.isnan(gt_xywh).any(axis=1)
    result_xywh = result_xywh[kept[: len(result_xywh)]]
    gt_xywh, visible = gt_xywh[kept], visible[kept]
    with np.errstate(invalid='ignore', over='ignore'):
        iou, pixels, sizes = _measures(result_xywh, gt_xywh, profile)
    boxed, centered = _valid(gt_xywh, profile)
    iou[~boxed] = _NO_OVERLAP
    pixels[~centered] = _HIT if profile.invalid_hits else _MISS
    sizes[~centered] = _HIT
    if profile.reads_visible:
        iou[~visible] = _NO_OVERLAP
        pixels[~visible] = sizes[~visible] = _MISS
        boxed = boxed & visible
    return FrameErrors(iou, pixels, sizes, boxed)


def _refuse_invalid(
    name: str, result_xywh: np.ndarray, gt_xywh: np.ndarray, profile: Profile
) -> None:
    bad = ~np.isfinite(result_xywh).all(axis=1)
    bad |= (result_xywh[:, 2:] < 0).any(axis=1)
    if profile.refuses_nan and bad.any():
        row = int(bad.argmax())
        raise RefusedInput(
            name,
            'result',
            f'found {result_xywh[row].tolist()}, expected finite x, y and '
            'w, h >= 0. Track the sequence again, or score it with another '
            "profile: 'official' repeats the row before.",
            row,
        )
    bad = np.isnan(gt_xywh).any(axis=1)
    if profile.refuses_unknown and bad.any():
        row = int(bad.argmax())
        raise RefusedInput(
            name,
            'annotation',
            f'found {gt_xywh[row].tolist()}, expected no NaN: this profile '
            'takes it for UAV123 and custom data only. Correct the '
            "benchmark, or take the profile 'official'.",
            row,
        )


def _complete(
    name: str, result_xywh: np.ndarray, gt_xywh: np.ndarray, profile: Profile
) -> np.ndarray:
    """Result of the annotation's length, with bad rows repaired.

    It stays shorter where the annotation is to be cut.
    """
    num_rows, num_frames = len(result_xywh), len(gt_xywh)
    if num_rows < num_frames and profile.short == 'refuse':
        raise RefusedInput.length(name, num_rows, num_frames)
    result_xywh = _repeat(result_xywh[:num_frames], gt_xywh, profile)
    if profile.short == 'pad':
        # after the repair: zero boxes of padding stay
        missing = num_frames - len(result_xywh)
        result_xywh = np.pad(result_xywh, ((0, missing), (0, 0)))
    if not profile.keeps_first:
        # after the repair: the second row may repeat the result's first
        result_xywh[0] = gt_xywh[0]
    return result_xywh


def _repeat(
    result_xywh: np.ndarray, gt_xywh: np.ndarray, profile: Profile
) -> np.ndarray:
    """A copy where each bad row repeats the row before it."""
    num_rows = len(result_xywh)
    size = result_xywh[:, 2:]
    if profile.repeats == 'broken':
        bad = np.isnan(result_xywh).any(axis=1) | (size <= 0).any(axis=1)
    else:
        bad = (size == 0).any(axis=1) & (profile.repeats == 'empty')
    # not where no target is annotated
    bad &= ~np.isnan(gt_xywh[:num_rows]).any(axis=1)
    source = np.where(bad, 0, np.arange(num_rows))
    return result_xywh[np.maximum.accumulate(source)]


def _measures(
    result_xywh: np.ndarray, gt_xywh: np.ndarray, profile: Profile
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overlaps, center errors and normalized ones, (N,) each."""
    distances = center_errors(result_xywh, gt_xywh)
    relative = normalized_center_errors(result_xywh, gt_xywh)
    if profile.arithmetic == 'pixel':
        return overlaps(result_xywh, gt_xywh), distances, relative
    if profile.arithmetic == 'subtract':
        difference = centers(result_xywh) - centers(gt_xywh)
        sizes = np.maximum(gt_xywh[:, 2:], 1)
        relative = np.linalg.norm(difference / sizes, axis=1)
    iou = overlaps(result_xywh, gt_xywh, pixel=0)
    return iou, distances, relative


def _valid(
    gt_xywh: np.ndarray, profile: Profile
) -> tuple[np.ndarray, np.ndarray]:
    """Frames with a valid annotation, for overlaps and for centers."""
    if profile.valid in ('any', 'number'):
        everywhere = np.ones(len(gt_xywh), dtype=bool)
        return everywhere, everywhere
    sized = (gt_xywh[:, 2:] > 0).all(axis=1)
    if profile.valid == 'center':
        return sized, (centers(gt_xywh) > 0).all(axis=1)
    valid = sized & ((gt_xywh > 0).all(axis=1) | (profile.valid == 'size'))
    return valid, valid
