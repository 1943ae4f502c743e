"""Fixtures that several test files share."""

import gc
import os
import sys
from pathlib import Path

import layouts
import numpy as np
import pytest
import storage
import torch
from mmengine.logging import MMLogger

import mmsimtrack  # noqa: F401, provides what mmdet needs of mmcv
from mmsimtrack.benchmarks import dataset_config

# the tools are modules of the tests
TOOLS = 'analysis_tools', 'benchmarks', 'dataset_converters'
for folder in (*TOOLS, 'model_converters'):
    sys.path.insert(0, str(Path(__file__).parents[1] / 'tools' / folder))
torch.set_num_threads(1)
# of the processes that tests start
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ['PYTHON'] = sys.executable


def pytest_configure(config):
    """Hide OpenVINO from all but its own tests.

    Once it has run, a process that forks may crash (2026.4.1).
    """
    if config.option.markexpr != 'openvino':
        sys.modules['openvino'] = None


def pytest_collection_finish():
    """Keep what is imported out of garbage collection.

    mmengine collects whenever it builds a data set; with torch and all the
    libraries in memory that is most of the time of a small test.
    """
    gc.freeze()


@pytest.fixture(scope='session', autouse=True)
def leave_user_alone_and_configs_unformatted(tmp_path_factory):
    """Keep parsed annotations elsewhere: here those of shared fixtures.

    And let mmengine write configs as they come. A run formats its config six
    times; with four training sets that is most of the time of a test that
    trains a step.
    """
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('cache')
        patch.setenv('MMSIMTRACK_CACHE', str(folder))
        format_code = 'yapf.yapflib.yapf_api.FormatCode'
        patch.setattr(format_code, lambda text, **_: (text, True))
        yield


@pytest.fixture(autouse=True)
def leave_other_tests_alone(monkeypatch, tmp_path_factory):
    """Keep parsed annotations apart, and the streams of loggers."""
    folder = tmp_path_factory.mktemp('cache')
    monkeypatch.setenv('MMSIMTRACK_CACHE', str(folder))
    MMLogger._instance_dict.clear()


@pytest.fixture
def logged(monkeypatch):
    """Lines that the package logs."""
    lines = []
    monkeypatch.setattr(
        'mmsimtrack.log.print_log', lambda line, *_, **__: lines.append(line)
    )
    return lines


@pytest.fixture
def unset_weights(monkeypatch):
    """Draw no weights: hundreds of millions that nobody reads."""
    for layer in (torch.nn.Linear, torch.nn.Conv2d):
        monkeypatch.setattr(layer, 'reset_parameters', lambda self: None)


@pytest.fixture
def make_got10k():
    """A function that writes a small data set in the layout of GOT-10k."""
    return layouts.make_got10k


@pytest.fixture
def make_data_for():
    """A function that writes a miniature for the config of a data set.

    `make_data_for(dataset_cfg, root)` sets `data_root` to a folder in `root`
    and, for a fixed list, `indices` to the one sequence that is written.
    Sequences have 3 frames, in UAV123 109, in OTB-100 71; their first box is
    16, 12, 16, 12.
    """
    return _make_data_for


def _make_data_for(dataset_cfg, root):
    row = dataset_config(dataset_cfg)
    type_, split = row['type'], row.get('split')
    name = type_.removesuffix('Dataset').lower()
    data_root = Path(root) / f'{type_}_{split}'
    dataset_cfg['data_root'] = str(data_root)
    lists = {'tnl2k': 'tnl2k', 'vasttrack': 'vasttrack_test'}
    options = {} if name in ('uav123', 'otb100') else {'num_frames': 3}
    if name in storage.WRITTEN:
        dataset_cfg['indices'] = storage.find_written(name)
    elif name in ('got10k', 'lasot'):
        dataset_cfg['indices'] = options['num_sequences'] = 1
        options['split'] = 'train' if 'vot' in split else split
    elif name in lists:
        dataset_cfg['indices'] = 1
        options['names'] = layouts.split_rows(lists[name])[:1]
    elif name == 'trackingnet':
        chunks = [f'TRAIN_{chunk}' for chunk in range(12)]
        options['folders'] = chunks if split == 'train' else ['TEST']
    elif name == 'coco':
        options = {'split': split or 'train'}
        if split is None:
            dataset_cfg['ann_file'] = 'annotations/instances_train2017.json'
            dataset_cfg['data_prefix'] = 'train2017'
    if data_root.exists():
        return
    make = _make_own if name == 'folder' else getattr(layouts, f'make_{name}')
    folders = make(data_root, **options)
    if 'vot' in (split or ''):  # the first sequence of a part
        first = layouts.split_rows(f'got10k_{split}')[0]
        folders[0].rename(folders[0].with_name(first))


def _make_own(root, num_frames):
    """A sequence of one's own."""
    boxes = layouts.moving_bboxes(num_frames, layouts.SIZE)
    layouts.write_frames(root / 'cat', '{}.jpg', 1, boxes, layouts.SIZE)
    np.savetxt(root / 'cat/groundtruth.txt', boxes, '%d', ',')
