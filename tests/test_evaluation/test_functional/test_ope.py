import numpy as np
import pytest

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.evaluation.functional import (
    CURVE_SCORES,
    FRAME_SCORES,
    FrameErrors,
    attribute_scores,
    center_errors,
    frame_errors,
    get_profile,
    normalized_center_errors,
    normalized_precision_curve,
    overall_curves,
    overall_scores,
    overlaps,
    precision_curve,
    sequence_scores,
    success_curve,
)


def boxes(*rows):
    return np.array(rows, dtype=np.float64)


class TestMeasures:
    def test_clipped_overlaps(self):
        # corners as pixel indices can make a perfect overlap 1 + 2e-16
        same = np.random.default_rng(0).uniform(1, 99, (1000, 4))
        assert overlaps(same, same).max() > 1
        assert overlaps(same, same, pixel=0).max() <= 1

    def test_overlaps(self):
        result = boxes(
            [0, 0, 10, 10], [5, 0, 10, 10], [2, 3, 4, 5], [20, 0, 1, 1]
        )
        gt = boxes([0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 8, 10], [0, 0, 9, 9])
        np.testing.assert_allclose(
            overlaps(result, gt), [1, 50 / 150, 20 / 80, 0]
        )

    def test_overlaps_of_empty_and_unknown_boxes(self):
        result = boxes([0, 0, 0, 0], [0, 0, 2, 2], [np.nan] * 4)
        gt = boxes([0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 2, 2])
        np.testing.assert_array_equal(overlaps(result, gt), [0, 0, np.nan])

    def test_center_errors(self):
        # centers are pixel indices, but the same offset for both boxes
        result = boxes([3, 4, 10, 20], [0, 0, 12, 20])
        gt = boxes([0, 0, 10, 20], [0, 0, 10, 20])
        np.testing.assert_allclose(center_errors(result, gt), [5, 1])

    def test_normalized_center_errors(self):
        result = boxes([3, 8, 10, 20], [0, 0, 1, 1])
        gt = boxes([0, 0, 10, 20], [0, 0, 0, 0])
        errors = normalized_center_errors(result, gt)
        assert errors[0] == pytest.approx(0.5)
        assert not np.isfinite(errors[1])

    def test_success_is_strict(self):
        curve = success_curve(np.array([0.0, 0.5, 0.75, 1.0]))
        assert curve.shape == (21,)
        assert curve[[0, 9, 10, 15, 20]].tolist() == [0.75, 0.75, 0.5, 0.25, 0]

    def test_precision_is_not_strict(self):
        curve = precision_curve(np.array([0.0, 20.0, 20.5, 50.0]))
        assert curve.shape == (51,)
        assert curve[[0, 19, 20, 21, 50]].tolist() == [
            0.25,
            0.25,
            0.5,
            0.75,
            1,
        ]

    def test_normalized_precision_is_not_strict(self):
        curve = normalized_precision_curve(np.array([0.2, 0.5, 0.51, np.nan]))
        assert curve.shape == (51,)
        assert curve[[0, 19, 20, 50]].tolist() == [0, 0, 0.25, 0.5]


class TestScores:
    gt = boxes([0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10])

    def test_perfect_result(self):
        profile = get_profile('stark')
        errors = frame_errors('a', self.gt, self.gt, profile)
        scores = sequence_scores(errors, profile)
        # nothing exceeds the last of 21 thresholds
        assert scores['auc'] == pytest.approx(100 * 20 / 21)
        assert [scores[key] for key in CURVE_SCORES[1:]] == [100.0] * 5
        assert scores['average_overlap'] == 100

    def test_hand_computed(self):
        # rows: overwritten, IoU 1/3 and 5 px, miss, perfect
        result = boxes(
            [99, 99, 1, 1], [5, 0, 10, 10], [30, 0, 10, 10], [0, 0, 10, 10]
        )
        profile = get_profile('stark')
        scores = sequence_scores(
            frame_errors('a', result, self.gt, profile), profile
        )
        # 1/3 exceeds 0, 0.05 ... 0.3: 7 of 21 thresholds
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

    def test_curves_weigh_sequences_alike(self):
        profile = get_profile('stark')
        miss = np.tile(boxes([99, 99, 5, 5]), (4, 1))
        errors = [
            frame_errors('long', miss, self.gt, profile),
            frame_errors('short', self.gt[:1], self.gt[:1], profile),
        ]
        overall = overall_scores(errors, profile)
        assert overall['op50'] == 100 * (1 / 4 + 1) / 2
        curves = overall_curves(errors, profile)
        assert list(curves) == ['success', 'precision', 'norm_precision']
        assert 100 * curves['success'].mean() == pytest.approx(overall['auc'])

    def test_runs_of_a_sequence_are_averaged(self):
        profile = get_profile('stark')
        miss = np.tile(boxes([99, 99, 5, 5]), (4, 1))
        runs = [
            frame_errors('a', result, self.gt, profile)
            for result in (miss, self.gt)
        ]
        scores = sequence_scores(FrameErrors.cat(runs), profile)
        assert scores['op50'] == 100 * (1 / 4 + 1) / 2

    def test_attributes(self):
        profile = get_profile('stark')
        miss = np.tile(boxes([99, 99, 5, 5]), (4, 1))
        errors = {
            'good': frame_errors('good', self.gt, self.gt, profile),
            'bad': frame_errors('bad', miss, self.gt, profile),
        }
        table = {'good': [True, True, False], 'bad': [False, True, False]}
        scores = attribute_scores(errors, table, ['IV', 'SV', 'OV'], profile)
        assert list(scores) == ['IV', 'SV']
        assert scores['IV']['op50'] == 100
        assert scores['SV']['op50'] == 100 * (1 / 4 + 1) / 2
        assert scores['SV']['num_sequences'] == 2
        numbers = [len(row.attributes.split()) for row in BENCHMARKS.values()]
        assert numbers == [14, 14, 17, 12, 11, 0, 0, 0, 10, 0]

    def test_got10k_pools_frames(self):
        profile = get_profile('got10k')
        half = boxes(*[[0, 0, 10, 8]] * 4)
        errors = [
            frame_errors('a', half, self.gt, profile, image_size=(20, 20)),
            frame_errors(
                'b', self.gt[:2], self.gt[:2], profile, image_size=(20, 20)
            ),
        ]
        scores = overall_scores(errors, profile)
        assert scores['ao'] == pytest.approx((3 * 0.8 + 1) / 4)
        assert list(scores) == list(FRAME_SCORES)
        assert list(overall_curves(errors, profile)) == ['success']

    def test_got10k_drops_hidden_frames(self):
        profile = get_profile('got10k')
        result = boxes(
            [0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 8], [50, 50, 1, 1]
        )
        visible = np.array([False, True, True, False])
        errors = frame_errors('a', result, self.gt, profile, visible, (99, 99))
        # 0.5 is not above 0.5
        assert sequence_scores(errors, profile) == pytest.approx(
            {'ao': 0.65, 'sr_0_5': 0.5, 'sr_0_75': 0.5}
        )

    def test_got10k_moves_boxes_into_the_image(self):
        profile = get_profile('got10k')
        # starts at -5, is moved to 0 and keeps its width: a perfect result
        result = boxes([0, 0, 10, 10], [-5, 0, 10, 10])
        errors = frame_errors(
            'a', result, self.gt[:2], profile, image_size=(20, 20)
        )
        assert errors.overlaps.tolist() == [1]
