"""TNL2K."""

import numpy as np

from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.registry import DATASETS

# their first annotations end with a row too many
ROW_TOO_MANY = (
    'advSamp_monitor_bikeyellow',
    'advSamp_Baseball_game_002-Done',
)


@DATASETS.register_module()
class TNL2KDataset(SequenceDataset):
    """TNL2K as downloaded: `<sequence>/imgs/*.jpg` or `*.png`.

    The names of frames follow no rule. `groundtruth.txt` holds x,y,w,h per
    frame; a target is visible where its box has an area. The language
    description is not read.

    Args:
        data_root: Folder of the sequences.
        split: `test` takes the 700 official sequences; by default every
            folder is one.
        **kwargs: Other arguments of `SequenceDataset`.

    Raises:
        FileNotFoundError: If the folder, frames or an annotation are missing.
        ValueError: If the split is unknown, or an annotation is not as long
            as its sequence.
    """

    layouts = (('{}/imgs', '{}/groundtruth.txt'),)
    splits = {None: {}, 'test': dict(official='tnl2k')}
    advice = (
        'For the 12 training sequences that have them, take the revised '
        'annotations.'
    )

    def count_frames(self, info, num_boxes, num_files) -> int | None:
        """Leave out a last row that has no frame, in two annotations."""
        too_many = num_boxes == num_files + 1 and info['name'] in ROW_TOO_MANY
        return super().count_frames(info, num_boxes - too_many, num_files)

    def find_scored(self, bboxes_xywh, visible, flags) -> np.ndarray:
        """Score all but boxes of zeros, as the flags of the kit say."""
        return bboxes_xywh.any(axis=1)
