"""What a tracker does around its network, without torch: crops and boxes.

`SOTTracker` and the trackers of `mmsimtrack.runtime` share these functions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray as Array

from .bbox import clip_bboxes
from .crop_window import CropWindow

# x and y in sides of the box, and scale of the box, of the search crops that a
# tracker is calibrated with
CALIBRATION_VIEWS = (
    (0, 0, 1),
    (0.25, 0, 1),
    (-0.25, 0, 1),
    (0, 0.25, 1),
    (0, -0.25, 1),
    (0, 0, 1.15),
    (0, 0, 0.87),
)


def change_bboxes(bboxes: Array, shift, log_scale) -> Array:
    """Move and scale boxes around their centers.

    Args:
        bboxes: (B, 4) xyxy.
        shift: (2,) or (B, 2) x and y, as shares of the sides.
        log_scale: (2,) or (B, 2) logarithms of the factors of the sides.

    Returns:
        (B, 4) xyxy.
    """
    size = bboxes[:, 2:] - bboxes[:, :2]
    center = (bboxes[:, :2] + bboxes[:, 2:]) / 2 + np.multiply(shift, size)
    half = size * np.exp(log_scale) / 2
    return np.concatenate([center - half, center + half], axis=1)


def compare_bboxes(bboxes: Array, others: Array) -> tuple[Array, Array]:
    """Find by what `change_bboxes` took boxes out of others, in their sides.

    Args:
        bboxes: (B, 4) xyxy.
        others: (B, 4) xyxy, with an area.

    Returns:
        Shift (B, 2), as shares of the sides of `bboxes`, and logarithms of
        the ratios of the sides (B, 2); not finite where a box has no area.
    """
    size, other_size = (b[:, 2:] - b[:, :2] for b in (bboxes, others))
    center, other = ((b[:, :2] + b[:, 2:]) / 2 for b in (bboxes, others))
    with np.errstate(divide='ignore', invalid='ignore'):
        return (center - other) / size, np.log(size / other_size)


def smooth_sizes(bboxes: Array, previous: Array, share: float) -> Array:
    """Mix the sizes of boxes with the former sizes; the centers stay.

    A width that changes by the factor f is mixed with `share` times
    exp(-(log(f) / 0.5)^2) of the former one, and a height likewise: small
    changes are mostly noise, large ones are mostly true.

    Args:
        bboxes: (B, 4) xyxy.
        previous: (B, 4) xyxy of the frame before.
        share: Weight of the former sizes where nothing changes.

    Returns:
        (B, 4) xyxy.
    """
    if not share:
        return bboxes
    size, former = (b[:, 2:] - b[:, :2] for b in (bboxes, previous))
    change = np.log(np.maximum(size, 1e-9) / np.maximum(former, 1e-9))
    share = share * np.exp(-((change / 0.5) ** 2))
    half = ((1 - share) * size + share * former) / 2
    center = (bboxes[:, :2] + bboxes[:, 2:]) / 2
    return np.concatenate([center - half, center + half], axis=1)


def cut_crops(
    frames: Sequence[Array], bboxes: Array, view: dict
) -> tuple[Array, list[CropWindow]]:
    """Cut one crop out of each frame.

    Args:
        frames: B arrays (H, W, 3) uint8.
        bboxes: (B, 4) xyxy to cut around, in frame pixels.
        view: `factor` and `size` of `CropWindow.around`.

    Returns:
        (B, 3, size, size) uint8, and the B windows.
    """
    windows = [CropWindow.around(bbox, **view) for bbox in bboxes]
    crops = np.stack([w.cut(f) for w, f in zip(windows, frames)])
    return crops.transpose(0, 3, 1, 2), windows  # channels first


@dataclass(frozen=True)
class LostRule:
    """The rule by which targets are lost, searched for and found again.

    A target is lost in a frame where the peak of its heat maps is below
    `share` times the usual peak: that of its first frame, to which each later
    frame where it is seen adds `rate` times the difference. The box of a lost
    target stays, and it is searched for in a window that is `growth` times as
    wide in each further frame, up to `limit` times.

    Raises:
        ValueError: If a number makes no sense.
    """

    share: float
    rate: float
    growth: float
    limit: float

    def __post_init__(self) -> None:
        shares = 0 < self.share < 1 and 0 <= self.rate < 1
        if not (shares and 1 <= self.growth <= self.limit):
            raise ValueError(
                f'model.test_cfg.lost is {self}, expected 0 < share < 1, 0 <= '
                'rate < 1 <= growth <= limit. Change it in the config.'
            )

    def widen(self, bboxes: Array, missed: Array) -> Array:
        """Make the boxes to search around.

        Args:
            bboxes: (B, 4) xyxy of the former frames.
            missed: (B,) frames since each target was seen.

        Returns:
            (B, 4) xyxy.
        """
        log_scale = np.minimum(
            missed * np.log(self.growth), np.log(self.limit)
        )
        return change_bboxes(bboxes, 0, log_scale[:, None])

    def judge(
        self, peaks: Array, usual: Array, missed: Array
    ) -> tuple[Array, Array]:
        """Judge from peaks whether targets are seen.

        Args:
            peaks: (B,) of the heads; NaN where a head has none.
            usual: (B,) usual peaks up to the former frames.
            missed: (B,) frames since each target was seen.

        Returns:
            The usual peaks and the frames, both (B,), up to these frames.
        """
        least = self.share * usual
        moved = usual + self.rate * (peaks - usual)
        usual = np.where(peaks >= least, moved, usual)
        return usual, (missed + 1) * (peaks < least)


def calibrate(
    given: Array, predict: Callable[[Array], tuple]
) -> tuple[Array, Array]:
    """Look at the targets in the first frames, as it is done in later ones.

    The search crops are cut around displaced and scaled boxes; the median
    over them counts.

    Args:
        given: (B, 4) xyxy.
        predict: Predicts boxes (B, 4), scores and peaks (B,) from search
            crops around boxes (B, 4).

    Returns:
        How predictions differ from the given boxes, (B, 4) float64: x and y
        of the center, as shares of the sides, and the logarithms of the
        ratios of the sides, each at most 0.5; and the peaks (B,).
    """
    found, peaks = [], []
    for x, y, scale in CALIBRATION_VIEWS:
        around = change_bboxes(given, (x, y), (np.log(scale),) * 2)
        bboxes, _, peak = predict(around)
        found.append(np.concatenate(compare_bboxes(bboxes, given), axis=1))
        peaks.append(peak)
    bias = np.nan_to_num(np.median(found, axis=0), posinf=0, neginf=0)
    return bias.clip(-0.5, 0.5), np.median(peaks, axis=0)


def next_bboxes(
    found: Array,
    scores: Array,
    previous: Array,
    frames: Sequence[Array],
    clip_margin: float,
    size_smoothing: float = 0,
    bias: Array | None = None,
) -> tuple[Array, Array]:
    """Make the boxes of the next frames from predictions.

    Args:
        found: (B, 4) xyxy, predicted, in frame pixels.
        scores: (B,) of the predictions.
        previous: (B, 4) xyxy of the frames before.
        frames: B arrays (H, W, 3).
        clip_margin: See `clip_bboxes`.
        size_smoothing: See `smooth_sizes`.
        bias: (B, 4) of `calibrate`, which is taken off.

    Returns:
        (B, 4) xyxy, and (B,) bool: where the prediction was not finite, so
        that the previous box stands.
    """
    # before the clip, which would turn an infinity into a border
    failed = ~(np.isfinite(found).all(-1) & np.isfinite(scores))
    if bias is not None:
        found = change_bboxes(found, -bias[:, :2], -bias[:, 2:])
    found = smooth_sizes(found, previous, size_smoothing)
    shapes = [frame.shape[:2] for frame in frames]
    bboxes = clip_bboxes(found, shapes, clip_margin)
    bboxes[failed] = previous[failed]
    return bboxes, failed


@dataclass
class BoxRules:
    """The rules by which a tracker makes boxes of predictions.

    What is known of B targets is a dictionary of arrays with a row per
    target: `bboxes` (B, 4) xyxy and `scores` (B,) of the last frames,
    `num_failed`, in how many frames the prediction was not finite, and where
    a rule needs them `bias` (see `calibrate`), `usual_peaks` and `missed`
    (see `LostRule`).

    Attributes:
        clip_margin: See `clip_bboxes`.
        size_smoothing: See `smooth_sizes`.
        calibrate: Whether to take off how predictions differ from the given
            boxes in the first frames.
        lost: Numbers of a `LostRule`; None: no target is ever lost.
        lost_rule: The rule with these numbers, if there are any.
    """

    clip_margin: float
    size_smoothing: float = 0
    calibrate: bool = False
    lost: dict | None = None

    def __post_init__(self) -> None:
        self.lost_rule = LostRule(**self.lost) if self.lost else None

    def start(self, bboxes: Array, predict: Callable) -> dict[str, Array]:
        """Say what is known of targets after their first frames.

        Args:
            bboxes: (B, 4) xyxy, given.
            predict: See `calibrate`.
        """
        none = np.zeros(len(bboxes), int)
        scores = np.ones(len(bboxes), np.float32)
        known = dict(bboxes=bboxes.copy(), scores=scores, num_failed=none)
        if self.calibrate or self.lost:
            bias, peaks = calibrate(bboxes, predict)
            known |= dict(bias=bias) if self.calibrate else {}
            known |= dict(usual_peaks=peaks, missed=none) if self.lost else {}
        return known

    def follow(
        self, frames: Sequence[Array], known: dict, predict: Callable
    ) -> dict[str, Array]:
        """Say what is known of targets after the next frames.

        The box stays where the prediction is not finite or the target lost.

        Args:
            frames: B arrays (H, W, 3).
            known: What was known before.
            predict: See `calibrate`; in these frames.
        """
        around = previous = known['bboxes']
        if rule := self.lost_rule:
            around = rule.widen(previous, known['missed'])
        found, scores, peaks = predict(around)
        options = self.clip_margin, self.size_smoothing, known.get('bias')
        bboxes, failed = next_bboxes(found, scores, previous, frames, *options)
        num_failed = known['num_failed'] + failed
        scores = np.where(failed, known['scores'], scores)
        known = known | dict(scores=scores, num_failed=num_failed)
        if rule:
            about = known['usual_peaks'], known['missed']
            usual, missed = rule.judge(peaks, *about)
            bboxes = np.where(missed[:, None] > 0, previous, bboxes)
            known |= dict(usual_peaks=usual, missed=missed)
        return known | dict(bboxes=bboxes)


def check_frames(frames: Sequence, num_videos: int) -> list[Array]:
    """Make arrays (H, W, 3) of frames: arrays, tensors, images of Pillow.

    Raises:
        ValueError: If they do not fit the videos, or are no RGB images.
    """
    if len(frames) != num_videos:
        raise ValueError(
            f'Found {len(frames)} frames for {num_videos} videos. Give a list '
            'with the next frame of each video.'
        )
    frames = [np.asarray(frame) for frame in frames]
    for row, frame in enumerate(frames):
        if frame.shape[2:] != (3,) or frame.dtype != np.uint8:
            raise ValueError(
                f'Video {row}: the frame has shape {frame.shape} and dtype '
                f'{frame.dtype}, expected (H, W, 3) RGB uint8.'
            )
    return frames
