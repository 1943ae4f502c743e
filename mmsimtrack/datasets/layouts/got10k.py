"""GOT-10k, and other data sets in its layout."""

import numpy as np

from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.registry import DATASETS


def _part(folder: str, **more) -> dict:
    """Describe a split that lies in a folder, with a list beside it."""
    layouts = ((f'{folder}/{{}}', f'{folder}/{{}}/groundtruth.txt'),)
    return dict(layouts=layouts, list_file=f'{folder}/list.txt') | more


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
        **kwargs: Other arguments of `SequenceDataset`.

    Raises:
        ValueError: If the split is unknown.
        FileNotFoundError: If the list, a sequence or an annotation is missing.
    """

    frame_name = '{:08d}.jpg'
    splits = {
        'train': _part('train'),
        'vottrain': _part('train', list_file=None, official='got10k_vottrain'),
        'votval': _part('train', list_file=None, official='got10k_votval'),
        'val': _part('val'),
        'test': _part('test', first_box_only=True),
    }
    labels = {'absence.label': False, 'cover.label': True}
    labels_optional = True

    def find_scored(self, bboxes_xywh, visible, flags) -> np.ndarray:
        """Score where the target is not fully covered, as the kit does."""
        covered = flags.get('cover.label')
        if covered is None:
            return visible
        return covered & np.isfinite(bboxes_xywh).all(-1)
