import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from mmsimtrack.evaluation.functional import (
    CURVE_SCORES,
    FRAME_SCORES,
    frame_errors,
    get_profile,
    overall_scores,
    sequence_scores,
)
from mmsimtrack.structures.annotation_file import read_bboxes_xywh, read_flags

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / 'tests' / 'data' / 'eval'
# real results of others, which have no licence to ship
SHARED = ROOT.parent / 'shared' / 'eval'
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason='the shared evaluation fixtures are absent'
)

CORNER = json.loads((DATA / 'corner' / 'expected.json').read_text())
# key in expected.json -> kit, benchmark
KITS = {
    'stark_fork_otb': ('stark', 'otb100'),
    'stark_fork_uav': ('stark', 'uav123'),
    'stark_fork_lasot': ('stark', 'lasot'),
    'got10k_ao_sr': ('got10k', 'got10k'),
}


def assert_scores(found, expected, num_scores):
    """The kits print four decimals, and some compute in float32."""
    keys = [k for k in CURVE_SCORES + FRAME_SCORES if k in expected]
    assert len(keys) == num_scores
    for key in keys:
        tolerance = 1e-4 if key in FRAME_SCORES else 0.01
        assert found[key] == pytest.approx(
            float(expected[key]), abs=tolerance, nan_ok=True
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


def score_folder(gt, results, benchmark, absent=None, names=None):
    profile = get_profile('stark', benchmark)
    errors = {}
    for name in names or sorted(path.stem for path in gt.glob('*.txt')):
        errors[name] = frame_errors(
            name,
            read_bboxes_xywh(results / f'{name}.txt'),
            read_bboxes_xywh(gt / f'{name}.txt'),
            profile,
            None if absent is None else read_flags(absent / f'{name}.txt') < 1,
        )
    return profile, errors


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
        message = "sequence 'cat-1': found .* in row 1 of the result, expected"
        for value in (np.nan, np.inf, -1.0):
            result = self.gt.copy()
            result[1, 2] = value
            self.refuse(message, result=result)

    def test_nan_annotation(self):
        gt = self.gt.copy()
        gt[2] = np.nan
        self.refuse('row 2 of the annotation, expected no NaN', gt=gt)

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


@pytest.mark.parametrize('key', KITS)
@pytest.mark.parametrize('case', CORNER)
def test_corner_cases(case, key):
    profile = get_profile(*KITS[key])
    expected = CORNER[case]['expected'][key]
    inputs = read_corner(case)
    if 'error' in expected:
        with pytest.raises(ValueError, match=f"sequence '{case}'"):
            frame_errors(profile=profile, **inputs)
        return
    errors = frame_errors(profile=profile, **inputs)
    assert_scores(
        sequence_scores(errors, profile), expected, len(profile.scores)
    )


def test_input_stays_unchanged():
    inputs = read_corner('result_zero_size')
    before = inputs['result_xywh'].copy()
    for kit in KITS.values():
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


@needs_shared
@pytest.mark.parametrize(
    'folder, gt, absent, benchmark, key, same_kit',
    [
        ('lasot', 'gt', 'absent', 'lasot', 'stark_fork', 'pytracking'),
        ('otb', 'gt', None, 'otb100', 'stark_fork', 'stark_fork'),
        ('uav123', 'gt', None, 'uav123', 'stark_fork', 'pytracking'),
        (
            'tnl2k',
            'gt_rect',
            None,
            'tnl2k',
            'stark_fork_no_visibility',
            'stark_fork_no_visibility',
        ),
    ],
)
def test_real_results(folder, gt, absent, benchmark, key, same_kit):
    """`same_kit` has scores per sequence and agrees with the fork here."""
    folder = SHARED / folder
    answers = json.loads((folder / 'expected.json').read_text())
    for tracker, expected in answers['expected'].items():
        profile, errors = score_folder(
            folder / gt,
            folder / 'results' / tracker,
            benchmark,
            absent and folder / absent,
            answers['scored_sequences'],
        )
        found = overall_scores(list(errors.values()), profile)
        assert_scores(found, expected[key], 6)
        for name, scores in expected[same_kit]['per_sequence'].items():
            found = sequence_scores(errors[name], profile)
            assert_scores(found, scores, len(set(scores) & set(CURVE_SCORES)))


@needs_shared
@pytest.mark.parametrize(
    'folder, subset, gt, results, absent, benchmark',
    [
        ('otb_full', None, 'gt', 'results_MDNet', None, 'otb100'),
        (
            'uav_full',
            'UAV20L',
            'uav20l_gt',
            'uav20l_results_SRDCF',
            None,
            'uav20l',
        ),
        (
            'uav_full',
            'UAV123@10fps',
            'uav123_10fps_gt',
            'uav123_10fps_results_AutoTrack',
            None,
            'uav123_10fps',
        ),
        ('lasot_full', None, 'gt', 'results_DiMP50', 'absent', 'lasot'),
    ],
)
def test_whole_benchmarks(
    folder, subset, gt, results, absent, benchmark, tmp_path
):
    for name in filter(None, (gt, results, absent)):
        with tarfile.open(SHARED / folder / f'{name}.tar.xz') as archive:
            archive.extractall(tmp_path / name, filter='data')
    answers = json.loads((SHARED / folder / 'expected.json').read_text())
    answers = answers[subset] if subset else answers
    profile, errors = score_folder(
        tmp_path / gt,
        tmp_path / results,
        benchmark,
        absent and tmp_path / absent,
    )
    assert len(errors) == answers['sequences']
    found = overall_scores(list(errors.values()), profile)
    assert_scores(found, answers['expected']['stark_fork'], 6)


@needs_shared
@pytest.mark.parametrize('tracker', ['ATOM', 'SiamRPN++', 'two_runs'])
def test_got10k_kit(tracker):
    answers = json.loads((SHARED / 'got10k' / 'expected.json').read_text())
    expected = answers['expected'][tracker]
    profile = get_profile('got10k')
    everything = []
    for name in answers['scored_sequences']:
        val = SHARED / 'got10k' / 'val' / name
        results = SHARED / 'got10k' / 'results' / 'GOT-10k' / tracker / name
        errors = [
            frame_errors(
                name,
                read_bboxes_xywh(path),
                read_bboxes_xywh(val / 'groundtruth.txt'),
                profile,
                read_flags(val / 'cover.label') > 0,
                (1280, 720),
            )
            for path in results.glob(f'{name}_[0-9]*.txt')
        ]
        everything += errors
        found = overall_scores(errors, profile)
        assert_scores(found, expected['per_sequence'][name], 2)
    assert_scores(overall_scores(everything, profile), expected, 3)
