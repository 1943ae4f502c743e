"""GOT-10k, and every data set in its layout."""

import os.path as osp

import numpy as np
from mmengine import fileio

from mmsimtrack.datasets.frame_reader import check_frame_files
from mmsimtrack.datasets.sequence_dataset import (
    SPLITS,
    SequenceDataset,
    VideoSequence,
)
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures import xywh_to_xyxy
from mmsimtrack.structures.annotation_file import (
    read_bboxes_xywh,
    read_flags,
)

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
        if split not in FOLDERS:
            raise ValueError(
                f'Got10kDataset: split is {split!r}, expected one of '
                f'{sorted(FOLDERS)}. Change it in the config.'
            )
        self.split = split
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

    def load_sequence(self, info: dict) -> VideoSequence:
        """Read boxes and labels of one sequence."""
        folder = osp.dirname(info['frame_template'])
        annotation = osp.join(folder, 'groundtruth.txt')
        bboxes_xywh = read_bboxes_xywh(annotation)
        num_frames = check_frame_files(
            info['frame_template'],
            info['first_frame'],
            len(bboxes_xywh),
            annotation,
            first_box_only=self.split == 'test',
        )
        visible = (bboxes_xywh[:, 2:] > 0).all(-1)
        visible &= np.isfinite(bboxes_xywh).all(-1)
        visible &= ~self._labels(folder, 'absence', visible, False)
        visible &= self._labels(folder, 'cover', visible, True)
        return VideoSequence(
            name=info['name'],
            frame_template=info['frame_template'],
            first_frame=info['first_frame'],
            num_frames=num_frames,
            bboxes=xywh_to_xyxy(bboxes_xywh),
            visible=visible,
        )

    @staticmethod
    def _labels(
        folder: str, name: str, like: np.ndarray, default: bool
    ) -> np.ndarray:
        """Flags of one label file; `default` where there is no file."""
        path = osp.join(folder, f'{name}.label')
        if not fileio.exists(path):
            return np.full(len(like), default)
        flags = read_flags(path)
        if len(flags) != len(like):
            raise ValueError(
                f'{path} has {len(flags)} values, but groundtruth.txt beside '
                f'it has {len(like)} boxes. Expected one value per box; '
                'unpack the sequence again.'
            )
        return flags > 0
