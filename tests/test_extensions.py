"""A head, a backbone, a metric and a data set are a file each: `toys/`.

They are trained and tested with the configs and tools as they are.
"""

import numpy as np
import pytest
import torch
import toys  # noqa: F401
from layouts import write_frames
from mmengine.config import Config
from mmengine.runner import Runner
from test_configs import CONFIGS


@pytest.fixture
def data_root(tmp_path):
    """Two clips of a red square that moves."""
    boxes = [(20 + 2 * t, 30, 16, 16) for t in range(6)]
    for name in ('left', 'right'):
        folder = tmp_path / 'data/clips' / name
        write_frames(folder, '{}.png', 0, boxes, (120, 90))
        np.savetxt(folder.with_suffix('.csv'), boxes, '%d', ',')
    return str(tmp_path / 'data')


@pytest.fixture
def cfg(tmp_path, data_root):
    """The paper's recipe, with toys in the place of everything."""
    path = CONFIGS / 'simtrack/sim_b16_lasot.py'
    cfg = Config.fromfile(path, format_python_code=False)
    dataset = dict(type='ToyDataset', data_root=data_root)
    cfg.model.backbone = dict(type='ToyBackbone', width=8)
    cfg.model.head = dict(type='ToyCenterHead')
    cfg.model.exemplar.size, cfg.model.search.size = 32, 64
    cfg.model.test_cfg = dict(window='hann')
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.sampler.num_pairs = 4
        loader.dataset.update(datasets=[dataset], ratios=[1])
        loader.dataset.sampling.update(min_frames=2, min_visible=2)
    cfg.test_dataloader.dataset = dict(dataset, test_mode=True)
    cfg.test_evaluator = dict(type='ToyMeanScore')
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.work_dir = str(tmp_path / 'work')
    cfg.experiment_name = f'toys_{tmp_path.name}'
    return cfg


def test_toys_are_trained_validated_and_tested(cfg, tmp_path):
    runner = Runner.from_cfg(cfg)
    before = {k: v.clone() for k, v in runner.model.named_parameters()}
    runner.train()
    assert runner.iter == 2
    for name, parameter in runner.model.named_parameters():
        assert not torch.equal(parameter, before[name]), name
    assert runner.message_hub.get_scalar('val/pair/iou').current() >= 0
    assert 0 < runner.test()['toy/mean_score'] < 1
    files = sorted((tmp_path / 'work/results').glob('*.txt'))
    assert [path.stem for path in files] == ['left', 'right']
    assert all(np.loadtxt(p, delimiter=',').shape == (6, 4) for p in files)


def test_the_pairs_are_cut_as_the_model_says(cfg):
    """Another size is one option; the loops hand it to the pairs."""
    cfg.merge_from_dict({'model.search.size': 96})
    runner = Runner.from_cfg(cfg)
    for loop in (
        runner.build_train_loop(cfg.train_cfg),
        runner.build_val_loop(cfg.val_cfg),
    ):
        pairs = loop.dataloader.dataset
        assert pairs.exemplar == dict(size=32, factor=2)
        assert pairs.search == dict(size=96, factor=4)
        assert pairs.jitter == dict(center=3.5, scale=0.5)
    cfg.train_dataloader.dataset.search = dict(size=64, factor=4)
    runner._train_dataloader = cfg.train_dataloader
    with pytest.raises(ValueError, match="search={'size': 64.*model.search"):
        runner.build_train_loop(dict(cfg.train_cfg))
