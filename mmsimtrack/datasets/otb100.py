"""OTB-100."""

import os.path as osp

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

    advice = ', from the site of the benchmark'

    def load_data_list(self) -> list[dict]:
        """The 100 sequences, with first and last frame from the list."""
        infos = []
        for row in (SPLITS / 'otb100.txt').read_text().splitlines():
            name, video, first_frame, last_frame, digits = row.split()
            frames = osp.join(self.data_root, video, 'img')
            target = name.removeprefix(video).replace('-', '.')
            boxes = f'groundtruth_rect{target}.txt'
            infos.append(
                {
                    'name': name,
                    'frame_template': osp.join(frames, f'{{:0{digits}d}}.jpg'),
                    'first_frame': int(first_frame),
                    'last_frame': int(last_frame),
                    'annotation': osp.join(self.data_root, video, boxes),
                }
            )
        return infos

    def load_bboxes(self, info: dict) -> np.ndarray:
        """Those of the range.

        The file of Tiger1 begins with the first frame of the video, but its
        sequence with the sixth.
        """
        bboxes_xywh = super().load_bboxes(info)
        if len(bboxes_xywh) == info['last_frame']:
            return bboxes_xywh[info['first_frame'] - 1 :]
        return bboxes_xywh
