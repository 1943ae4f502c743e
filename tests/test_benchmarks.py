"""The rows of the benchmarks, and what takes them."""

import json

import numpy as np
import pytest
import score_results
from mmengine.evaluator import Evaluator
from test_configs import CONFIGS, load

from mmsimtrack.benchmarks import BENCHMARKS, dataset_config, use_benchmark
from mmsimtrack.datasets.sequence_dataset import SPLITS
from mmsimtrack.evaluation import OPEMetric
from mmsimtrack.fileio import write_bboxes_xywh
from mmsimtrack.registry import DATASETS, METRICS


@pytest.mark.parametrize('name', BENCHMARKS)
def test_a_config_tests_on_any_benchmark(name, tmp_path, make_data_for):
    cfg = load('simtrack/sim_b16_lasot.py')
    use_benchmark(cfg, name)
    dataset = cfg.test_dataloader.dataset
    assert dataset_config(dataset)['data_root'] == f'data/{name}'
    make_data_for(dataset, tmp_path)
    assert len(DATASETS.build(dataset)) == 1
    metric = METRICS.build(cfg.test_evaluator)
    assert type(metric) is OPEMetric
    assert metric.profile == BENCHMARKS[name].profile
    use_benchmark(cfg, name, 'stark')
    assert METRICS.build(cfg.test_evaluator).profile == 'stark'


@pytest.mark.parametrize('name', BENCHMARKS)
def test_the_shipped_list_has_as_many_names(name):
    for split in (name, f'{name}_test'):
        path = SPLITS / f'{split}.txt'
        if path.exists():
            names = path.read_text().splitlines()
            assert len(names) == BENCHMARKS[name].num_sequences


CHANGES = """
test_dataloader = dict(dataset=dict(name='uav123'))
test_evaluator = dict(benchmark='uav123')
"""


def test_two_lines_make_a_config(tmp_path):
    path = tmp_path / 'sim_b16_uav123.py'
    base = f"_base_ = '{CONFIGS}/simtrack/sim_b16_lasot.py'\n"
    path.write_text(base + CHANGES)
    cfg, expected = load(path), load('simtrack/sim_b16_lasot.py')
    use_benchmark(expected, 'uav123')
    del expected.test_evaluator['profile']
    assert cfg.test_dataloader == expected.test_dataloader
    assert cfg.test_evaluator == expected.test_evaluator


def test_unknown_benchmark():
    with pytest.raises(ValueError, match="benchmark 'vot', expected one of"):
        DATASETS.build(dict(type='Benchmark', name='vot'))


@pytest.mark.parametrize('name', BENCHMARKS)
def test_a_test_and_a_score_agree(name, tmp_path, make_data_for):
    """Of the same result files; the last target is absent."""
    cfg = load('simtrack/sim_b16_lasot.py')
    use_benchmark(cfg, name)
    test_set = cfg.test_dataloader.dataset
    if name == 'got10k':
        test_set.split = 'val'
    make_data_for(test_set, tmp_path)
    dataset = DATASETS.build(test_set)
    (sequence,) = map(dataset.get_sequence, range(len(dataset)))
    if len(sequence.bboxes_xywh) == 1:  # what the server knows
        boxes = sequence.bboxes_xywh.repeat(len(sequence), axis=0)
        path = f'{test_set.data_root}/TEST/anno/{sequence.name}.txt'
    else:
        boxes = sequence.bboxes_xywh.copy()
        infos = {info['name']: info for info in dataset.load_data_list()}
        path = infos[sequence.name]['annotation']
    if name != 'nfs':  # whose files are not x, y, w, h
        boxes[-1] = 0
        np.savetxt(path, boxes, '%g', ',')
    results = tmp_path / 'work/results'
    results.mkdir(parents=True)
    rng = np.random.default_rng(0)
    moved = boxes + rng.uniform(0, 2, boxes.shape)
    write_bboxes_xywh(results / f'{sequence.name}.txt', moved)
    # as tools/test.py
    metric = METRICS.build(cfg.test_evaluator)
    dataset = DATASETS.build(test_set)
    metric.before_tracking(dataset, results)
    evaluator = Evaluator(metric)
    for item in dataset:
        evaluator.process([item['data_samples']], item)
    evaluator.evaluate(len(dataset))
    expected = json.loads((tmp_path / 'work/metrics.json').read_text())
    # as score_results.py
    (tmp_path / 'names.txt').write_text(sequence.name)
    out = tmp_path / 'scores.json'
    options = dict(gt=test_set.data_root, results=results, benchmark=name)
    options |= dict(sequences=tmp_path / 'names.txt', out=out)
    command = [str(x) for k, v in options.items() for x in (f'--{k}', v)]
    assert score_results.main(command) == 0
    found = json.loads(out.read_text())
    for scores in (expected['overall'], *expected['per_sequence'].values()):
        if name != 'got10k':  # which has no others
            for key in ('ao', 'sr_0_5', 'sr_0_75'):
                del scores[key]
    assert found == expected
    files = out, tmp_path / 'work/metrics.json'
    files = [path.with_name(f'{path.stem}_curves.csv') for path in files]
    assert files[0].read_text() == files[1].read_text()
