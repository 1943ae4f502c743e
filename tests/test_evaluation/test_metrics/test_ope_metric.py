import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import make_lasot
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from mmsimtrack.datasets import LaSOTDataset
from mmsimtrack.evaluation import OPEMetric
from mmsimtrack.evaluation.functional import KITS, RefusedFile
from mmsimtrack.evaluation.metrics import ope_metric
from mmsimtrack.evaluation.metrics.submission import SERVERS
from mmsimtrack.fileio import (
    read_bboxes_xywh,
    read_flags,
    write_bboxes_xywh,
)
from mmsimtrack.registry import METRICS
from mmsimtrack.structures import SOTDataSample, xywh_to_xyxy

DATA = Path(__file__).parents[2] / 'data' / 'eval'
CORNER = json.loads((DATA / 'corner' / 'expected.json').read_text())


def sample_of(name, gt_xywh, visible=None, **metainfo):
    metainfo = {'sequence': name, 'img_shape': (720, 1280), **metainfo}
    sample = SOTDataSample(metainfo=metainfo)
    sample.gt_instances = InstanceData(
        bboxes_xywh=torch.from_numpy(gt_xywh),
        visible=torch.ones(len(gt_xywh), dtype=torch.bool)
        if visible is None
        else torch.as_tensor(visible),
    )
    return sample


@pytest.fixture
def work_dir(tmp_path):
    (tmp_path / 'results').mkdir()
    return tmp_path


def corner_sample(case, work_dir, **metainfo):
    folder = DATA / 'corner' / case
    flags = folder / 'absent.txt'
    write_bboxes_xywh(
        work_dir / 'results' / f'{case}.txt',
        read_bboxes_xywh(folder / 'result.txt'),
    )
    return sample_of(
        case,
        read_bboxes_xywh(folder / 'gt.txt'),
        read_flags(flags) == 0 if flags.exists() else None,
        **metainfo,
    )


def evaluate(metric, samples):
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def build(work_dir, **kwargs):
    return OPEMetric(results_dir=str(work_dir / 'results'), **kwargs)


@pytest.mark.parametrize(
    'case, benchmark, key',
    [
        ('absent_with_boxes', 'lasot', 'stark_fork_lasot'),
        ('absent_with_boxes', 'custom', 'stark_fork_otb'),
        ('gt_nan', 'uav123', 'stark_fork_uav'),
        ('result_zero_size', 'nfs', 'stark_fork_otb'),
    ],
)
def test_scores_of_the_stark_fork(work_dir, case, benchmark, key):
    metric = build(work_dir, benchmark=benchmark, profile='stark')
    scores = evaluate(metric, [corner_sample(case, work_dir)])
    expected = dict(CORNER[case]['expected'][key])
    found = {name: scores[f'sot/{name}'] for name in expected}
    assert found == pytest.approx(expected, abs=0.01)
    assert 100 * metric.curves['success'].mean() == scores['sot/auc']


def test_got10k_drops_invisible_frames(work_dir):
    case = 'absent_with_boxes'
    sample = corner_sample(case, work_dir)
    scores = evaluate(build(work_dir, profile='got10k'), [sample])
    expected = CORNER[case]['expected']['got10k_ao_sr']
    assert scores == pytest.approx(
        {f'sot/{name}': value for name, value in expected.items()}, abs=1e-4
    )


def test_got10k_clips_to_width_and_height(work_dir):
    case = 'gt_outside_image'
    sample = corner_sample(case, work_dir, img_shape=(160, 200))
    scores = evaluate(build(work_dir, profile='got10k'), [sample])
    expected = CORNER[case]['expected']['got10k_ao_sr']
    assert scores['sot/ao'] == pytest.approx(expected['ao'], abs=1e-4)


def test_json_file(work_dir):
    cases = ['plain', 'absent_with_boxes']
    samples = [corner_sample(case, work_dir) for case in cases]
    evaluate(build(work_dir, benchmark='lasot'), samples)
    assert sorted(os.listdir(work_dir)) == [
        'metrics.csv',
        'metrics.json',
        'metrics.md',
        'metrics_curves.csv',
        'results',
    ]
    content = json.loads((work_dir / 'metrics.json').read_text())
    assert list(content) == ['benchmark', 'profile', 'overall', 'per_sequence']
    assert content['benchmark'] == 'lasot'
    assert content['profile'] == 'official'  # the default of LaSOT
    assert list(content['per_sequence']) == sorted(cases)
    for case in cases:
        expected = CORNER[case]['expected']['matlab_lasot_tnl2k']
        found = content['per_sequence'][case]
        assert found['auc'] == pytest.approx(expected['auc'], abs=1e-4)
        assert 0 <= found['ao'] <= 1  # by the rules of GOT-10k
    assert content['overall']['auc'] == pytest.approx(
        np.mean([content['per_sequence'][case]['auc'] for case in cases]),
        abs=1e-4,
    )
    assert content['overall']['auc'] == round(content['overall']['auc'], 4)


@pytest.mark.parametrize(
    'benchmark, profile', [('trackingnet', None), ('tnl2k', 'trackingnet')]
)
def test_scores_of_the_server(work_dir, benchmark, profile):
    metric = build(work_dir, benchmark=benchmark, profile=profile)
    scores = evaluate(metric, [corner_sample('fraction_rounding', work_dir)])
    expected = CORNER['fraction_rounding']['expected']['trackingnet']
    found = {name: scores[f'sot/{name}'] for name in expected}
    assert found == pytest.approx(expected, abs=1e-3)
    assert 0 < scores['sot/ao'] < 1  # by the rules of GOT-10k


def test_default_profile():
    assert OPEMetric().profile == 'stark'
    assert OPEMetric(benchmark='otb100').profile == 'pytracking'


def test_undefined_scores_are_null(work_dir):
    sample = corner_sample('all_absent', work_dir)
    out_file = work_dir / 'deep' / 'ao.json'
    metric = build(work_dir, profile='got10k', out_file=str(out_file))
    assert 'sot/ao' not in evaluate(metric, [sample])
    assert json.loads(out_file.read_text())['overall']['ao'] is None


def test_evaluator_and_registry(work_dir):
    metric = METRICS.build({'type': 'OPEMetric', 'prefix': 'lasot'})
    evaluator = Evaluator(metric)
    metric.results_dir = str(work_dir / 'results')
    # turns samples into dicts
    evaluator.process([corner_sample('plain', work_dir)], None)
    scores = evaluator.evaluate(1)
    assert scores['lasot/auc'] == pytest.approx(67.619, abs=1e-3)
    assert len(scores) == 10


def test_repeated_sequences_count_once(work_dir):
    samples = [
        corner_sample(case, work_dir)
        for case in ('plain', 'result_zero_size', 'plain', 'plain')
    ]
    scores = evaluate(build(work_dir), samples)
    assert scores['sot/auc'] == pytest.approx((67.619 + 69.5238) / 2, abs=1e-3)


def test_missing_result(work_dir):
    sample = corner_sample('plain', work_dir)
    (work_dir / 'results' / 'plain.txt').unlink()
    with pytest.raises(RefusedFile, match=r'results.plain\.txt: is missing'):
        evaluate(build(work_dir), [sample])
    assert not (work_dir / 'metrics.json').exists()


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        (lambda boxes: boxes[:3], 'plain.txt: 3 rows for 20 frames'),
        (
            lambda boxes: boxes / 1000,
            'plain.txt: all boxes are below 1 px: are they fractions of the',
        ),
        (xywh_to_xyxy, r'plain.txt: mean overlap 0\.\d\d, but 0\.\d\d if'),
        (lambda boxes: boxes + 1, None),
    ],
)
def test_results_that_look_wrong(work_dir, monkeypatch, rows, message):
    lines = []
    monkeypatch.setattr(
        ope_metric, 'print_log', lambda text, *_: lines.append(text)
    )
    sample = corner_sample('plain', work_dir)
    boxes = sample.gt_instances.bboxes_xywh.numpy() + (9, 9, 0, 0)
    write_bboxes_xywh(work_dir / 'results/plain.txt', rows(boxes))
    evaluate(build(work_dir, adds_ao=False), [sample])
    assert len(lines) == (message is not None)
    assert all(re.search(message, line) for line in lines)


def test_unusable_arguments(work_dir):
    with pytest.raises(ValueError, match="found kit 'vot'"):
        OPEMetric(profile='vot')
    with pytest.raises(ValueError, match='found results_dir=None'):
        evaluate(OPEMetric(), [corner_sample('plain', work_dir)])


def test_first_box_only_cannot_be_scored(work_dir):
    sample = corner_sample('plain', work_dir, num_frames=21)
    assert build(work_dir).compute_metrics([]) == {}
    metric = build(work_dir)
    assert evaluate(metric, [sample]) == {}
    assert os.listdir(work_dir) == ['results']


@pytest.mark.parametrize('benchmark', ['got10k', 'trackingnet'])
def test_first_boxes_make_a_submission(work_dir, benchmark, monkeypatch):
    (work_dir / 'times').mkdir()
    samples = []
    for name, num_frames in (('a', 2), ('b', 3)):
        first = np.array([[1.0, 2, 3, 4]])
        rows = first.repeat(num_frames, axis=0)
        write_bboxes_xywh(work_dir / f'results/{name}.txt', rows)
        np.savetxt(work_dir / f'times/{name}.txt', np.ones(num_frames))
        samples.append(sample_of(name, first, num_frames=num_frames))
    metric = build(work_dir, benchmark=benchmark)
    assert evaluate(metric, samples) == {}
    # these are not all that the server expects
    assert not (work_dir / 'submission.zip').exists()
    monkeypatch.setitem(SERVERS, benchmark, 2)
    # samplers may repeat a sequence
    assert evaluate(metric, [*samples, samples[0]]) == {}
    with zipfile.ZipFile(work_dir / 'submission.zip') as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    names = {
        'got10k': [
            'a/a_001.txt',
            'a/a_time.txt',
            'b/b_001.txt',
            'b/b_time.txt',
        ],
        'trackingnet': ['a.txt', 'b.txt'],
    }[benchmark]
    assert list(found) == names
    assert found[names[-2 if benchmark == 'got10k' else -1]].count(b'\n') == 3


def test_incomplete_submission_is_refused(work_dir, monkeypatch):
    monkeypatch.setitem(SERVERS, 'trackingnet', 1)
    write_bboxes_xywh(work_dir / 'results/a.txt', np.ones((2, 4)))
    sample = sample_of('a', np.ones((1, 4)), num_frames=3)
    with pytest.raises(ValueError, match=r'a\.txt has 2 rows, expected 3'):
        evaluate(build(work_dir, benchmark='trackingnet'), [sample])
    assert os.listdir(work_dir) == ['results']


def test_one_frame_has_curves_but_no_ao(work_dir):
    gt_xywh = np.array([[5.0, 5, 20, 20]])
    write_bboxes_xywh(work_dir / 'results/one.txt', gt_xywh)
    scores = evaluate(build(work_dir), [sample_of('one', gt_xywh)])
    assert scores['sot/precision20'] == 100
    assert 'sot/ao' not in scores


def test_ranks_meet_in_the_work_dir(work_dir, monkeypatch):
    """And not in the current folder, which machines may not share."""
    folders = []

    def collect(results, size, device, tmpdir):
        folders.append(tmpdir)
        return results

    monkeypatch.setattr('mmengine.evaluator.metric.collect_results', collect)
    samples = [corner_sample('plain', work_dir)]
    evaluate(build(work_dir), samples)
    evaluate(build(work_dir, out_file=str(work_dir / 'b.json')), samples)
    assert folders == [f'{work_dir}/.metrics', f'{work_dir}/.b']


@pytest.mark.parametrize('profile', KITS)
def test_annotations_with_negative_sizes_can_be_tracked(tmp_path, profile):
    """LaSOT has some: lion-5, frame 553, is 1, 1, -1, -1."""
    bboxes_xywh = [(9, 9, 9, 9), (1, 1, -1, -1), (0, 0, 0, 0), (8, 8, 8, 8)]
    make_lasot(tmp_path, 'test', 1, bboxes_xywh=bboxes_xywh)
    dataset = LaSOTDataset(tmp_path, split='test', indices=1)
    metric = OPEMetric(None, 'lasot', profile)
    metric.before_tracking(dataset, tmp_path / 'results')
    assert metric.results_dir == str(tmp_path / 'results')
