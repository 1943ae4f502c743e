"""GOT-10k, and every data set in its layout."""

import numpy as np

from mmsimtrack.datasets.sequence_dataset import SequenceDataset, check_split
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
            of `train` without the 1,000 sequences that the VOT challenge
            forbids (docs/en/faq.md).
        **kwargs: Of `SequenceDataset`.

    Raises:
        ValueError: If the split is unknown.
        FileNotFoundError: If the list, a sequence or an annotation is missing.
    """

    frame_name = '{:08d}.jpg'
    labels = {'absence.label': False, 'cover.label': True}
    labels_optional = True

    def __init__(self, data_root: str, split: str, **kwargs) -> None:
        check_split('Got10kDataset', split, FOLDERS)
        folder = FOLDERS[split]
        self.layouts = [(f'{folder}/{{}}', f'{folder}/{{}}/groundtruth.txt')]
        if split in ('vottrain', 'votval'):
            self.official = f'got10k_{split}'
        else:
            self.list_file = f'{folder}/list.txt'
        self.first_box_only = split == 'test'
        super().__init__(data_root, **kwargs)

    def find_scored(self, bboxes_xywh, visible, flags) -> np.ndarray:
        """Score where the target is not fully covered, as the kit does."""
        covered = flags.get('cover.label')
        if covered is None:
            return visible
        return covered & np.isfinite(bboxes_xywh).all(-1)
