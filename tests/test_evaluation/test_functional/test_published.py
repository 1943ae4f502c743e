"""Numbers that the public kits give for real results of others.

The results have no licence to ship: the tests run where they are present.
"""

import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from reports import SHARED, needs_answers
from test_rules import assert_scores

from mmsimtrack.evaluation.functional import (
    frame_errors,
    get_profile,
    overall_scores,
    sequence_scores,
)
from mmsimtrack.fileio import read_bboxes_xywh, read_flags

pytestmark = needs_answers
# beginning of a key in expected.json -> kit
KITS = {
    'official': 'official',
    'uav_matlab_rules': 'official',
    'otb_matlab_rules': 'official',
    'pytracking': 'pytracking',
    'stark_fork': 'stark',
    'pysot': 'pysot',
    'got10k_toolkit': 'got10k',
}
# benchmark, and the folders of annotations and flags
FOLDERS = {
    'lasot': ('lasot', 'gt', 'absent'),
    'otb': ('otb100', 'gt', None),
    'uav123': ('uav123', 'gt', None),
    'tnl2k': ('tnl2k', 'gt_rect', 'absent'),
}
# subset, benchmark, and the archives
WHOLE = {
    'lasot': ('lasot_full', None, 'lasot', '', 'absent'),
    'otb': ('otb_full', None, 'otb100', '', None),
    'uav20l': ('uav_full', 'UAV20L', 'uav123', 'uav20l_', None),
    '10fps': ('uav_full', 'UAV123@10fps', 'uav123', 'uav123_10fps_', None),
}


def answers_of(folder):
    return json.loads((SHARED / folder / 'expected.json').read_text())


def read(gt, results, absent=None, names=None):
    """Name -> what `frame_errors` takes."""
    sequences = {}
    for name in names or sorted(path.stem for path in gt.glob('*.txt')):
        boxes = read_bboxes_xywh(gt / f'{name}.txt')
        path = results / f'{name}.txt'
        found = read_bboxes_xywh(path) if path.exists() else 0 * boxes
        flags = absent and read_flags(absent / f'{name}.txt')
        visible = None if flags is None else flags[: len(boxes)] == 0
        boxes = dict(result_xywh=found, gt_xywh=boxes)
        sequences[name] = dict(name=name, visible=visible, **boxes)
    return sequences


def repeat_last(sequence):
    """As those did who wanted a score for a result that is too short."""
    result, length = sequence['result_xywh'], len(sequence['gt_xywh'])
    rows = np.minimum(np.arange(length), len(result) - 1)
    return {**sequence, 'result_xywh': result[rows]}


def check(sequences, profile, expected):
    errors = {
        k: frame_errors(profile=profile, **x) for k, x in sequences.items()
    }
    expected = dict(expected)
    each = expected.pop('per_sequence', {})
    assert_scores(overall_scores(list(errors.values()), profile), expected)
    for name, scores in each.items():
        assert_scores(sequence_scores(errors[name], profile), scores)


def check_kits(sequences, benchmark, answers):
    for key, expected in answers.items():
        # lengths, no scores; and rules that we do not have
        if key.startswith('shorter') or 'mmtracking' in key:
            continue
        if 'exclude_invalid' in key:
            continue
        kit = next(kit for start, kit in KITS.items() if key.startswith(start))
        name = 'lasot' if key == 'pytracking_lasot_mode' else benchmark
        profile = get_profile(kit, name)
        if 'without_visibility' in key:
            profile = replace(profile, reads_visible=False)
        repeat = repeat_last if 'last_box' in key else dict
        repeated = {name: repeat(each) for name, each in sequences.items()}
        check(repeated, profile, expected)


@pytest.mark.parametrize('folder', FOLDERS)
def test_samples(folder):
    benchmark, gt, absent = FOLDERS[folder]
    answers = answers_of(folder)
    folder = SHARED / folder
    for tracker, expected in answers['expected'].items():
        sequences = read(
            folder / gt,
            folder / 'results' / tracker,
            absent and folder / absent,
            answers['scored_sequences'],
        )
        check_kits(sequences, benchmark, expected)


@pytest.mark.parametrize('case', WHOLE)
def test_whole_benchmarks(case, tmp_path):
    folder, subset, benchmark, prefix, absent = WHOLE[case]
    answers = answers_of(folder)
    answers = answers[subset] if subset else answers
    results = f'results_{answers["tracker"]}'
    for name in filter(None, ('gt', results, absent)):
        path = SHARED / folder / f'{prefix}{name}.tar.xz'
        with tarfile.open(path) as archive:
            archive.extractall(tmp_path / name, filter='data')
    flags = absent and tmp_path / absent
    sequences = read(tmp_path / 'gt', tmp_path / results, flags)
    assert len(sequences) == answers['sequences']
    check_kits(sequences, benchmark, answers['expected'])


def test_trackingnet():
    answers = answers_of('trackingnet')
    profile = get_profile('trackingnet')
    dummy = SHARED / 'trackingnet' / 'dummy'
    sequences = read(dummy / 'gt', dummy / 'submission')
    check(sequences, profile, answers['dummy'])
    for tracker, expected in answers['otb_boxes_through_devkit'].items():
        expected = dict(expected)
        names = expected.pop('sequences')
        otb = SHARED / 'otb'
        sequences = read(otb / 'gt', otb / 'results' / tracker, names=names)
        check(sequences, profile, expected)
