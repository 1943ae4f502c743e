import json
from pathlib import Path

import numpy as np
import pytest

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.evaluation.functional import (
    KITS,
    RefusedInput,
    frame_errors,
    get_profile,
    overall_scores,
    sequence_scores,
)
from mmsimtrack.evaluation.functional.scores import FRAME_SCORES
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
        value = pytest.approx(float(value), abs=tolerance, nan_ok=True)
        assert found[key] == value, key


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


GT = np.tile([1.0, 1.0, 5.0, 5.0], (3, 1))


def spoil(row, value):
    boxes = GT.copy()
    boxes[row, 2] = value
    return boxes


REFUSALS = [
    ('stark lasot', 'found 2 rows in the result, exp', (GT[:2], GT)),
    ('got10k', 'found 2 rows in the result, exp', (GT[:2], GT)),
    ('got10k', 'found 6 rows', (np.concatenate([GT, GT]), GT)),
    ('stark', 'row 2 of the result.*finite', (spoil(1, np.nan), GT)),
    ('stark', 'row 2 of the result.*finite', (spoil(1, np.inf), GT)),
    ('stark', 'row 2 of the result.*finite', (spoil(1, -1), GT)),
    ('stark nfs', 'row 3 of the annotation.*no', (GT, spoil(2, np.nan))),
    ('stark', r'found result of shape \(4,\)', (GT[0], GT)),
    ('stark', r'annotation of shape \(0, 4\)', (GT, GT[:0])),
    ('stark', r'visibility of shape \(2,\)', (GT, GT, np.ones(2))),
    ('got10k', 'found 1 frame', (GT[:1], GT[:1])),
]


@pytest.mark.parametrize('kit, message, inputs', REFUSALS)
def test_refusals(kit, message, inputs):
    result, gt, *visible = inputs
    with pytest.raises(RefusedInput, match=f"'cat-1'.*{message}"):
        frame_errors('cat-1', result, gt, get_profile(*kit.split()), *visible)


@pytest.mark.parametrize('benchmark', ['uav123', 'custom'])
def test_nan_marks_an_invalid_frame(benchmark):
    profile = get_profile('stark', benchmark)
    errors = frame_errors('cat-1', GT, spoil(2, np.nan), profile)
    scores = sequence_scores(errors, profile)
    assert scores['op50'] == pytest.approx(100 * 2 / 3)


def test_unknown_kit():
    with pytest.raises(ValueError, match="found kit 'vot', expected one"):
        get_profile('vot')
    with pytest.raises(ValueError, match="found benchmark 'LaSOT', exp"):
        get_profile('stark', 'LaSOT')


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


def test_every_benchmark_has_every_profile():
    """The benchmark's own kit is what it says, and defaults exist."""
    assert {row.profile for row in BENCHMARKS.values()} <= {*KITS}
    for kit in ('got10k', 'trackingnet'):
        assert get_profile('official', kit) == get_profile(kit, kit)
    for benchmark in ('lasot', 'lasot_ext', 'tnl2k', 'vasttrack'):
        assert get_profile('official', benchmark).reads_visible
