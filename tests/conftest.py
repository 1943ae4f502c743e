"""Fixtures that several test files share."""

import gc
from pathlib import Path

import layouts
import numpy as np
import pytest
import storage
import torch

import mmsimtrack  # noqa: F401, provides what mmdet needs of mmcv
from mmsimtrack.benchmarks import dataset_config

torch.set_num_threads(1)


def pytest_collection_finish():
    """Keep what is imported out of garbage collection.

    mmengine collects whenever it builds a data set; with torch and all the
    libraries in memory that is most of the time of a small test.
    """
    gc.freeze()


@pytest.fixture(autouse=True)
def leave_configs_unformatted(monkeypatch):
    """Let mmengine write configs as they come.

    A run formats its config six times; with four training sets that is
    most of the time of a test that trains a step.
    """
    monkeypatch.setattr(
        'yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True)
    )


@pytest.fixture(scope='session', autouse=True)
def leave_cache_of_user(tmp_path_factory):
    """Keep parsed annotations elsewhere: here those of shared fixtures."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('cache')
        patch.setenv('MMSIMTRACK_CACHE', str(folder))
        yield


@pytest.fixture(autouse=True)
def use_own_cache(monkeypatch, tmp_path_factory):
    """Keep the parsed annotations of each test apart."""
    folder = tmp_path_factory.mktemp('cache')
    monkeypatch.setenv('MMSIMTRACK_CACHE', str(folder))


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
    data_root = Path(root) / f'{type_}_{split}'
    dataset_cfg['data_root'] = str(data_root)
    if 'ann_file' in dataset_cfg:
        split = 'train'
        dataset_cfg['ann_file'] = 'annotations/instances_train2017.json'
        dataset_cfg['data_prefix'] = 'train2017'
    name = type_.removesuffix('Dataset').lower()
    if name in ('got10k', 'lasot', 'nfs', 'tnl2k', 'vasttrack'):
        dataset_cfg['indices'] = 1
    elif name in ('uav123', 'otb100'):
        names = [row.split()[0] for row in layouts.split_rows(name)]
        dataset_cfg['indices'] = [names.index(storage.WRITTEN[name])]
    if not data_root.exists():
        _make_miniature(type_, split, data_root)


def _make_miniature(type_, split, root):
    short = {'num_sequences': 1, 'num_frames': 3}
    match type_, split:
        case 'Got10kDataset', 'vottrain' | 'votval':
            _make_got10k_vot(root, split)
        case 'Got10kDataset', _:
            layouts.make_got10k(root, split, **short)
        case 'LaSOTDataset', _:
            layouts.make_lasot(root, split, **short)
        case 'TrackingNetDataset', 'train':
            folders = [f'TRAIN_{chunk}' for chunk in range(12)]
            layouts.make_trackingnet(root, folders, **short)
        case 'TrackingNetDataset', _:
            layouts.make_trackingnet(root, ['TEST'], **short)
        case 'CocoDataset', _:
            layouts.make_coco(root, split)
        case 'TNL2KDataset', _:
            names = layouts.split_rows('tnl2k')
            layouts.make_tnl2k(root, names[:1], num_frames=3)
        case 'UAV123Dataset', _:
            layouts.make_uav123(root)
        case 'OTB100Dataset', _:
            layouts.make_otb100(root)
        case 'NfSDataset', _:
            names = layouts.split_rows('nfs')
            layouts.make_nfs(root, names[:1], num_frames=3)
        case 'VastTrackDataset', _:
            names = layouts.split_rows('vasttrack_test')
            layouts.make_vasttrack(root, names[:1], num_frames=3)
        case 'FolderDataset', _:
            _make_own(root)
        case _:
            raise ValueError(f'no miniature of {type_}')


def _make_own(root):
    """A sequence of one's own."""
    bboxes_xywh = layouts.moving_bboxes(3, layouts.SIZE)
    layouts.write_frames(root / 'cat', '{}.jpg', 1, bboxes_xywh, layouts.SIZE)
    np.savetxt(root / 'cat/groundtruth.txt', bboxes_xywh, '%d', ',')


def _make_got10k_vot(root, split):
    """The first sequence of a part of the training sequences."""
    (folder,) = layouts.make_got10k(root, num_sequences=1, num_frames=3)
    folder.rename(folder.parent / layouts.split_rows(f'got10k_{split}')[0])
