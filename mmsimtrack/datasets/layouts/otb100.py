"""OTB-100."""

from functools import cache

import numpy as np

from mmsimtrack.datasets.sequence_dataset import SPLITS, SequenceDataset
from mmsimtrack.fileio import read_names
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
        **kwargs: Other arguments of `SequenceDataset`.

    Raises:
        ValueError: If an annotation is not as long as its range.
        FileNotFoundError: If a video, a frame or an annotation is missing.
    """

    layouts = (('{video}/img', '{video}/groundtruth_rect{target}.txt'),)
    frame_name = '{:04d}.jpg'
    official = 'otb100'
    columns = ('video', 'first', 'last')
    advice = 'Take those from the site of the benchmark.'

    def parse_row(self, row: str) -> dict[str, str]:
        """Split a row, and tell the targets of a video apart."""
        fields = super().parse_row(row)
        target = fields['name'].removeprefix(fields['video'])
        return {**fields, 'target': target.replace('-', '.')}

    def load_bboxes(self, info: dict) -> np.ndarray:
        """Read the boxes of the range; the file may begin at frame 1."""
        return cut_to_range(super().load_bboxes(info), info['name'])


@cache
def _read_ranges() -> dict[str, tuple[int, int]]:
    """Return the first and the last frame of each sequence."""
    rows = map(str.split, read_names(SPLITS / 'otb100.txt'))
    return {name: (int(first), int(last)) for name, _, first, last, _ in rows}


def cut_to_range(bboxes_xywh: np.ndarray, name: str) -> np.ndarray:
    """Leave out the boxes before a sequence, in a file from frame 1 on.

    The file of Tiger1 has them, but its sequence begins at the sixth frame.

    Args:
        bboxes_xywh: (N, 4). It begins at frame 1 if N is the number of the
            last frame of the sequence.
        name: Name of the sequence.

    Returns:
        All rows, unless the file begins at frame 1.
    """
    first, last = _read_ranges().get(name, (1, -1))
    return bboxes_xywh[(first - 1) * (len(bboxes_xywh) == last) :]
