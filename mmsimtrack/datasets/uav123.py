"""UAV123."""

import os.path as osp

from mmsimtrack.datasets.sequence_dataset import SPLITS, SequenceDataset
from mmsimtrack.registry import DATASETS


@DATASETS.register_module()
class UAV123Dataset(SequenceDataset):
    """UAV123 as downloaded: `data_seq/UAV123/<video>/000001.jpg`.

    A sequence is a range of the frames of one video, some share a video.
    `anno/UAV123/<sequence>.txt` holds x,y,w,h per frame of the range, NaN
    where the target is absent.

    Args:
        data_root: Folder with `data_seq` and `anno`.
        **kwargs: Of `SequenceDataset`.

    Raises:
        ValueError: If an annotation is not as long as its range.
        FileNotFoundError: If a video, a frame or an annotation is missing.
    """

    advice = 'Those of UAV123@10fps do not fit.'

    def load_data_list(self) -> list[dict]:
        """The 123 sequences, with first and last frame from the list."""
        infos = []
        for row in (SPLITS / 'uav123.txt').read_text().splitlines():
            name, video, first_frame, last_frame = row.split()
            frames = osp.join(self.data_root, 'data_seq/UAV123', video)
            boxes = osp.join(self.data_root, 'anno/UAV123', f'{name}.txt')
            infos.append(
                {
                    'name': name,
                    'frame_template': osp.join(frames, '{:06d}.jpg'),
                    'first_frame': int(first_frame),
                    'last_frame': int(last_frame),
                    'annotation': boxes,
                }
            )
        return infos
