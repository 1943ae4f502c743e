import json
from pathlib import Path

import numpy as np
import pytest

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.evaluation.functional import (
    FRAME_SCORES,
    KITS,
    RefusedInput,
    frame_errors,
    get_profile,
    overall_scores,
    sequence_scores,
)
from mmsimtrack.fileio import read_bboxes_xywh, read_flags

DATA = Path(__file__).parents[2] / 'data' / 'eval'
CORNER = json.loads((DATA / 'corner' / 'expected.json').read_text())
# key in expected.json -> kit, benchmark
ANSWERS = {
    'matlab_lasot_tnl2k': ('official', 'lasot'),
    'pytracking_otb': ('pytracking', 'otb100'),
    'pytracking_uav': ('pytracking', 'uav123'),
    'pytracking_lasot': ('pytracking', 'lasot'),
    'stark_fork_otb': ('stark', 'otb100'),
    'stark_fork_uav': ('stark', 'uav123'),
    'stark_fork_lasot': ('stark', 'lasot'),
    'pysot': ('pysot', 'otb100'),
    'pysot_lasot': ('pysot', 'lasot'),
    'got10k_toolkit_otb': ('got10k', 'otb100'),
    'got10k_toolkit_uav': ('got10k', 'uav123'),
    'got10k_toolkit_lasot': ('got10k', 'lasot'),
    'got10k_ao_sr': ('got10k', 'got10k'),
    'trackingnet': ('trackingnet', 'trackingnet'),
}


def assert_scores(found, expected):
    """The kits print four decimals, and some compute in float32."""
    for key, value in expected.items():
        tolerance = 1e-4 if key in FRAME_SCORES else 0.01
        assert found[key] == pytest.approx(
            float(value), abs=tolerance, nan_ok=True
        ), key


def read_corner(case):
    folder = DATA / 'corner' / case
    flags = folder / 'absent.txt'
    return {
        'name': case,
        'result_xywh': read_bboxes_xywh(folder / 'result.txt'),
        'gt_xywh': read_bboxes_xywh(folder / 'gt.txt'),
        'visible': read_flags(flags) == 0 if flags.exists() else None,
        'image_size': CORNER[case].get('resolution', (1280, 720)),
    }


class TestRefusals:
    gt = np.tile([1.0, 1.0, 5.0, 5.0], (3, 1))

    def refuse(self, message, result=None, gt=None, kit='stark', **kwargs):
        benchmark = kwargs.pop('benchmark', 'custom')
        with pytest.raises(ValueError, match=message):
            frame_errors(
                'cat-1',
                self.gt if result is None else result,
                self.gt if gt is None else gt,
                get_profile(kit, benchmark),
                **kwargs,
            )

    def test_short_result(self):
        message = "sequence 'cat-1': found 2 rows in the result, expected 3"
        self.refuse(message, result=self.gt[:2], benchmark='lasot')
        self.refuse(message, result=self.gt[:2], kit='got10k')

    def test_invalid_result(self):
        message = "'cat-1', row 2 of the result: found .*, expected finite"
        for value in (np.nan, np.inf, -1.0):
            result = self.gt.copy()
            result[1, 2] = value
            self.refuse(message, result=result)

    def test_nan_annotation(self):
        gt = self.gt.copy()
        gt[2] = np.nan
        message = 'row 3 of the annotation: .* expected no NaN: this profile '
        self.refuse(message, gt=gt, benchmark='nfs')
        for benchmark in ('uav123', 'custom'):  # an invalid frame
            profile = get_profile('stark', benchmark)
            scores = sequence_scores(
                frame_errors('cat-1', self.gt, gt, profile), profile
            )
            assert scores['op50'] == pytest.approx(100 * 2 / 3)

    def test_shapes(self):
        self.refuse(r'found result of shape \(4,\)', result=self.gt[0])
        self.refuse('found no annotation', gt=self.gt[:0])
        self.refuse(
            r'flags of shape \(2,\), expected \(3,\)', visible=np.ones(2)
        )

    def test_got10k_needs_more(self):
        one = self.gt[:1]
        self.refuse('found 1 frame', result=one, gt=one, kit='got10k')
        self.refuse('found no image size', kit='got10k')

    def test_unknown_kit(self):
        with pytest.raises(ValueError, match="found kit 'vot', expected one"):
            get_profile('vot')
        with pytest.raises(ValueError, match="found benchmark 'LaSOT', exp"):
            get_profile('stark', 'LaSOT')

    def test_long_result(self):
        long = np.concatenate([self.gt, self.gt])
        self.refuse('found 6 rows in the result', long, kit='got10k')


@pytest.mark.parametrize('key', ANSWERS)
@pytest.mark.parametrize('case', CORNER)
def test_corner_cases(case, key):
    profile = get_profile(*ANSWERS[key])
    expected = CORNER[case]['expected'][key]
    inputs = read_corner(case)
    if 'error' in expected:
        with pytest.raises(RefusedInput, match=f"sequence '{case}'"):
            frame_errors(profile=profile, **inputs)
        return
    errors = frame_errors(profile=profile, **inputs)
    assert_scores(overall_scores([errors], profile), expected)


def test_input_stays_unchanged():
    inputs = read_corner('result_zero_size')
    before = inputs['result_xywh'].copy()
    for kit in ANSWERS.values():
        frame_errors(profile=get_profile(*kit), **inputs)
    np.testing.assert_array_equal(inputs['result_xywh'], before)


@pytest.mark.parametrize('name', ['yoyo-17', 'microphone-6'])
def test_lasot_annotation_as_result(name):
    gt = read_bboxes_xywh(DATA / 'lasot' / 'gt' / f'{name}.txt')
    visible = read_flags(DATA / 'lasot' / 'absent' / f'{name}.txt') == 0
    profile = get_profile('stark', 'lasot')
    shifted = gt + [20, 0, 0, 0]
    errors = frame_errors(name, shifted, gt, profile, visible)
    boxed = visible & (gt[:, 2:] > 0).all(axis=1)
    scores = sequence_scores(errors, profile)
    # an error of exactly 20 px is a hit; absent frames miss, but count
    assert scores['precision20'] == pytest.approx(100 * boxed.mean())
    errors = frame_errors(name, gt, gt, profile, visible)
    scores = sequence_scores(errors, profile)
    assert scores['auc'] == pytest.approx(100 * boxed.mean() * 20 / 21)
    # a visible target without box hits here (one frame of microphone-6)
    assert scores['norm_precision_at_0_2'] == pytest.approx(
        100 * visible.mean()
    )


def test_every_benchmark_has_every_profile():
    """The benchmark's own kit is what it says, and defaults exist."""
    for benchmark in BENCHMARKS:
        for kit in KITS:
            assert get_profile(kit, benchmark).scores
        assert BENCHMARKS[benchmark].profile in KITS
    for kit in ('got10k', 'trackingnet'):
        assert get_profile('official', kit) == get_profile(kit, kit)
    for benchmark in ('lasot', 'lasot_ext', 'tnl2k', 'vasttrack'):
        assert get_profile('official', benchmark).reads_visible


class TestServer:
    """TrackingNet, by hand."""

    profile = get_profile('trackingnet')
    gt = np.array([[10, 10, 20, 20], [10, 10, 20, 20.0]])

    def scores(self, second_row):
        result = np.array([[0, 0, 1, 1], second_row], dtype=np.float64)
        errors = frame_errors('a', result, self.gt, self.profile)
        return sequence_scores(errors, self.profile)

    def test_perfect_result(self):
        assert set(self.scores(self.gt[1]).values()) == {100.0}

    def test_rounds_half_to_even(self):
        # 10.5 and 20.5 become 10 and 20
        assert self.scores([10.5, 10.5, 20.5, 20.5])['success_auc'] == 100

    def test_areas_under_curves(self):
        # 10 px = 0.5 sizes off; overlap 1/3: 0, 0.05 ... 0.3, 7 of 21
        scores = self.scores([20, 10, 20, 20])
        assert scores == pytest.approx(
            {
                'coverage': 100,
                # trapezoids: 6.5 of 20
                'success_auc': 50 + 50 * 6.5 / 20,
                # hits from 10 px on, 17 thresholds: 16.5 trapezoids
                'precision_auc_0_50px': 50 + 50 * 16.5 / 20,
                # hits at the last threshold only
                'norm_precision_auc_0_0_5': 50 + 50 * 0.5 / 20,
            }
        )

    def test_missing_rows_are_not_covered(self):
        errors = frame_errors('a', self.gt[:1], self.gt, self.profile)
        scores = sequence_scores(errors, self.profile)
        assert set(scores.values()) == {50.0}


def test_zero_curves_leave_the_mean():
    gt = np.tile([5.0, 5, 10, 10], (2, 1))
    profile = get_profile('official', 'lasot')
    errors = [
        frame_errors('a', gt, gt, profile),
        frame_errors('b', gt, gt, profile, visible=[False, False]),
    ]
    assert overall_scores(errors, profile)['op50'] == 100
    kept = get_profile('pytracking', 'lasot')
    assert overall_scores(errors, kept)['op50'] == 50
    assert overall_scores(errors[1:], profile)['op50'] == 0
