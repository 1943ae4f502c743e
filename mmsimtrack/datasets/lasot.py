"""LaSOT."""

import os.path as osp

import numpy as np
from mmengine import fileio
from mmengine.logging import print_log

from mmsimtrack.datasets.frame_files import check_frame_range
from mmsimtrack.datasets.sequence_dataset import (
    SPLITS,
    SequenceDataset,
    check_split,
)
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures.annotation_file import read_labels


@DATASETS.register_module()
class LaSOTDataset(SequenceDataset):
    """LaSOT, and LaSOT-ext: `<class>/<class>-<n>/img/00000001.jpg`.

    Mirrors without the level of classes are read as well. `groundtruth.txt`
    holds x,y,w,h per frame; a target is visible unless `full_occlusion.txt`
    or `out_of_view.txt` says so, or its box has no area.

    Args:
        data_root: Folder of the classes, or of all sequences.
        split: `train`, 1,120 sequences, `test`, 280, or `ext`, 150.
        **kwargs: Of `SequenceDataset`.

    Raises:
        ValueError: If the split is unknown.
        FileNotFoundError: If a sequence, a frame or an annotation is missing.
    """

    label_files = ('full_occlusion.txt', 'out_of_view.txt')

    def __init__(self, data_root: str, split: str, **kwargs) -> None:
        splits = 'train', 'test', 'ext'
        self.split = check_split('LaSOTDataset', split, splits)
        super().__init__(data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The official sequences of the split."""
        names = (SPLITS / f'lasot_{self.split}.txt').read_text().split()
        infos, args = [], self.backend_args
        for name in names:
            class_name = name.rpartition('-')[0]
            folder = osp.join(self.data_root, class_name, name)
            flat = osp.join(self.data_root, name)
            if not fileio.isdir(folder, args) and fileio.isdir(flat, args):
                folder = flat
            infos.append(
                {
                    'name': name,
                    'frame_template': osp.join(folder, 'img', '{:08d}.jpg'),
                    'first_frame': 1,
                    'annotation': osp.join(folder, 'groundtruth.txt'),
                }
            )
        return infos

    def count_frames(self, info: dict, num_boxes: int) -> int:
        """As many as boxes; there may be more files.

        monkey-17 of the test split is annotated, and scored by the official
        kit, up to frame 2,260 only.
        """
        template, first_frame = info['frame_template'], info['first_frame']
        num_files = check_frame_range(
            template, first_frame, num_boxes, self.backend_args
        )
        if num_files > num_boxes:
            print_log(
                f'LaSOTDataset: {info["annotation"]} has {num_boxes} boxes '
                f'for {num_files} frames; those after the last box are not '
                'used.',
                'current',
            )
        return num_boxes

    def load_visible(self, info: dict, num_boxes: int) -> np.ndarray:
        """Neither fully occluded nor out of view."""
        hidden = np.zeros(num_boxes, bool)
        for path in self.find_labels(info):
            hidden |= read_labels(path, num_boxes, self.backend_args)
        return ~hidden

    def load_scored(self, sequence: VideoSequence) -> np.ndarray:
        """What the flags say, also of a box of zeros.

        Three frames of the test split have one and are flagged visible.
        """
        folder = osp.dirname(osp.dirname(sequence.frame_template))
        info = {'annotation': osp.join(folder, 'groundtruth.txt')}
        return self.load_visible(info, len(sequence.bboxes))
