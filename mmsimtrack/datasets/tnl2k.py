"""TNL2K."""

import numpy as np
from mmengine.logging import print_log

from mmsimtrack.datasets.folder_dataset import FolderDataset
from mmsimtrack.datasets.sequence_dataset import SPLITS, check_split
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.registry import DATASETS

# their first annotations end with a row too many
ROW_TOO_MANY = (
    'advSamp_monitor_bikeyellow',
    'advSamp_Baseball_game_002-Done',
)


@DATASETS.register_module()
class TNL2KDataset(FolderDataset):
    """TNL2K as downloaded: `<sequence>/imgs/*.jpg` or `*.png`.

    The names of frames follow no rule; their order is that of the sorted
    names. `groundtruth.txt` holds x,y,w,h per frame; a target is visible
    where its box has an area. The language description is not read.

    Args:
        data_root: Folder of the sequences.
        split: `test` takes the 700 official sequences; by default every
            folder is one.
        **kwargs: Of `SequenceDataset`.

    Raises:
        FileNotFoundError: If the folder, frames or an annotation are missing.
        ValueError: If the split is unknown, or an annotation is not as long
            as its sequence.
    """

    endings = ('.jpg', '.png')
    advice = (
        'For the 12 training sequences that have them, take the revised '
        'annotations.'
    )

    def __init__(
        self, data_root: str, split: str | None = None, **kwargs
    ) -> None:
        if split is not None:
            check_split('TNL2KDataset', split, ('test',))
        self.split = split
        super().__init__(data_root, frames='{}/imgs', **kwargs)

    def list_names(self) -> list[str]:
        """Of the official list, in its order, or of all folders."""
        if self.split is None:
            return super().list_names()
        return (SPLITS / 'tnl2k.txt').read_text().splitlines()

    def load_scored(self, sequence: VideoSequence) -> np.ndarray:
        """Unless a box is all zeros, as the flags of the kit."""
        return sequence.bboxes.any(axis=1)

    def count_frames(self, info: dict, num_boxes: int) -> int:
        """As many as boxes; two annotations may have one more."""
        num_frames = len(info['frame_names'])
        if num_boxes == num_frames + 1 and info['name'] in ROW_TOO_MANY:
            print_log(
                f'TNL2KDataset: the last row of {info["annotation"]} has no '
                'frame and is not used.',
                'current',
            )
            return num_frames
        return super().count_frames(info, num_boxes)

    @staticmethod
    def order(frame_name: str) -> str:
        """As the official code sorts them."""
        return frame_name
