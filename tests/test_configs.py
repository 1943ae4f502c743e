"""Every shipped config builds, trains a step and tracks a sequence."""

from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner

from mmsimtrack.models.backbones.clip_weights import clip_vit_names
from mmsimtrack.registry import DATASETS, MODELS
from mmsimtrack.structures.annotation_file import read_bboxes_xywh

CONFIGS = Path(__file__).parents[1] / 'configs'
ALL = sorted(
    str(path.relative_to(CONFIGS))
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
# their data sets have no loader yet
WITHOUT_DATA = ['simtrack/sim_b16_lasot.py']
WITH_DATA = [name for name in ALL if name not in WITHOUT_DATA]


def load(name):
    """A config with nothing to download."""
    cfg = Config.fromfile(CONFIGS / name)
    cfg.model.backbone.init_cfg = None
    return cfg


def shrink(cfg, root):
    """Make the network small, and the training one step on a small set."""
    cfg.model.backbone.arch.update(
        embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16
    )
    cfg.model.head.channels = 8
    cfg.train_cfg.max_epochs = 1
    cfg.train_dataloader.update(
        batch_size=2, num_workers=0, persistent_workers=False
    )
    cfg.train_dataloader.sampler.num_pairs = 2
    cfg.train_dataloader.dataset.update(min_frames=2, min_visible=2)
    for dataset in cfg.train_dataloader.dataset.datasets:
        dataset.data_root = str(root)
    cfg.test_dataloader.dataset.data_root = str(root)
    cfg.test_dataloader.dataset.indices = 1
    return cfg


def rates_by_name(model, wrapper):
    """Learning rate and weight decay of every parameter.

    mmengine adds a group of its own, which only logs the base rate.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(parameter)]: (group['lr'], group['weight_decay'])
        for group in wrapper.param_groups
        for parameter in group['params']
        if id(parameter) in names
    }


def test_the_list_of_configs_without_data_is_exact():
    without = []
    for name in ALL:
        cfg = load(name)
        datasets = cfg.train_dataloader.dataset.datasets
        types = {d.type for d in [*datasets, cfg.test_dataloader.dataset]}
        if any(DATASETS.get(type_) is None for type_ in types):
            without.append(name)
    assert without == WITHOUT_DATA


@pytest.mark.parametrize('name', WITH_DATA)
def test_trains_a_step_and_tracks_a_sequence(name, tmp_path, make_got10k):
    cfg = shrink(load(name), tmp_path / 'data')
    splits = {
        dataset.split for dataset in cfg.train_dataloader.dataset.datasets
    }
    for split in {*splits, cfg.test_dataloader.dataset.split}:
        make_got10k(tmp_path / 'data', split, num_sequences=1, num_frames=3)
    cfg.work_dir = str(tmp_path / 'work')
    cfg.experiment_name = f'{Path(name).stem}_{tmp_path.name}'
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 1
    runner.test()
    bboxes_xywh = read_bboxes_xywh(tmp_path / 'work/results/seq_0.txt')
    assert bboxes_xywh.shape == (3, 4)
    assert bboxes_xywh[0].tolist() == [16, 12, 16, 12]  # the given box


@pytest.mark.parametrize('name', WITHOUT_DATA)
def test_model_and_schedule_build(name):
    cfg = load(name)
    model = MODELS.build(cfg.model)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    scheduler = PARAM_SCHEDULERS.build(
        dict(**cfg.param_scheduler, optimizer=wrapper.optimizer)
    )
    for _ in range(400):
        scheduler.step()
    rates = rates_by_name(model, wrapper)
    assert set(rates) == {name for name, _ in model.named_parameters()}
    distinct = {round(lr, 12) for lr, _ in rates.values()}
    assert distinct == {1e-6, 1e-5}  # after the drop


def test_sim_b16_has_the_numbers_of_the_paper():
    """Sec. 4.1 and the supplement."""
    cfg = Config.fromfile(CONFIGS / 'simtrack/sim_b16_lasot.py')
    assert cfg.model.exemplar == dict(size=112, factor=2)
    assert cfg.model.search == dict(size=224, factor=4)
    assert cfg.model.backbone.tokenizer == dict(foveal_size=64)
    assert cfg.model.backbone.init_cfg.checkpoint.startswith('clip+https://')
    dataset = cfg.train_dataloader.dataset
    assert dataset.exemplar == cfg.model.exemplar
    assert dataset.search == cfg.model.search
    assert dataset.ratios == [1, 1, 1, 1]
    assert dataset.jitter == dict(center=3.5, scale=0.5)
    assert dataset.max_gap == 200
    assert cfg.train_dataloader.sampler.num_pairs == 60000
    assert cfg.train_dataloader.batch_size * 8 == 256
    assert cfg.auto_scale_lr.base_batch_size == 256
    assert cfg.train_cfg.max_epochs == 500
    assert cfg.param_scheduler.milestones == [400]
    assert cfg.param_scheduler.gamma == 0.1
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=1e-4, weight_decay=1e-4
    )
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=0.1)
    assert cfg.model.head.loss_iou.loss_weight == 2
    assert cfg.model.head.loss_bbox.loss_weight == 5


def test_learning_rates_follow_what_is_pre_trained():
    cfg = load('simtrack/sim_b16_got10k.py')
    model = MODELS.build(cfg.model)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    pre_trained = {f'backbone.{name}' for name in clip_vit_names(12).values()}
    rates = rates_by_name(model, wrapper)
    assert pre_trained < set(rates)
    for name, (lr, weight_decay) in rates.items():
        expected = 1e-5 if name in pre_trained else 1e-4
        assert lr == pytest.approx(expected), name
        assert weight_decay == 1e-4


def test_the_documents_follow_the_demo_config():
    cfg = load('demo/sim_tiny_generated.py')
    loader = cfg.train_dataloader
    epochs = cfg.train_cfg.max_epochs
    steps = epochs * (loader.sampler.num_pairs // loader.batch_size)
    assert cfg.param_scheduler[-1].end == steps
    for name in ('README.md', 'configs/demo/README.md'):
        text = (CONFIGS.parent / name).read_text()
        assert f'{steps:,} steps' in text
        assert f'epoch_{epochs}.pth' in text
    text = (CONFIGS / 'demo/metafile.yml').read_text()
    assert f'Epochs: {epochs}' in text


def test_every_config_has_its_row_in_a_metafile():
    root = CONFIGS.parent
    index = yaml.safe_load((root / 'model-index.yml').read_text())
    rows = [
        model
        for path in index['Import']
        for model in yaml.safe_load((root / path).read_text())['Models']
    ]
    assert sorted(row['Config'] for row in rows) == [
        f'configs/{name}' for name in ALL
    ]
