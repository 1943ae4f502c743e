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
from mmsimtrack.evaluation.functional.scores import curves

GT = np.tile([0.0, 0, 10, 10], (4, 1))
MISS = np.tile([99.0, 99, 5, 5], (4, 1))
STARK = get_profile('stark')
GOOD, BAD = (frame_errors('a', result, GT, STARK) for result in (GT, MISS))


@pytest.mark.parametrize(
    ('kind', 'errors', 'expected'),
    [  # success is strict, precision is not
        ('success', [0, 0.5, 0.75, 1], {0: 3, 9: 3, 10: 2, 15: 1, 20: 0}),
        ('precision', [0, 20, 20.5, 50], {0: 1, 19: 1, 20: 2, 21: 3, 50: 4}),
        ('norm_precision', [0.2, 0.5, 0.51, np.nan], {19: 0, 20: 1, 50: 2}),
    ],
)
def test_thresholds(kind, errors, expected):
    found = curves(FrameErrors(*[np.array(errors)] * 3), STARK)[kind]
    assert len(found) == (21 if kind == 'success' else 51)
    assert {i: 4 * found[i] for i in expected} == expected


def test_hand_computed_scores():
    # rows: overwritten, IoU 1/3 and 5 px, miss, perfect
    result = [[99, 99, 1, 1], [5, 0, 10, 10], [30, 0, 10, 10], [0, 0, 10, 10]]
    scores = sequence_scores(frame_errors('a', result, GT, STARK), STARK)
    # nothing exceeds 1, the last of 21 thresholds; 1/3 exceeds 7 of them
    assert scores == pytest.approx(
        {
            'auc': 100 * (20 + 7 + 0 + 20) / 84,
            'op50': 50,
            'op75': 50,
            'precision20': 75,
            'norm_precision_at_0_2': 50,
            # an error of 0.5 hits at the last of 51 thresholds
            'norm_precision_auc_0_0_5': 100 * (51 + 1 + 0 + 51) / 204,
            'average_overlap': 100 * (1 + 1 / 3 + 0 + 1) / 4,
        }
    )


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
