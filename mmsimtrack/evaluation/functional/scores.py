"""Curves and scores, of a sequence and of a benchmark, from frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray as Array

from .profiles import Profile

# kind of curve -> column of `FrameErrors`, comparison, thresholds
_ONE_PASS = {
    # k * 0.05 in float64, as the kits compute them: ties depend on it
    'success': ('overlaps', np.greater, np.arange(21) * 0.05),
    'precision': ('pixels', np.less_equal, np.arange(51.0)),
    'norm_precision': ('sizes', np.less_equal, np.arange(51) / 100),
}
_CURVES = {
    'curves': _ONE_PASS,
    'frames': {'success': _ONE_PASS['success']},
    'server': {
        # here an overlap that equals the threshold is a success
        'success': ('overlaps', np.greater_equal, np.arange(21) * 0.05),
        'precision': ('pixels', np.less_equal, np.arange(21) * 2.5),
        'norm_precision': ('sizes', np.less_equal, np.arange(21) * 0.025),
    },
}
# largest threshold of each curve; they are spread evenly from 0
LIMITS = {kind: row[-1][-1] for kind, row in _ONE_PASS.items()}
# score -> curve, and the part of it whose mean is the score
CURVE_SCORES = {
    'auc': ('success', slice(None)),
    'op50': ('success', 10),
    'op75': ('success', 15),
    'precision20': ('precision', 20),
    'norm_precision_at_0_2': ('norm_precision', 20),
    'norm_precision_auc_0_0_5': ('norm_precision', slice(None)),
}
FRAME_SCORES = ('ao', 'sr_0_5', 'sr_0_75')
SERVER_SCORES = (
    'coverage',
    'success_auc',
    'precision_auc_0_50px',
    'norm_precision_auc_0_0_5',
)


@dataclass(frozen=True)
class FrameErrors:
    """What each counted frame of a sequence contributes; (N,) each.

    Args:
        overlaps: Intersection over union, or -1 for a miss.
        pixels: Distance of the centers, -1 for a hit or infinity for a miss
            at every threshold. None under a profile that has no such curve.
        sizes: The same, in target sizes.
        valid: Bool, which frames have a valid annotation; under the rules of
            TrackingNet, which have a box in the result. None: all.
    """

    overlaps: Array
    pixels: Array | None = None
    sizes: Array | None = None
    valid: Array | None = None

    @classmethod
    def cat(cls, errors: Sequence['FrameErrors']) -> 'FrameErrors':
        """Put the frames of several into one.

        Repeated runs of a sequence are scored so: the curve of all frames is
        the mean of the curves of the runs.
        """
        columns = zip(*(vars(e).values() for e in errors))
        return cls(
            *(None if c[0] is None else np.concatenate(c) for c in columns)
        )


def curves(errors: FrameErrors, profile: Profile) -> dict[str, Array]:
    """Compute the curves of a sequence: the share of frames per threshold.

    Returns:
        ``success`` (21,), and ``precision`` and ``norm_precision``, (51,),
        on the server (21,), if the profile has them; in [0, 1], zeros if
        there is no frame.
    """
    result = {}
    for kind, (column, compare, steps) in _CURVES[profile.measure].items():
        hits = compare(getattr(errors, column)[:, None], steps)  # (N, K)
        result[kind] = hits.sum(axis=0) / max(len(hits), 1)
    return result


def overall_curves(
    errors: Sequence[FrameErrors], profile: Profile
) -> dict[str, Array]:
    """Compute the curves of a benchmark, for plots; keys like `curves`.

    A curve is the mean over sequences, or that of all frames where a profile
    pools them.
    """
    if profile.measure == 'frames':
        return curves(FrameErrors.cat(errors), profile)
    each = [curves(sequence, profile) for sequence in errors]
    means = {}
    for kind in each[0]:
        rows = np.array([row[kind] for row in each])
        if profile.drops_zero_curves and rows.any():
            rows = rows[rows.any(axis=1)]
        means[kind] = rows.mean(axis=0)
    return means


def overall_scores(
    errors: Sequence[FrameErrors], profile: Profile
) -> dict[str, float]:
    """Compute the scores of a benchmark.

    Returns:
        By name, per cent except for `FRAME_SCORES`, which are fractions; with
        curves, also ``mean_seq_average_overlap``, the mean over sequences of
        the mean overlap in valid frames. NaN where no frame counts.
    """
    if profile.measure == 'frames':
        pool = FrameErrors.cat(errors).overlaps
        shares = [pool, pool > 0.5, pool > 0.75]
        means = [share.mean() if len(pool) else np.nan for share in shares]
        return dict(zip(FRAME_SCORES, map(float, means)))
    curve = overall_curves(errors, profile)
    if profile.measure == 'server':
        covered = np.concatenate([e.valid for e in errors]).mean()
        # trapezoid rule over [0, 1], whatever the thresholds were
        areas = [(c[1:] + c[:-1]).mean() / 2 for c in curve.values()]
        scores = dict(zip(SERVER_SCORES, (covered, *areas)))
    else:
        scores = {
            key: curve[kind][part].mean()
            for key, (kind, part) in CURVE_SCORES.items()
        }
        valid = [e.overlaps[e.valid] for e in errors if e.valid.any()]
        each = [np.nan_to_num(overlaps).mean() for overlaps in valid]
        scores['mean_seq_average_overlap'] = np.mean(each or [np.nan])
    return {key: 100 * float(value) for key, value in scores.items()}


def sequence_scores(errors: FrameErrors, profile: Profile) -> dict[str, float]:
    """Compute the scores of one sequence, like `overall_scores`.

    Returns:
        ``average_overlap`` instead of ``mean_seq_average_overlap``.
    """
    scores = overall_scores([errors], profile)
    if profile.measure == 'curves':
        scores['average_overlap'] = scores.pop('mean_seq_average_overlap')
    return scores


def attribute_scores(
    errors: Mapping[str, FrameErrors],
    attributes: Mapping[str, Array],
    names: Sequence[str],
    profile: Profile,
) -> dict[str, dict[str, float]]:
    """Compute the scores of the sequences that share an attribute.

    Args:
        errors: By sequence.
        attributes: (K,) bool by sequence.
        names: The K attributes.
        profile: The rules that apply.

    Returns:
        For each attribute that any sequence has, what `overall_scores` gives,
        and ``num_sequences``.
    """
    result = {}
    for index, name in enumerate(names):
        members = [e for key, e in errors.items() if attributes[key][index]]
        if members:
            scores = overall_scores(members, profile)
            result[name] = {'num_sequences': len(members), **scores}
    return result
