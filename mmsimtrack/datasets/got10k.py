"""GOT-10k, and every data set in its layout."""

import os.path as osp

import numpy as np
from mmengine import fileio

from mmsimtrack.datasets.sequence_dataset import (
    SPLITS,
    SequenceDataset,
    check_split,
    read_labels,
)
from mmsimtrack.registry import DATASETS

FOLDERS = {
    'train': 'train',
    'vottrain': 'train',
    'votval': 'train',
    'val': 'val',
    'test': 'test',
}


@DATASETS.register_module()
class Got10kDataset(SequenceDataset):
    """GOT-10k as downloaded: `{train,val,test}/<sequence>/00000001.jpg`.

    `groundtruth.txt` holds x,y,w,h per frame; a target is visible unless
    `absence.label` says so, its cover is 0 (`cover.label`, 0 to 8), or its
    box is NaN or has no area. The test split has the first box only and no
    labels.

    Args:
        data_root: Folder with `train`, `val` and `test`.
        split: `train`, `val`, `test`, or `vottrain` and `votval`: the parts
            of `train` that STARK and SimTrack use (docs/en/faq.md).
        **kwargs: Of `SequenceDataset`.

    Raises:
        ValueError: If the split is unknown.
        FileNotFoundError: If the list, a sequence or an annotation is missing.
    """

    def __init__(self, data_root: str, split: str, **kwargs) -> None:
        self.split = check_split('Got10kDataset', split, FOLDERS)
        self.first_box_only = split == 'test'
        super().__init__(data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Names from `list.txt`, in its order."""
        folder = osp.join(self.data_root, FOLDERS[self.split])
        path = osp.join(folder, 'list.txt')
        if not fileio.exists(path):
            raise FileNotFoundError(
                f'Got10kDataset: {path} is missing. Expected GOT-10k as '
                "downloaded, with 'list.txt' in the folder of each split; "
                'unpack it there, or correct data_root in the config.'
            )
        names = fileio.get_text(path).split()
        if self.split in ('vottrain', 'votval'):
            names = self._select_vot(names, path)
        return [
            {
                'name': name,
                'frame_template': osp.join(folder, name, '{:08d}.jpg'),
                'first_frame': 1,
                'annotation': osp.join(folder, name, 'groundtruth.txt'),
            }
            for name in names
        ]

    def _select_vot(self, names: list[str], path: str) -> list[str]:
        """Names of a VOT split, given by 0-based line numbers of the list."""
        lines = (SPLITS / f'got10k_{self.split}.txt').read_text().split()
        lines = [int(line) for line in lines]
        if len(names) <= max(lines):
            raise ValueError(
                f'Got10kDataset: {path} has {len(names)} lines, but '
                f'{self.split} is a selection from the official 9,335 '
                'training sequences. Take list.txt from the archive, or use '
                "split='train'."
            )
        return [names[line] for line in lines]

    def load_visible(self, info: dict, num_boxes: int) -> np.ndarray:
        """Not absent and not fully covered; a label file may be missing."""
        visible = np.ones(num_boxes, bool)
        for name, says_visible in (('absence', False), ('cover', True)):
            folder = osp.dirname(info['annotation'])
            path = osp.join(folder, f'{name}.label')
            if fileio.exists(path):
                visible &= read_labels(path, num_boxes) == says_visible
        return visible
