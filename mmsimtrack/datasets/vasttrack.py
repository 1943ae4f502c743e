"""VastTrack."""

import os.path as osp

from mmsimtrack.datasets.folder_dataset import list_folders, read_names
from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.registry import DATASETS


@DATASETS.register_module()
class VastTrackDataset(SequenceDataset):
    """VastTrack as downloaded: `<class>/<class>-<n>/imgs/00001.jpg`.

    `Groundtruth.txt` holds x,y,w,h per frame, zeros where the target is
    absent.

    Args:
        data_root: Folder of the classes.
        list_file: File below `data_root` with one name, `<class>-<n>`, per
            line; by default all sequences of all classes are taken.
        **kwargs: Of `SequenceDataset`.

    Raises:
        FileNotFoundError: If the folder, the list, a sequence or an
            annotation is missing.
        ValueError: If an annotation is not as long as its sequence.
    """

    def __init__(
        self, data_root: str, list_file: str | None = None, **kwargs
    ) -> None:
        self.list_file = list_file
        super().__init__(data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The sequences of the list, in its order, or all, sorted."""
        if self.list_file is not None:
            names = read_names(self, self.list_file)
            paths = [(name.rpartition('-')[0], name) for name in names]
        else:
            paths = [
                (class_name, name)
                for class_name in list_folders(self)
                for name in list_folders(self, class_name)
            ]
        return [self._describe(*path) for path in paths]

    def _describe(self, class_name: str, name: str) -> dict:
        folder = osp.join(self.data_root, class_name, name)
        return {
            'name': name,
            'frame_template': osp.join(folder, 'imgs', '{:05d}.jpg'),
            'first_frame': 1,
            'annotation': osp.join(folder, 'Groundtruth.txt'),
        }
