"""From frames to curves and scores, of a sequence and of a benchmark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .ope import (
    SUCCESS_THRESHOLDS,
    normalized_precision_curve,
    precision_curve,
    share,
    success_curve,
)
from .profiles import CURVE_SCORES, FRAME_SCORES, SERVER_SCORES, Profile

# of TrackingNet
SERVER_PIXELS = np.arange(21) * 2.5
SERVER_SIZES = np.arange(21) * 0.025


@dataclass(frozen=True)
class FrameErrors:
    """What each counted frame of a sequence contributes; (N,) each.

    Args:
        overlaps: Intersection over union, or -1 for a miss.
        center_errors: Pixels, -1 for a hit or infinity for a miss at every
            threshold. None under a profile that has no such curve.
        normalized_center_errors: The same, in target sizes.
        valid: Bool, which frames have a valid annotation; under the rules of
            TrackingNet, which have a box in the result. None: all.
    """

    overlaps: np.ndarray
    center_errors: np.ndarray | None = None
    normalized_center_errors: np.ndarray | None = None
    valid: np.ndarray | None = None

    @classmethod
    def cat(cls, errors: Sequence['FrameErrors']) -> 'FrameErrors':
        """The frames of all in one.

        Repeated runs of a sequence are scored so: the curve of all frames is
        the mean of the curves of the runs.
        """
        columns = zip(*(vars(e).values() for e in errors))
        return cls(
            *(None if c[0] is None else np.concatenate(c) for c in columns)
        )


def curves(errors: FrameErrors, profile: Profile) -> dict[str, np.ndarray]:
    """Curves of one sequence.

    Returns:
        ``success`` (21,), and ``precision`` and ``norm_precision``, (51,),
        on the server (21,), if the profile has them; in [0, 1].
    """
    if profile.measure == 'server':
        return _server_curves(errors)
    result = dict(success=success_curve(errors.overlaps))
    if profile.measure == 'curves':
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
        `profile.scores`, per cent except for `FRAME_SCORES`, fractions; with
        curves, also ``average_overlap`` of valid frames. NaN where no frame
        counts.
    """
    scores = _SCORES[profile.measure]([errors], profile)
    if profile.measure == 'curves':
        scores['average_overlap'] = scores.pop('mean_seq_average_overlap')
    return scores


def overall_scores(
    errors: Sequence[FrameErrors], profile: Profile
) -> dict[str, float]:
    """Scores of a benchmark, like `sequence_scores`.

    Returns:
        ``mean_seq_average_overlap`` instead of ``average_overlap``.
    """
    return _SCORES[profile.measure](errors, profile)


def overall_curves(
    errors: Sequence[FrameErrors], profile: Profile
) -> dict[str, np.ndarray]:
    """Curves of a benchmark, for plots; keys like `curves`.

    The mean over sequences, or the curve of all frames where a profile pools.
    """
    if profile.measure == 'frames':
        return curves(FrameErrors.cat(errors), profile)
    each = [curves(sequence, profile) for sequence in errors]
    return {
        key: _mean_curve([c[key] for c in each], profile) for key in each[0]
    }


def _mean_curve(each: list[np.ndarray], profile: Profile) -> np.ndarray:
    kept = np.array(each)
    if profile.drops_zero_curves and kept.any():
        kept = kept[kept.any(axis=1)]
    return kept.mean(axis=0)


def _server_curves(errors: FrameErrors) -> dict[str, np.ndarray]:
    # here an overlap that equals the threshold is a success
    distances = errors.center_errors[:, None]
    relative = errors.normalized_center_errors[:, None]
    return dict(
        success=share(errors.overlaps[:, None] >= SUCCESS_THRESHOLDS),
        precision=share(distances <= SERVER_PIXELS),
        norm_precision=share(relative <= SERVER_SIZES),
    )


def _curve_scores(
    errors: Sequence[FrameErrors], profile: Profile
) -> dict[str, float]:
    means = overall_curves(errors, profile)
    success, norm = means['success'], means['norm_precision']
    # thresholds 0.5, 0.75, 20 px and 0.2
    values = (
        success.mean(),
        success[10],
        success[15],
        means['precision'][20],
        norm[20],
        norm.mean(),
    )
    scores = {key: 100 * float(v) for key, v in zip(CURVE_SCORES, values)}
    valid = [e.overlaps[e.valid] for e in errors if e.valid.any()]
    each = [np.nan_to_num(o).mean() for o in valid]
    average = np.mean(each) if each else np.nan
    return scores | {'mean_seq_average_overlap': 100 * float(average)}


def _frame_scores(
    errors: Sequence[FrameErrors], profile: Profile
) -> dict[str, float]:
    pool = FrameErrors.cat(errors).overlaps
    if not len(pool):
        return dict.fromkeys(FRAME_SCORES, np.nan)
    values = pool.mean(), (pool > 0.5).mean(), (pool > 0.75).mean()
    return dict(zip(FRAME_SCORES, map(float, values)))


def _server_scores(
    errors: Sequence[FrameErrors], profile: Profile
) -> dict[str, float]:
    covered = np.concatenate([e.valid for e in errors]).mean()
    means = overall_curves(errors, profile).values()
    # trapezoid rule over [0, 1], whatever the thresholds were
    areas = ((c[1:] + c[:-1]).mean() / 2 for c in means)
    values = (covered, *areas)
    return {key: 100 * float(v) for key, v in zip(SERVER_SCORES, values)}


_SCORES: dict[str, Callable] = dict(
    curves=_curve_scores, frames=_frame_scores, server=_server_scores
)
