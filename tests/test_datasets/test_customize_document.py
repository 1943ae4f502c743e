"""What docs/en/customize_dataset.md shows works as it stands there."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from layouts import moving_bboxes, write_frames
from mmengine.runner import Runner
from processes import ROOT
from test_configs import load, shrink_backbone

from mmsimtrack.registry import DATASETS

DOCUMENT = (ROOT / 'docs/en/customize_dataset.md').read_text()
CONFIG, CLASS = re.findall(r'```python\n(.*?)```', DOCUMENT, re.DOTALL)
SIZE = (64, 48)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_config_trains_and_tests(here):
    bboxes = moving_bboxes(12, SIZE)
    for name in ('cat', 'dog'):
        folder = here / 'data/mine' / name
        write_frames(folder, '{}.jpg', 1, bboxes, SIZE)
        np.savetxt(folder / 'groundtruth.txt', bboxes, '%d', ',')
    shutil.copytree(ROOT / 'configs', here / 'configs')
    path = here / 'configs/simtrack/sim_b16_mine.py'
    path.write_text(CONFIG)
    cfg = load(path)
    shrink_backbone(cfg.model.backbone)
    cfg.model.head.channels = 8
    cfg.train_cfg.max_epochs = 1
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.sampler.num_pairs = 2
        # as the document says, for short videos
        loader.dataset.sampling.min_frames = 12
    cfg.work_dir, cfg.experiment_name = 'work', here.name
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 1
    metrics = runner.test()
    results = sorted(path.name for path in Path('work/results').iterdir())
    assert results == ['cat.txt', 'dog.txt']
    assert any('auc' in key.lower() for key in metrics)


@pytest.mark.parametrize(
    'row',
    re.findall(r'^\| (`(?:cat|frames).*`.*) \|$', DOCUMENT, re.MULTILINE),
)
def test_layouts_of_the_table(here, row):
    files, settings = row.split(' | ')
    frame, boxes = re.findall('`([^`]*)`', files)
    bboxes = moving_bboxes(3, SIZE)
    for name in ('cat', 'dog'):
        path = here / frame.replace('cat', name)
        write_frames(path.parent, '{}.jpg', 1, bboxes, SIZE)
        path = here / boxes.replace('cat', name)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(path, bboxes, '%d', ',')
    options = eval(f'dict({settings.strip("`").replace("none", "")})')
    cfg = dict(type='FolderDataset', data_root=str(here), **options)
    dataset = DATASETS.build(cfg)
    assert len(dataset) == 2
    assert dataset.get_sequence(0).frame_path(0) == str(here / frame)


def test_every_layout_of_the_table_is_tested():
    assert DOCUMENT.count('\n| `') == 4


def test_class_of_ones_own(here):
    namespace = {}
    exec(CLASS, namespace)
    bboxes = moving_bboxes(3, SIZE)
    for name in ('north', 'south'):
        write_frames(here / name, '{:06d}.jpg', 0, bboxes, SIZE)
        np.savetxt(here / name / 'boxes.txt', bboxes, '%d', ',')
        (here / name / 'hidden.txt').write_text('0\n1\n0\n')
    try:
        dataset = DATASETS.build(dict(type='Surveillance', data_root='.'))
    finally:
        DATASETS.module_dict.pop('Surveillance')
    sequence = dataset.get_sequence(1)
    assert sequence.name == 'south'
    assert sequence.visible.tolist() == [True, False, True]
    np.testing.assert_allclose(sequence.read_frame(2)[40, 60], 30, atol=1)
