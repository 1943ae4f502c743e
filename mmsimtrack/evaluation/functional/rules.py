"""What each frame of a sequence contributes to a score, by a kit's rules."""

import numpy as np
from numpy import ndarray as Array

from .ope import center_errors, centers, normalized_center_errors, overlaps
from .profiles import Profile
from .refusal import RefusedInput
from .scores import FrameErrors

# values that miss (hit) at every threshold of a curve
_NO_OVERLAP = -1.0
_MISS, _HIT = np.inf, -1.0


def frame_errors(
    name: str,
    result_xywh: Array,
    gt_xywh: Array,
    profile: Profile,
    visible: Array | None = None,
    image_size: tuple[float, float] = (np.inf, np.inf),
) -> FrameErrors:
    """Compare a result with its annotation by the rules of a profile.

    Args:
        name: The sequence, for messages.
        result_xywh: (M, 4) in frame pixels, first frame included.
        gt_xywh: (N, 4) in frame pixels.
        profile: From `get_profile`.
        visible: (N,) bool. None: the target is visible in every frame.
        image_size: (W, H), to which a profile that pools frames clips boxes.

    Raises:
        RefusedInput: If the kit refuses the input; names the sequence.
    """
    result, gt = (np.asarray(x, np.float64) for x in (result_xywh, gt_xywh))
    visible = np.asarray(
        np.ones(len(gt)) if visible is None else visible, bool
    )
    for part, array, shape in (
        ('result', result, (len(result), 4)),
        ('annotation', gt, (len(gt), 4)),
        ('visibility', visible, (len(gt),)),
    ):
        if array.shape != shape or not len(array):
            raise RefusedInput(
                name,
                part,
                f'found {part} of shape {array.shape}, expected one row per '
                'frame, at least one: (T, 4) boxes x, y, w, h, and (T,) '
                'flags. Check the files of the sequence.',
            )
    if profile.measure == 'frames':
        return _pooled_errors(name, result, gt, visible, image_size)
    if profile.measure == 'server':
        return _server_errors(result, gt)
    return _one_pass_errors(name, result, gt, visible, profile)


def _one_pass_errors(
    name: str, result: Array, gt: Array, visible: Array, profile: Profile
) -> FrameErrors:
    """Compute the errors from which most kits draw three curves."""
    _refuse_rows(name, result, gt, profile)
    result = _complete(name, result, gt, profile)
    counted = np.arange(len(gt)) < len(result)
    if profile.valid == 'number':
        counted &= ~np.isnan(gt).any(axis=1)
    result = result[counted[: len(result)]]
    gt, visible = gt[counted], visible[counted]
    with np.errstate(invalid='ignore', over='ignore'):
        iou, pixels, sizes = _measure(result, gt, profile)
    boxed, centered = _find_valid(gt, profile)
    iou[~boxed] = _NO_OVERLAP
    pixels[~centered] = _HIT if profile.invalid_hits else _MISS
    sizes[~centered] = _HIT
    if profile.reads_visible:
        iou[~visible] = _NO_OVERLAP
        pixels[~visible] = sizes[~visible] = _MISS
        boxed = boxed & visible
    return FrameErrors(iou, pixels, sizes, boxed)


def _refuse_rows(
    name: str, result: Array, gt: Array, profile: Profile
) -> None:
    """Raise `RefusedInput` for the first row that the kit does not take."""
    sound = np.isfinite(result).all(axis=1) & (result[:, 2:] >= 0).all(axis=1)
    unknown = np.isnan(gt).any(axis=1)
    if profile.refuses_nan and not sound.all():
        row = int(sound.argmin())
        raise RefusedInput(
            name,
            'result',
            f'found {result[row].tolist()}, expected finite x, y and w, h >= '
            '0. Track the sequence again, or score it with another profile: '
            "'official' repeats the row before.",
            row,
        )
    if profile.refuses_unknown and unknown.any():
        row = int(unknown.argmax())
        raise RefusedInput(
            name,
            'annotation',
            f'found {gt[row].tolist()}, expected no NaN: this profile takes '
            'it for UAV123 and custom data only. Correct the benchmark, or '
            "take the profile 'official'.",
            row,
        )


def _complete(name: str, result: Array, gt: Array, profile: Profile) -> Array:
    """Repair bad rows of a result, and give it the annotation's length.

    It stays shorter where the kit cuts the annotation instead.
    """
    if len(result) < len(gt) and profile.short == 'refuse':
        raise RefusedInput.length(name, len(result), len(gt))
    result = result[: len(gt)]
    size = result[:, 2:]
    bad = {
        'broken': np.isnan(result).any(axis=1) | (size <= 0).any(axis=1),
        'empty': (size == 0).any(axis=1),
        '': np.zeros(len(result), bool),
    }[profile.repeats]
    # the kits repair no row where the annotation is unknown
    bad &= ~np.isnan(gt[: len(result)]).any(axis=1)
    # each bad row repeats the last good one before it
    source = np.where(bad, 0, np.arange(len(result)))
    result = result[np.maximum.accumulate(source)]
    if profile.short == 'pad':
        # after the repair: zero boxes of padding stay
        result = np.pad(result, ((0, len(gt) - len(result)), (0, 0)))
    if not profile.keeps_first:
        # after the repair: the second row may repeat the result's first
        result[0] = gt[0]
    return result


def _measure(result: Array, gt: Array, profile: Profile) -> tuple[Array, ...]:
    """Compute overlaps, center errors and normalized ones, (N,) each."""
    relative = normalized_center_errors(result, gt)
    if profile.arithmetic == 'subtract':
        difference = centers(result) - centers(gt)
        relative = np.linalg.norm(
            difference / np.maximum(gt[:, 2:], 1), axis=1
        )
    iou = overlaps(result, gt, pixel=profile.arithmetic == 'pixel')
    return iou, center_errors(result, gt), relative


def _find_valid(gt: Array, profile: Profile) -> tuple[Array, Array]:
    """Find the frames whose annotation counts in overlaps, and in centers."""
    positive, sized = (gt > 0).all(axis=1), (gt[:, 2:] > 0).all(axis=1)
    everywhere = np.ones(len(gt), dtype=bool)
    return {
        'box': (positive, positive),
        'size': (sized, sized),
        'center': (sized, (centers(gt) > 0).all(axis=1)),
        'any': (everywhere, everywhere),
        'number': (everywhere, everywhere),
    }[profile.valid]


def _pooled_errors(
    name: str, result: Array, gt: Array, visible: Array, image_size: Array
) -> FrameErrors:
    """Compute overlaps by the rules of GOT-10k.

    Boxes are clipped to the image: one that starts outside is moved, not cut.
    The first frame and hidden ones do not count.
    """
    if len(result) != len(gt):
        raise RefusedInput.length(name, len(result), len(gt))
    if len(gt) < 2:
        raise RefusedInput(
            name,
            'annotation',
            'found 1 frame, expected at least 2, since GOT-10k does not count '
            'the first. Leave the sequence out.',
        )
    clipped = []
    for boxes in (result, gt):
        corner = np.clip(boxes[:, :2], 0, image_size)
        size = np.clip(boxes[:, 2:], 0, image_size - corner)
        clipped.append(np.concatenate([corner, size], axis=1))
    return FrameErrors(np.clip(overlaps(*clipped)[1:][visible[1:]], 0, 1))


def _server_errors(result: Array, gt: Array) -> FrameErrors:
    """Compute errors by the rules of TrackingNet's server.

    Boxes are rounded, half to even; the first row is replaced, rows that
    lack are NaN, rows too many are not read.
    """
    rounded = np.full_like(gt, np.nan)
    rounded[: len(result)] = np.round(result[: len(gt)])
    result, gt = rounded, np.round(gt)
    result[0] = gt[0]
    # as fmax and fmin do, the server passes over NaN in x or y
    first = np.fmax(result[:, :2], gt[:, :2])
    last = np.fmin(result[:, :2] + result[:, 2:], gt[:, :2] + gt[:, 2:])
    intersection = np.maximum(last - first, 0).prod(axis=1)
    areas = result[:, 2:].prod(axis=1) + gt[:, 2:].prod(axis=1)
    centers = [x[:, :2] + (x[:, 2:] + 1) / 2 for x in (result, gt)]
    difference = centers[1] - centers[0]
    with np.errstate(divide='ignore', invalid='ignore'):
        iou = intersection / (areas - intersection)
        relative = difference / gt[:, 2:]
    pixels, sizes = (np.linalg.norm(x, axis=1) for x in (difference, relative))
    return FrameErrors(iou, pixels, sizes, valid=result.sum(axis=1) > 0)
