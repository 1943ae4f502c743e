"""A data set of your own: folders of frames, and files of boxes."""

import os.path as osp
import re

from mmengine import fileio

from mmsimtrack.datasets.frame_files import check_frame_folder
from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.registry import DATASETS


class FrameFolderDataset(SequenceDataset):
    """Sequences whose frames are listed, since their names follow no rule.

    Subclasses implement `load_data_list`; `frame_template` has a field for
    the name of a frame. `2.jpg` comes before `10.jpg`.

    Attributes:
        endings: Of the files that are frames.
    """

    endings: tuple[str, ...] = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')

    def load_sequence(self, info: dict) -> VideoSequence:
        """List the frames, then read the boxes."""
        return super().load_sequence(self.list_frames(info))

    def list_frames(self, info: dict) -> dict:
        """An entry with the `frame_names` of its folder."""
        folder = osp.dirname(info['frame_template'])
        check_frame_folder(folder, self.backend_args)
        names = fileio.list_dir_or_file(
            folder, False, True, self.endings, backend_args=self.backend_args
        )
        return {**info, 'frame_names': tuple(sorted(names, key=self.order))}

    @staticmethod
    def order(frame_name: str) -> tuple:
        """What frames are sorted by: numbers in names by their value."""
        parts = re.split(r'(\d+)', frame_name)
        return tuple(int(p) if p.isdigit() else p for p in parts)

    def count_frames(self, info: dict, num_boxes: int) -> int:
        """As many as boxes."""
        num_frames = len(info['frame_names'])
        if num_frames != num_boxes:
            folder = osp.dirname(info['frame_template'])
            raise ValueError(
                f'{type(self).__name__}: {folder} holds {num_frames} frames '
                f'({", ".join(self.endings)}), but {info["annotation"]} has '
                f'{num_boxes} boxes. Expected one box per frame; unpack or '
                f'create the sequence again. {self.advice}'.rstrip()
            )
        return num_frames


@DATASETS.register_module()
class FolderDataset(FrameFolderDataset):
    """A folder of frames and a file of boxes for each sequence.

    Frames may have any names; `2.jpg` comes before `10.jpg`. The file of
    boxes holds x,y,w,h per frame; a target is visible where its box has an
    area, so NaN or zeros mark it as absent.

    Args:
        data_root: Folder that the other paths start from.
        frames: Folder of the frames of a sequence, `{}` is its name.
        boxes: File of its boxes.
        list_file: File with one name per line; by default every folder is a
            sequence.
        **kwargs: Of `SequenceDataset`.

    Raises:
        ValueError: If a path lacks `{}`, or boxes and frames do not fit.
        FileNotFoundError: If the folder, the list, frames or boxes are
            missing.
    """

    def __init__(
        self,
        data_root: str,
        frames: str = '{}',
        boxes: str = '{}/groundtruth.txt',
        list_file: str | None = None,
        **kwargs,
    ) -> None:
        for key, value in (('frames', frames), ('boxes', boxes)):
            if value.count('{}') != 1:
                raise ValueError(
                    f'FolderDataset: {key} is {value!r}, expected a path with '
                    '{} where the name of the sequence stands. Change it in '
                    'the config.'
                )
        self.frames = frames
        self.boxes = boxes
        self.list_file = list_file
        super().__init__(data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The sequences of the list, in its order, or all, sorted."""
        infos = []
        for name in self.list_names():
            folder = osp.join(self.data_root, self.frames.format(name))
            infos.append(
                {
                    # results are files of that name, in one folder
                    'name': name.replace('/', '_'),
                    'frame_template': osp.join(folder, '{}'),
                    'first_frame': 0,
                    'annotation': osp.join(
                        self.data_root, self.boxes.format(name)
                    ),
                }
            )
        return infos

    def list_names(self) -> list[str]:
        """Names of the sequences."""
        if self.list_file is not None:
            return read_names(self, self.list_file)
        return list_folders(self, self.frames.partition('{}')[0])


def read_names(dataset: SequenceDataset, list_file: str) -> list[str]:
    """Names in a file below the folder of a data set; they may hold spaces.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = osp.join(dataset.data_root, list_file)
    try:
        text = fileio.get_text(path, backend_args=dataset.backend_args)
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{type(dataset).__name__}: {path} is missing. Expected a list of '
            'sequences, one name per line; create it, or correct data_root '
            'or list_file in the config.'
        ) from None
    names = map(str.strip, text.splitlines())
    return [name for name in names if name]


def list_folders(dataset: SequenceDataset, folder: str = '') -> list[str]:
    """Names of all folders in a folder of a data set, sorted.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    path = osp.join(dataset.data_root, folder).rstrip('/')
    if not fileio.isdir(path, dataset.backend_args):
        raise FileNotFoundError(
            f'{type(dataset).__name__}: {path} is missing. Expected a folder '
            'with one folder per sequence; unpack the archive there, or '
            'correct data_root in the config.'
        )
    return sorted(
        fileio.list_dir_or_file(
            path, True, False, backend_args=dataset.backend_args
        )
    )
