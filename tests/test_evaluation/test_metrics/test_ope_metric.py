import json
import os
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
from mmsimtrack.evaluation.metrics.submission import SERVERS
from mmsimtrack.fileio import read_bboxes_xywh, read_flags, write_bboxes_xywh
from mmsimtrack.registry import METRICS
from mmsimtrack.structures import SOTDataSample

DATA = Path(__file__).parents[2] / 'data/eval/corner'
EXPECTED = json.loads((DATA / 'expected.json').read_text())
REPORT = ['metrics.csv', 'metrics.json', 'metrics.md', 'metrics_curves.csv']


@pytest.fixture
def work_dir(tmp_path):
    (tmp_path / 'results').mkdir()
    return tmp_path


@pytest.fixture
def evaluate(work_dir):
    """A function that writes results of corner cases and scores them."""

    def run(*cases, img_shape=(720, 1280), **options):
        metric = build(work_dir, **options)
        samples = [corner_sample(c, work_dir, img_shape) for c in cases]
        metric.process(None, samples)
        return metric.evaluate(len(cases)), metric

    return run


def build(work_dir, **options):
    return OPEMetric(results_dir=str(work_dir / 'results'), **options)


def sample_of(name, gt_xywh, visible=None, **metainfo):
    metainfo = {'sequence': name, 'img_shape': (720, 1280), **metainfo}
    sample = SOTDataSample(metainfo=metainfo)
    visible = np.ones(len(gt_xywh), bool) if visible is None else visible
    boxes, visible = torch.from_numpy(gt_xywh), torch.as_tensor(visible)
    sample.gt_instances = InstanceData(bboxes_xywh=boxes, visible=visible)
    return sample


def corner_sample(case, work_dir, img_shape=(720, 1280)):
    folder = DATA / case
    flags = folder / 'absent.txt'
    result = read_bboxes_xywh(folder / 'result.txt')
    write_bboxes_xywh(work_dir / f'results/{case}.txt', result)
    return sample_of(
        case,
        read_bboxes_xywh(folder / 'gt.txt'),
        read_flags(flags) == 0 if flags.exists() else None,
        img_shape=img_shape,
    )


SCORES = [
    ('absent_with_boxes', 'stark custom', 'stark_fork_otb'),
    ('gt_nan', 'stark uav123', 'stark_fork_uav'),
    ('gt_outside_image', 'got10k custom', 'got10k_ao_sr'),
    ('fraction_rounding', 'trackingnet tnl2k', 'trackingnet'),
]


@pytest.mark.parametrize('case, options, key', SCORES)
def test_scores_of_the_kits(evaluate, case, options, key):
    profile, benchmark = options.split()
    width, height = EXPECTED[case].get('resolution', (1280, 720))
    options = dict(profile=profile, benchmark=benchmark)
    scores, metric = evaluate(case, img_shape=(height, width), **options)
    expected = dict(EXPECTED[case]['expected'][key])
    found = {name: scores[f'sot/{name}'] for name in expected}
    assert found == pytest.approx(expected, abs=0.01)
    assert 'ao' in metric.overall  # by the rules of GOT-10k


def test_report(evaluate, work_dir):
    cases = ['plain', 'absent_with_boxes']
    evaluate(*cases, benchmark='lasot')
    assert sorted(os.listdir(work_dir)) == [*REPORT, 'results']
    content = json.loads((work_dir / 'metrics.json').read_text())
    assert list(content) == ['benchmark', 'profile', 'overall', 'per_sequence']
    assert content['benchmark'] == 'lasot'
    assert content['profile'] == 'official'  # the default of LaSOT
    assert list(content['per_sequence']) == sorted(cases)
    for case in cases:
        expected = EXPECTED[case]['expected']['matlab_lasot_tnl2k']
        found = content['per_sequence'][case]
        assert found['auc'] == pytest.approx(expected['auc'], abs=1e-4)
        assert 0 <= found['ao'] <= 1  # by the rules of GOT-10k
    each = [content['per_sequence'][case]['auc'] for case in cases]
    assert content['overall']['auc'] == pytest.approx(np.mean(each), abs=1e-4)


def test_undefined_scores_are_null(evaluate, work_dir):
    out_file = work_dir / 'deep' / 'ao.json'
    scores, _ = evaluate('all_absent', profile='got10k', out_file=out_file)
    assert 'sot/ao' not in scores
    assert json.loads(out_file.read_text())['overall']['ao'] is None
    # one frame has curves but no AO
    gt_xywh = np.array([[5.0, 5, 20, 20]])
    write_bboxes_xywh(work_dir / 'results/one.txt', gt_xywh)
    metric = build(work_dir)
    metric.process(None, [sample_of('one', gt_xywh)])
    scores = metric.evaluate(1)
    assert scores['sot/precision20'] == 100
    assert 'sot/ao' not in scores


def test_what_cannot_be_scored(work_dir):
    with pytest.raises(ValueError, match="found kit 'vot'"):
        OPEMetric(profile='vot')
    with pytest.raises(ValueError, match='found results_dir=None'):
        OPEMetric().evaluate(1)
    metric = build(work_dir)
    metric.process(None, [corner_sample('plain', work_dir)])
    (work_dir / 'results/plain.txt').unlink()
    with pytest.raises(RefusedFile, match=r'results.plain\.txt: is missing'):
        metric.evaluate(1)
    assert not (work_dir / 'metrics.json').exists()


def test_in_an_evaluator_samplers_may_repeat_sequences(work_dir):
    metric = METRICS.build({'type': 'OPEMetric', 'prefix': 'lasot'})
    assert metric.profile == 'stark'  # the default of custom data
    evaluator = Evaluator(metric)
    metric.results_dir = str(work_dir / 'results')
    for case in ('plain', 'result_zero_size', 'plain', 'plain'):
        evaluator.process([corner_sample(case, work_dir)], None)
    scores = evaluator.evaluate(4)
    expected = (67.619 + 69.5238) / 2
    assert scores['lasot/auc'] == pytest.approx(expected, abs=1e-3)
    assert len(scores) == 10


def test_odd_results_are_told_in_one_line(work_dir, logged):
    metric = build(work_dir, profile='stark')
    for name in 'ab':
        gt = np.tile([5.0, 5, 9, 9], (4, 1))
        metric.process(None, [sample_of(name, gt)])
        write_bboxes_xywh(work_dir / f'results/{name}.txt', gt[:3] / 10)
    with pytest.raises(RefusedFile):  # AO needs all rows
        metric.evaluate(2)
    (line,) = logged
    assert f'{work_dir}/results/a.txt: 3 rows for 4 frames, all box' in line
    assert line.endswith('fractions of the frame?, and 1 more')


@pytest.mark.parametrize('benchmark', ['lasot', 'got10k', 'trackingnet'])
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
    metric.process(None, samples)
    assert metric.evaluate(2) == {}
    # these are not all that the server expects
    assert sorted(os.listdir(work_dir)) == ['results', 'times']
    if benchmark == 'lasot':
        return
    monkeypatch.setitem(SERVERS, benchmark, 2)
    metric.process(None, [*samples, samples[0]])  # samplers may repeat one
    assert metric.evaluate(3) == {}
    with zipfile.ZipFile(work_dir / 'submission.zip') as archive:
        names = archive.namelist()
    assert len(names) == (4 if benchmark == 'got10k' else 2)


def test_ranks_meet_in_the_work_dir(evaluate, work_dir, monkeypatch):
    """And not in the current folder, which machines may not share."""
    folders = []

    def collect(results, size, device, tmpdir):
        folders.append(tmpdir)
        return results

    monkeypatch.setattr('mmengine.evaluator.metric.collect_results', collect)
    evaluate('plain')
    evaluate('plain', out_file=str(work_dir / 'b.json'))
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
