"""Miniatures of all layouts, unpacked and in zip archives."""

import shutil
import zipfile
from pathlib import Path

import layouts

SEQUENCES = {
    'lasot': dict(type='LaSOTDataset', split='train', indices=2),
    'got10k': dict(type='Got10kDataset', split='train'),
    'trackingnet': dict(type='TrackingNetDataset', split='train', chunks=[0]),
    'tnl2k': dict(type='TNL2KDataset'),
    'uav123': dict(type='UAV123Dataset'),
    'otb100': dict(type='OTB100Dataset'),
    'nfs': dict(type='NfSDataset'),
    'vasttrack': dict(type='VastTrackDataset'),
    'folder': dict(type='FolderDataset', boxes='{}.txt'),
}
# the one sequence of a fixed list that is written
WRITTEN = {'uav123': 'uav6', 'otb100': 'Deer', 'nfs': 'dog_1'}
LAYOUTS = {**SEQUENCES, 'coco': dict(type='CocoDataset', split='train')}


def make(name, root, **options):
    """Write a miniature; returns the config of its data set."""
    cfg = dict(LAYOUTS[name], data_root=str(root))
    if name in WRITTEN:
        cfg['indices'] = find_written(name)
    if name == 'folder':
        make_folders(root, **options)
    else:
        getattr(layouts, f'make_{name}')(root, **options)
    return cfg


def make_folders(root, **options):
    """A data set of one's own, with PNGs that are numbered 1, 2, ..."""
    layouts.make_tnl2k(root, frame_name='shot {}.png', **options)
    for folder in Path(root).iterdir():
        (folder / 'language.txt').unlink()
        (folder / 'groundtruth.txt').rename(folder.with_suffix('.txt'))
        for path in (folder / 'imgs').iterdir():
            path.rename(folder / path.name)
        (folder / 'imgs').rmdir()


def pack_zips(name, root):
    """Replace a miniature by zip archives as they are downloaded."""
    root = Path(root)
    if name == 'trackingnet':
        (root / 'TRAIN_0/zips').mkdir()
        for video in (root / 'TRAIN_0/frames').iterdir():
            _zip(root / f'TRAIN_0/zips/{video.name}.zip', [video], video)
        shutil.rmtree(root / 'TRAIN_0/frames')
    elif name == 'got10k':
        for i, folder in enumerate(sorted((root / 'train').glob('seq_*'))):
            path = root / f'train/GOT-10k_Train_split_{i:02d}.zip'
            _zip(path, [folder], root / 'train')
            shutil.rmtree(folder)
    elif name in ('lasot', 'coco', 'otb100', 'nfs'):
        for folder in list(root.iterdir()):
            _zip(root / f'{folder.name}.zip', [folder], root)
            shutil.rmtree(folder)
    else:
        paths = list(root.iterdir())
        _zip(root / 'all.zip', paths, root, zipfile.ZIP_DEFLATED)
        for path in paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _zip(path, parts, root, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', method) as archive:
        for part in parts:
            for file in [part, *sorted(part.rglob('*'))]:
                # entries for folders too, as some programs write them
                archive.write(file, file.relative_to(root))


def check_arguments(cfg, *more):
    """Arguments of `mmsimtrack check` for the config of a data set."""
    cfg = dict(cfg)
    args = ['check', '--type', cfg.pop('type')]
    args += ['--data-root', cfg.pop('data_root')]
    if 'split' in cfg:
        args += ['--split', cfg.pop('split')]
    options = [f'{key}={value}' for key, value in cfg.items()]
    return args + (['--cfg-options', *options] if options else []) + [*more]


def find_written(name):
    """Index of the one sequence of a list that a miniature has."""
    names = [row.split()[0] for row in layouts.split_rows(name)]
    return [names.index(WRITTEN[name])]
