"""OTB-100."""

import os.path as osp
from functools import cache

import numpy as np

from mmsimtrack.datasets.sequence_dataset import SPLITS, SequenceDataset
from mmsimtrack.registry import DATASETS


@DATASETS.register_module()
class OTB100Dataset(SequenceDataset):
    """OTB-100 as downloaded: `<video>/img/0001.jpg`.

    `<video>/groundtruth_rect.txt` holds x, y, w, h per frame; where a video
    has two targets, `groundtruth_rect.2.txt` is that of `<video>-2`. A
    sequence is a range of the frames of its video, of which there may be
    more. A target is visible where its box has an area.

    Args:
        data_root: Folder of the videos.
        **kwargs: Of `SequenceDataset`.

    Raises:
        ValueError: If an annotation is not as long as its range.
        FileNotFoundError: If a video, a frame or an annotation is missing.
    """

    advice = 'Take those from the site of the benchmark.'

    def load_data_list(self) -> list[dict]:
        """The 100 sequences, with first and last frame from the list."""
        infos = []
        for name, row in _read_list().items():
            video, first_frame, last_frame, digits = row
            frames = osp.join(self.data_root, video, 'img')
            target = name.removeprefix(video).replace('-', '.')
            boxes = f'groundtruth_rect{target}.txt'
            infos.append(
                {
                    'name': name,
                    'frame_template': osp.join(frames, f'{{:0{digits}d}}.jpg'),
                    'first_frame': first_frame,
                    'last_frame': last_frame,
                    'annotation': osp.join(self.data_root, video, boxes),
                }
            )
        return infos

    def load_bboxes(self, info: dict) -> np.ndarray:
        """Those of the range."""
        return cut_to_range(super().load_bboxes(info), info['name'])


def cut_to_range(bboxes_xywh: np.ndarray, name: str) -> np.ndarray:
    """Boxes of a sequence, from an annotation that may begin at frame 1.

    The file of Tiger1 does, but its sequence begins at the sixth.

    Args:
        bboxes_xywh: (N, 4). It begins at frame 1 if N is the number of the
            last frame of the sequence.
        name: Of the sequence.

    Returns:
        All rows, unless the annotation begins at frame 1.
    """
    if name in (rows := _read_list()):
        _, first_frame, last_frame, _ = rows[name]
        if len(bboxes_xywh) == last_frame:
            return bboxes_xywh[first_frame - 1 :]
    return bboxes_xywh


@cache
def _read_list() -> dict[str, tuple[str, int, int, str]]:
    """Video, first and last frame, and digits of numbers, by name."""
    rows = (SPLITS / 'otb100.txt').read_text().splitlines()
    return {
        name: (video, int(first_frame), int(last_frame), digits)
        for name, video, first_frame, last_frame, digits in map(
            str.split, rows
        )
    }
