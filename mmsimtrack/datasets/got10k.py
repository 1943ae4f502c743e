"""GOT-10k, and every data set in its layout."""

import os.path as osp

import numpy as np
from mmengine import fileio

from mmsimtrack.datasets.sequence_dataset import (
    SPLITS,
    SequenceDataset,
    check_split,
)
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures.annotation_file import read_labels

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
            of `train` without the 1,000 sequences that the VOT challenge
            forbids (docs/en/faq.md).
        **kwargs: Of `SequenceDataset`.

    Raises:
        ValueError: If the split is unknown.
        FileNotFoundError: If the list, a sequence or an annotation is missing.
    """

    label_files = ('absence.label', 'cover.label')

    def __init__(self, data_root: str, split: str, **kwargs) -> None:
        self.split = check_split('Got10kDataset', split, FOLDERS)
        self.first_box_only = split == 'test'
        super().__init__(data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Names from `list.txt`, in its order, or of the shipped list."""
        folder = osp.join(self.data_root, FOLDERS[self.split])
        if self.split in ('vottrain', 'votval'):
            names = (SPLITS / f'got10k_{self.split}.txt').read_text().split()
        else:
            names = self._read_list(osp.join(folder, 'list.txt'))
        return [
            {
                'name': name,
                'frame_template': osp.join(folder, name, '{:08d}.jpg'),
                'first_frame': 1,
                'annotation': osp.join(folder, name, 'groundtruth.txt'),
            }
            for name in names
        ]

    def _read_list(self, path: str) -> list[str]:
        if not fileio.exists(path, self.backend_args):
            raise FileNotFoundError(
                f'Got10kDataset: {path} is missing. Expected GOT-10k as '
                "downloaded, with 'list.txt' in the folder of each split; "
                'unpack it there, or correct data_root in the config.'
            )
        return fileio.get_text(path, backend_args=self.backend_args).split()

    def load_scored(self, sequence: VideoSequence) -> np.ndarray:
        """Where the target is not fully covered: the kit reads no more."""
        folder = osp.dirname(sequence.frame_template)
        path = osp.join(folder, 'cover.label')
        if self.first_box_only or not fileio.exists(path, self.backend_args):
            return sequence.visible
        covers = read_labels(path, len(sequence.bboxes), self.backend_args)
        return covers & np.isfinite(sequence.bboxes).all(-1)

    def load_visible(self, info: dict, num_boxes: int) -> np.ndarray:
        """Not absent and not fully covered; a label file may be missing."""
        visible = np.ones(num_boxes, bool)
        for path, says_visible in zip(self.find_labels(info), (False, True)):
            if fileio.exists(path, self.backend_args):
                flags = read_labels(path, num_boxes, self.backend_args)
                visible &= flags == says_visible
        return visible
