"""Every shipped config builds, trains a step and tracks a sequence."""

from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from mmsimtrack.cli.settings import check_settings
from mmsimtrack.datasets import fill_pairs
from mmsimtrack.fileio import read_bboxes_xywh
from mmsimtrack.registry import MODELS

CONFIGS = Path(__file__).parents[1] / 'configs'
ALL = sorted(
    str(path.relative_to(CONFIGS))
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
# by the name of an option; other backbones may name theirs alike
SMALL = dict(embed_dims=16, num_heads=2, feedforward_channels=16)
SMALL |= dict(num_layers=1, depth=18, stem_channels=8)
SMALL_SWIN = dict(embed_dims=8, depths=[1, 2, 1, 1], num_heads=[1, 1, 2, 2])


def load(name):
    """A config with nothing to download."""
    # else mmengine spends seconds on the line breaks of what it logs
    cfg = Config.fromfile(CONFIGS / name, format_python_code=False)
    backbone = cfg.model.backbone
    backbone.get('features', backbone).init_cfg = None
    cfg.load_from = None
    return cfg


def shrink_backbone(backbone):
    """Make a backbone small; all its parts stay.

    It goes by the names of options. A backbone without any of them is taken
    as it is.
    """
    parts = [backbone, *(v for v in backbone.values() if isinstance(v, dict))]
    archs = [part.get('arch') for part in parts]
    parts += [arch for arch in archs if isinstance(arch, dict)]
    for part in parts:
        for key, small in SMALL.items():
            if isinstance(part.get(key), int):
                part[key] = small
    if backbone.get('interaction_every'):
        backbone.arch.num_layers = backbone.interaction_every
    if backbone.get('frozen_layers'):
        backbone.frozen_layers = 1
    if backbone.type == 'JointSwin':
        backbone.arch = SMALL_SWIN
    if backbone.type == 'JointPVT':
        backbone.update(embed_dims=8, num_layers=[1, 1, 1, 1])
    if 'depth' in backbone.get('features', ()):
        backbone.features.update(base_channels=8)


def shrink_teacher(teacher, root):
    """Make a random teacher that is twice as wide as a small network."""
    cfg = load(Path(teacher.config).relative_to('configs'))
    shrink_backbone(cfg.model.backbone)
    cfg.model.backbone.arch.embed_dims *= 2
    cfg.model.head.channels = 8
    root.mkdir(exist_ok=True)
    teacher.update(
        config=str(root / 'teacher.py'), checkpoint=str(root / 'teacher.pth')
    )
    cfg.dump(teacher.config)
    torch.manual_seed(0)
    torch.save(MODELS.build(cfg.model).state_dict(), teacher.checkpoint)


def shrink(cfg, root, make_data_for):
    """Make the network small, and the training one step on a small set."""
    shrink_backbone(cfg.model.backbone)
    cfg.model.head.channels = 8
    if 'teacher' in cfg.model:
        shrink_teacher(cfg.model.teacher, root)
    cfg.train_cfg.max_epochs = 1
    test_set = cfg.test_dataloader.dataset
    datasets = [test_set]
    for loader in filter(None, (cfg.train_dataloader, cfg.val_dataloader)):
        if 'datasets' not in loader.dataset:  # whole sequences
            datasets.append(loader.dataset)
            continue
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.sampler.num_pairs = 2
        loader.dataset.sampling.update(min_frames=2, min_visible=2)
        datasets += loader.dataset.datasets
    for dataset in datasets:
        make_data_for(dataset, root)
    test_set.setdefault('indices', 1)
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


KINDS = [
    'simtrack/sim_pvt-m_lasot.py',
    'simtrack/sim_swin-b_lasot.py',
    'stark/stark-s_r50_lasot.py',
    'stark/stark-sv_b16_lasot.py',
    'ostrack/ostrack_b256_got10k.py',
]


@pytest.mark.parametrize('name', KINDS)
def test_crops_are_whole_cells(name):
    cfg = load(name)
    shrink_backbone(cfg.model.backbone)
    cfg.model.search.size += 4
    with pytest.raises(ValueError, match=r'search\.size is \d+ px.* 16 px'):
        MODELS.build(cfg.model)


@pytest.mark.parametrize('name', ALL)
def test_trains_a_step_and_tracks_a_sequence(name, tmp_path, make_data_for):
    cfg = load(name)
    check_settings(cfg, training=True)
    shrink(cfg, tmp_path / 'data', make_data_for)
    cfg.work_dir = str(tmp_path / 'work')
    cfg.experiment_name = f'{Path(name).stem}_{tmp_path.name}'
    runner = Runner.from_cfg(cfg)
    before = {k: v.clone() for k, v in runner.model.named_parameters()}
    runner.train()
    assert runner.iter == 1
    assert all(p.isfinite().all() for p in runner.model.parameters())
    parameters = runner.model.named_parameters()
    changed = [k for k, p in parameters if not torch.equal(p, before[k])]
    assert any(key.startswith('backbone') for key in changed)
    assert any(key.startswith('head') for key in changed)
    runner.test()
    (result,) = (tmp_path / 'work/results').glob('*.txt')
    bboxes_xywh = read_bboxes_xywh(result)
    (sequence,) = runner.test_loop.dataloader.dataset
    first = sequence['data_samples'].gt_instances.bboxes[0]
    corner, side = first[:2], first[2:] - first[:2]
    assert bboxes_xywh[0].tolist() == [*corner.tolist(), *side.tolist()]
    assert len(bboxes_xywh) == len(sequence['inputs'])


@pytest.mark.parametrize(
    ('name', 'exemplar', 'search', 'center', 'foveal', 'layers', 'patch'),
    [
        ('b32', (128, 2), (320, 5), 4.5, 64, 12, 32),
        ('b16', (112, 2), (224, 4), 3.5, 64, 12, 16),
        ('b16-8l', (112, 2), (224, 4), 3.5, 64, 8, 16),
        ('l14', (84, 1.5), (224, 4), 3.5, 42, 24, 14),
    ],
)
def test_paper_numbers(name, exemplar, search, center, foveal, layers, patch):
    """Sec. 4.1 and the supplement; jitter as in STARK-S."""
    cfg = Config.fromfile(CONFIGS / f'simtrack/sim_{name}_lasot.py')
    backbone, loader = cfg.model.backbone, cfg.train_dataloader
    for part in (cfg.model, fill_pairs(loader.dataset, cfg.model)):
        assert part['exemplar'] == dict(size=exemplar[0], factor=exemplar[1])
        assert part['search'] == dict(size=search[0], factor=search[1])
    assert part['jitter'] == dict(center=center, scale=0.5)
    assert backbone.tokenizer == dict(foveal_size=foveal)
    assert backbone.arch.num_layers == layers
    assert backbone.patch_size == patch
    assert backbone.init_cfg.checkpoint.startswith('clip+https://')
    assert loader.dataset.ratios == [1, 1, 1, 1]
    assert loader.dataset.sampling.max_gap == 200
    assert loader.sampler.num_pairs == 60000
    assert 8 * loader.batch_size == cfg.auto_scale_lr.base_batch_size == 256
    assert cfg.train_cfg.max_epochs == 500
    assert cfg.param_scheduler.milestones == [400]
    assert cfg.param_scheduler.gamma == 0.1
    optimizer = dict(type='AdamW', lr=1e-4, weight_decay=1e-4)
    assert cfg.optim_wrapper.optimizer == optimizer
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=0.1)
    assert cfg.model.head.loss_iou.loss_weight == 2
    assert cfg.model.head.loss_bbox.loss_weight == 5


@pytest.mark.parametrize('size', [320, 384])
def test_table_11_changes_the_search_size_only(size):
    cfg = load(f'simtrack/ablations/sim_b16_search{size}_lasot.py')
    plain = load('simtrack/sim_b16_lasot.py')
    assert cfg.model.search == dict(size=size, factor=4)
    plain.model.search.size = size
    assert cfg.to_dict() == plain.to_dict()


OSTRACKS = [
    ('b256_lasot', (128, 256, 4), (3, 0.25), 300, 80),
    ('b256_got10k', (128, 256, 4), (3, 0.25), 100, 50),
    ('b384_lasot', (192, 384, 5), (4.5, 0.5), 300, 80),
    ('b384_got10k', (192, 384, 5), (4.5, 0.5), 100, 50),
]


@pytest.mark.parametrize('name, views, jitter, epochs, warmup', OSTRACKS)
def test_ostrack_has_published_numbers(name, views, jitter, epochs, warmup):
    cfg = load(f'ostrack/ostrack_{name}.py')
    exemplar, search, factor = views
    assert cfg.model.exemplar == dict(size=exemplar, factor=2)
    assert cfg.model.search == dict(size=search, factor=factor)
    center, scale = jitter
    assert cfg.model.train_cfg.jitter == dict(center=center, scale=scale)
    assert cfg.model.test_cfg == dict(window='hann')
    assert cfg.model.backbone.drop_path_rate == 0.1
    options = dict(blocks=(3, 6, 9), keep_ratio=0.7, warmup_epochs=warmup)
    options |= dict(template_tokens='center', start_epoch=20)
    assert cfg.model.backbone.elimination == options
    head = cfg.model.head
    losses = [head.loss_iou, head.loss_bbox, head.loss_score]
    assert [loss.loss_weight for loss in losses] == [2, 5, 1]
    assert cfg.train_dataloader.sampler.num_pairs == 60000
    assert cfg.train_dataloader.batch_size * 4 == 128
    assert cfg.auto_scale_lr.base_batch_size == 128
    assert cfg.train_cfg.max_epochs == epochs
    assert cfg.param_scheduler.milestones == [epochs * 4 // 5]
    shrink_backbone(cfg.model.backbone)
    head.channels = 8
    model = MODELS.build(cfg.model)
    rates = rates_by_name(model, build_optim_wrapper(model, cfg.optim_wrapper))
    assert set(rates) == {key for key, _ in model.named_parameters()}
    for key, (lr, weight_decay) in rates.items():
        expected = 4e-5 if key.startswith('backbone.') else 4e-4
        assert lr == pytest.approx(expected), key
        assert weight_decay == 1e-4


# what no pre-trained file holds
NEW = {
    'simtrack/sim_b16_lasot.py': ['tokenizer.'],
    'simtrack/ablations/sim_b16_plain_tnl2k.py': [],
    'simtrack/ablations/sim_b16_decoder1_tnl2k.py': ['tokenizer.', 'decoder.'],
    'simtrack/ablations/sim_b16_mae_lasot.py': ['tokenizer.'],
    'simtrack/sim_swin-b_lasot.py': ['tokenizer.', 'norm2.'],
    'simtrack/sim_pvt-m_lasot.py': ['tokenizer.'],
    'stark/stark-sv_b16_lasot.py': ['interaction.'],
    'stark/stark-s_r50_lasot.py': ['interaction.'],
}


@pytest.mark.parametrize('name', NEW)
def test_learning_rates_follow_what_is_pre_trained(name):
    """1e-5 for what a file of the stock network holds, 1e-4 for the rest."""
    cfg = load(name)
    shrink_backbone(cfg.model.backbone)
    model = MODELS.build(cfg.model)
    rates = rates_by_name(model, build_optim_wrapper(model, cfg.optim_wrapper))
    trained = {k for k, p in model.named_parameters() if p.requires_grad}
    assert set(rates) >= trained
    new = ('head.', *(f'backbone.{prefix}' for prefix in NEW[name]))
    assert all(any(k.startswith(prefix) for k in rates) for prefix in new)
    for key, (lr, weight_decay) in rates.items():
        expected = 1e-4 if key.startswith(new) else 1e-5
        assert lr == pytest.approx(expected), key
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


def rows_of_the_zoo():
    root = CONFIGS.parent
    index = yaml.safe_load((root / 'model-index.yml').read_text())
    paths = [root / path for path in index['Import']]
    files = [yaml.safe_load(path.read_text()) for path in paths]
    return [row for file in files for row in file['Models']]


def test_every_config_has_its_row_in_a_metafile():
    rows = rows_of_the_zoo()
    configs = sorted(row['Config'] for row in rows)
    assert configs == [f'configs/{name}' for name in ALL]
    assert len({row['Name'] for row in rows}) == len(rows)
    # the only weights are those in the package; other results are the paper's
    shipped = [row['Name'] for row in rows if 'Weights' in row]
    assert shipped == ['sim_s16-6l_real', 'sim_t16_real']
    for row in rows:
        for result in row.get('Results', []):
            source = '(measured)' if 'Weights' in row else '(paper)'
            assert all(key.endswith(source) for key in result['Metrics'])


def test_metafiles_state_what_configs_hold(unset_weights):
    counted = {}
    for row in rows_of_the_zoo():
        cfg = load(row['Config'].removeprefix('configs/'))
        # the positions of some backbones fit the crops
        model = cfg.model
        parts = model.type, model.backbone, model.head.type
        key = str((*parts, model.exemplar, model.search))
        if key not in counted:
            model = MODELS.build(cfg.model)
            counted[key] = sum(p.numel() for p in model.parameters())
        about = row['Metadata']
        assert about['Parameters'] == counted[key], row['Name']
        assert about['Epochs'] == cfg.train_cfg.max_epochs
        datasets = cfg.train_dataloader.dataset.datasets
        assert len(about['Training Data']) == len(datasets)
