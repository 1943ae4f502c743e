"""VastTrack."""

import os.path as osp

import numpy as np
from mmengine import fileio

from mmsimtrack.datasets.folder_dataset import (
    FrameFolderDataset,
    list_folders,
    read_names,
)
from mmsimtrack.datasets.sequence_dataset import SPLITS, check_split
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.registry import DATASETS


@DATASETS.register_module()
class VastTrackDataset(FrameFolderDataset):
    """VastTrack as downloaded: `<class>/<class>-<n>/imgs/00001.jpg`.

    Classes have names such as `Air Hockey`. Frames lie in `imgs`, or of all
    sequences in `img`; their numbers have 5 digits, 8, or as many as they
    need. `Groundtruth.txt` holds x,y,w,h per frame, zeros where the target is
    absent.

    Args:
        data_root: Folder of the classes; for the split, it may also be the
            folder of that name that holds them.
        split: `test` takes the 3,500 official sequences.
        list_file: File below `data_root` with one name, `<class>-<n>`, per
            line. Without split and list, all sequences of all classes are
            taken.
        **kwargs: Of `SequenceDataset`.

    Raises:
        FileNotFoundError: If the folder, the list, a sequence or an
            annotation is missing.
        ValueError: If the split is unknown, or comes with a list, or an
            annotation is not as long as its sequence.
    """

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        list_file: str | None = None,
        **kwargs,
    ) -> None:
        if split is not None:
            check_split('VastTrackDataset', split, ('test',))
        if split and list_file:
            raise ValueError(
                f'VastTrackDataset: found split={split!r} and '
                f'list_file={list_file!r}, expected one of them, since both '
                'say which sequences to take. Remove one in the config.'
            )
        self.split = split
        self.list_file = list_file
        super().__init__(data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The sequences of the list, in its order, or all, sorted."""
        folders = self._list_sequences()
        frames = self._find_frames(folders)
        return [
            {
                'name': osp.basename(folder),
                'frame_template': osp.join(folder, frames, '{}'),
                'first_frame': 0,
                'annotation': osp.join(folder, 'Groundtruth.txt'),
            }
            for folder in folders
        ]

    def _list_sequences(self) -> list[str]:
        """Their folders."""
        root = self.data_root
        if self.list_file is not None:
            names = read_names(self, self.list_file)
        elif self.split is not None:
            path = SPLITS / f'vasttrack_{self.split}.txt'
            names = path.read_text().splitlines()
            folder = osp.join(root, self.split)
            if fileio.isdir(folder, self.backend_args):
                root = folder
        else:
            return [
                osp.join(root, class_name, name)
                for class_name in list_folders(self)
                for name in list_folders(self, class_name)
            ]
        return [osp.join(root, n.rpartition('-')[0], n) for n in names]

    def _find_frames(self, folders: list[str]) -> str:
        """Name of the folder of frames in each of these.

        The first one that is there decides: network disks would take long
        to answer for each of 50,610, and this is asked at every start.
        """
        for folder in folders:
            for name in ('imgs', 'img'):
                if fileio.isdir(osp.join(folder, name), self.backend_args):
                    return name
        return 'imgs'

    def load_scored(self, sequence: VideoSequence) -> np.ndarray:
        """Unless a box is all zeros; the kits have own rules for no area."""
        return sequence.bboxes.any(axis=1)
