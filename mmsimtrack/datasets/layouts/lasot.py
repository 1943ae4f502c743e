"""LaSOT."""

import numpy as np

from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.registry import DATASETS

# LaSOT-ext's kit, and all published results, end before the annotation does
BOXES_OF_KIT = {'paddle-1': 2500}


@DATASETS.register_module()
class LaSOTDataset(SequenceDataset):
    """LaSOT, and LaSOT-ext: `<class>/<class>-<n>/img/00000001.jpg`.

    Mirrors without the level of classes are read as well. `groundtruth.txt`
    holds x,y,w,h per frame; a target is visible unless `full_occlusion.txt`
    or `out_of_view.txt` says so, or its box has no area. Of `paddle-1` in
    LaSOT-ext, 2,703 boxes are published, of which the official kit scores
    2,500: it has as many frames here.

    Args:
        data_root: Folder of the classes, or of all sequences.
        split: `train`, 1,120 sequences, `test`, 280, or `ext`, 150.
        **kwargs: Other arguments of `SequenceDataset`.

    Raises:
        ValueError: If the split is unknown.
        FileNotFoundError: If a sequence, a frame or an annotation is missing.
    """

    layouts = (
        ('{class}/{}/img', '{class}/{}/groundtruth.txt'),
        ('{}/img', '{}/groundtruth.txt'),
    )
    frame_name = '{:08d}.jpg'
    splits = {s: dict(official=f'lasot_{s}') for s in ('train', 'test', 'ext')}
    labels = {'full_occlusion.txt': False, 'out_of_view.txt': False}

    def load_bboxes(self, info: dict) -> np.ndarray:
        """Read the boxes that the kit scores."""
        return super().load_bboxes(info)[: BOXES_OF_KIT.get(info['name'])]

    def load_labels(self, info: dict, num_boxes: int) -> dict[str, np.ndarray]:
        """Read the flags of these boxes; files have one per published box."""
        if info['name'] not in BOXES_OF_KIT:
            return super().load_labels(info, num_boxes)
        flags = super().load_labels(info, len(super().load_bboxes(info)))
        return {name: flag[:num_boxes] for name, flag in flags.items()}

    def count_frames(self, info, num_boxes, num_files) -> int | None:
        """Use as many frames as there are boxes.

        monkey-17 of the test split is annotated, and scored by the official
        kit, up to frame 2,260 only.
        """
        return num_boxes if num_boxes <= num_files else None

    def find_scored(self, bboxes_xywh, visible, flags) -> np.ndarray:
        """Score where the flags say so, whatever the box is.

        Three frames of the test split have boxes of zeros that are flagged
        as visible.
        """
        return np.all(list(flags.values()), axis=0)
