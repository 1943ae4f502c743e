"""NfS."""

import os
import os.path as osp

import numpy as np
from mmengine import fileio
from mmengine.logging import print_log

from mmsimtrack.datasets.folder_dataset import FrameFolderDataset
from mmsimtrack.datasets.frame_reader import missing_frame
from mmsimtrack.datasets.sequence_dataset import SPLITS
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures.annotation_file import read_nfs_xywh


@DATASETS.register_module()
class NfSDataset(FrameFolderDataset):
    """NfS at 30 frames per second: `<video>/30/<video>/00001.jpg`.

    As downloaded, `<video>/30/<video>.txt` holds 240 boxes per second, `id x1
    y1 x2 y2 frame ...`, of which every eighth is taken. The layout that is
    made for pytracking is read as well: `sequences/<video>/00001.jpg` and
    `anno/nfs_<video>.txt` with x, y, w, h per frame. A target is visible
    where its box has an area.

    Args:
        data_root: Folder of the videos, or of `sequences` and `anno`.
        **kwargs: Of `SequenceDataset`.

    Raises:
        FileNotFoundError: If a video, a frame or an annotation is missing.
        ValueError: If the numbers of frames and boxes differ, as downloaded
            by more than one.
    """

    advice = 'Of files as downloaded, every eighth row counts.'

    def load_data_list(self) -> list[dict]:
        """The 100 sequences of the list."""
        folder = osp.join(self.data_root, 'sequences')
        frames, boxes = '{0}/30/{0}', '{0}/30/{0}.txt'
        if fileio.isdir(folder, self.backend_args):
            frames, boxes = 'sequences/{0}', 'anno/nfs_{0}.txt'
        return [
            {
                'name': name,
                'frame_template': osp.join(
                    self.data_root, frames.format(name), '{}'
                ),
                'first_frame': 0,
                'annotation': osp.join(self.data_root, boxes.format(name)),
            }
            for name in (SPLITS / 'nfs.txt').read_text().split()
        ]

    def load_bboxes(self, info: dict) -> np.ndarray:
        """One per frame, in both layouts."""
        if as_downloaded(info['annotation']):
            return read_nfs_xywh(info['annotation'], self.backend_args)
        return super().load_bboxes(info)

    def count_frames(self, info: dict, num_boxes: int) -> int:
        """As many as boxes; as downloaded, one more of either is left out.

        Every eighth of the boxes makes at times one more, or one less, than
        there are frames. These must count in a row from 1, or all boxes after
        a missing one would be of other frames.
        """
        num_frames = len(info['frame_names'])
        for number, name in enumerate(info['frame_names'], 1):
            if osp.splitext(name)[0].lstrip('0') != str(number):
                path = info['frame_template'].format(f'{number:05d}.jpg')
                raise missing_frame(path)
        differ_by_one = num_frames and abs(num_frames - num_boxes) == 1
        if differ_by_one and as_downloaded(info['annotation']):
            folder = osp.dirname(info['frame_template'])
            print_log(
                f'NfSDataset: {folder} holds {num_frames} frames, but '
                f'{info["annotation"]} has {num_boxes} boxes at 30 per '
                'second. The one too many, the last, is not used.',
                'current',
            )
            return min(num_frames, num_boxes)
        return super().count_frames(info, num_boxes)


def as_downloaded(annotation: str | os.PathLike) -> bool:
    """Whether a file has 240 boxes per second, as downloaded."""
    return osp.basename(osp.dirname(annotation)) == '30'
