"""The rows of the benchmarks, and what takes them."""

import pytest
from test_configs import CONFIGS, load

from mmsimtrack.benchmarks import BENCHMARKS, dataset_config, use_benchmark
from mmsimtrack.datasets.sequence_dataset import SPLITS
from mmsimtrack.evaluation import OPEMetric
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


def test_two_lines_make_a_config(tmp_path):
    path = tmp_path / 'sim_b16_uav123.py'
    path.write_text(
        f"_base_ = '{CONFIGS}/simtrack/sim_b16_lasot.py'\n"
        "test_dataloader = dict(dataset=dict(name='uav123'))\n"
        "test_evaluator = dict(benchmark='uav123')\n"
    )
    cfg, expected = load(path), load('simtrack/sim_b16_lasot.py')
    use_benchmark(expected, 'uav123')
    del expected.test_evaluator['profile']
    assert cfg.test_dataloader == expected.test_dataloader
    assert cfg.test_evaluator == expected.test_evaluator


def test_unknown_benchmark():
    with pytest.raises(ValueError, match="benchmark 'vot', expected one of"):
        DATASETS.build(dict(type='Benchmark', name='vot'))
