import numpy as np
import pytest

from mmsimtrack.evaluation.functional import (
    FrameErrors,
    attribute_scores,
    frame_errors,
    get_profile,
    overall_curves,
    overall_scores,
    sequence_scores,
)

GT = np.tile([0.0, 0, 10, 10], (4, 1))
MISS = np.tile([99.0, 99, 5, 5], (4, 1))
STARK = get_profile('stark')
GOOD, BAD = (frame_errors('a', result, GT, STARK) for result in (GT, MISS))


def test_sequences_weigh_alike_and_runs_are_averaged():
    short = frame_errors('short', GT[:1], GT[:1], STARK)
    overall = overall_scores([BAD, short], STARK)
    assert overall['op50'] == 100 * (1 / 4 + 1) / 2
    means = overall_curves([BAD, short], STARK)
    assert list(means) == ['success', 'precision', 'norm_precision']
    assert 100 * means['success'].mean() == pytest.approx(overall['auc'])
    scores = sequence_scores(FrameErrors.cat([BAD, GOOD]), STARK)
    assert scores['op50'] == 100 * (1 / 4 + 1) / 2


def test_attributes():
    table = {'good': [True, True, False], 'bad': [False, True, False]}
    errors = {'good': GOOD, 'bad': BAD}
    scores = attribute_scores(errors, table, ['IV', 'SV', 'OV'], STARK)
    assert list(scores) == ['IV', 'SV']
    assert scores['IV']['op50'] == 100
    assert scores['SV']['op50'] == 100 * (1 / 4 + 1) / 2
    assert scores['SV']['num_sequences'] == 2


def test_zero_curves_leave_the_mean_of_the_official_kit():
    profile = get_profile('official', 'lasot')
    errors = [
        frame_errors('a', GT + 1, GT + 1, profile),
        frame_errors('b', GT + 1, GT + 1, profile, visible=[False] * 4),
    ]
    assert overall_scores(errors, profile)['op50'] == 100
    pytracking = get_profile('pytracking', 'lasot')
    assert overall_scores(errors, pytracking)['op50'] == 50
    assert overall_scores(errors[1:], profile)['op50'] == 0
