"""TNL2K."""

import os.path as osp

from mmengine import fileio

from mmsimtrack.datasets.frame_reader import check_frame_folder
from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.registry import DATASETS

ENDINGS = ('.jpg', '.png')


@DATASETS.register_module()
class TNL2KDataset(SequenceDataset):
    """TNL2K as downloaded: `<sequence>/imgs/*.jpg` or `*.png`.

    The names of frames follow no rule; their order is that of the sorted
    names. `groundtruth.txt` holds x,y,w,h per frame; a target is visible
    where its box has an area. The language description is not read.

    Args:
        data_root: Folder of the sequences of one subset.
        **kwargs: Of `SequenceDataset`.

    Raises:
        FileNotFoundError: If the folder, frames or an annotation are missing.
    """

    def load_data_list(self) -> list[dict]:
        """All folders, sorted by name."""
        if not fileio.isdir(self.data_root):
            raise FileNotFoundError(
                f'TNL2KDataset: {self.data_root} is missing. Expected a '
                'folder with one folder per sequence; unpack the archive '
                'there, or correct data_root in the config.'
            )
        names = fileio.list_dir_or_file(self.data_root, True, False)
        return [self._describe(name) for name in sorted(names)]

    def _describe(self, name: str) -> dict:
        folder = osp.join(self.data_root, name, 'imgs')
        check_frame_folder(folder)
        frame_names = fileio.list_dir_or_file(folder, False, True, ENDINGS)
        return {
            'name': name,
            'frame_template': osp.join(folder, '{}'),
            'first_frame': 0,
            'frame_names': tuple(sorted(frame_names)),
            'annotation': osp.join(self.data_root, name, 'groundtruth.txt'),
        }

    def count_frames(self, info: dict, num_boxes: int) -> int:
        """As many as boxes."""
        num_frames = len(info['frame_names'])
        if num_frames != num_boxes:
            raise ValueError(
                f'{osp.dirname(info["frame_template"])} holds {num_frames} '
                f'frames ({", ".join(ENDINGS)}), but {info["annotation"]} has '
                f'{num_boxes} boxes. Expected one box per frame; unpack the '
                'sequence again, or, for one of the 12 training sequences '
                'that have them, take the revised annotations.'
            )
        return num_frames
