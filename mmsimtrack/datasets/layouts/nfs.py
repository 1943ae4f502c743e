"""NfS."""

import os
import os.path as osp

from numpy import ndarray as Array

from mmsimtrack.datasets.archive import read_bytes
from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.fileio import Reader, parse_rows, read_rows
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures import xyxy_to_xywh


@DATASETS.register_module()
class NfSDataset(SequenceDataset):
    """NfS at 30 frames per second: `<video>/30/<video>/00001.jpg`.

    As downloaded, `<video>/30/<video>.txt` holds 240 boxes per second, `id x1
    y1 x2 y2 frame ...`, of which every eighth is taken. The layout that is
    made for pytracking is read as well: `sequences/<video>/00001.jpg` and
    `anno/nfs_<video>.txt` with x, y, w, h per frame. A target is visible
    where its box has an area.

    Args:
        data_root: Folder of the videos, or of `sequences` and `anno`.
        **kwargs: Other arguments of `SequenceDataset`.

    Raises:
        FileNotFoundError: If a video, a frame or an annotation is missing.
        ValueError: If the numbers of frames and boxes differ, as downloaded
            by more than one.
    """

    layouts = (
        ('sequences/{}', 'anno/nfs_{}.txt'),
        ('{}/30/{}', '{}/30/{}.txt'),
    )
    frame_name = '{:05d}.jpg'
    official = 'nfs'
    advice = 'Of files as downloaded, every eighth row counts.'

    def load_bboxes(self, info: dict) -> Array:
        """Read a box per frame, in both layouts."""
        if as_downloaded(info['annotation']):
            return read_nfs_xywh(info['annotation'], read_bytes)
        return super().load_bboxes(info)

    def count_frames(self, info, num_boxes, num_files) -> int | None:
        """Leave out the last frame or box, where there is one too many.

        Every eighth of the boxes as downloaded makes at times one more, or
        one less, than there are frames.
        """
        if as_downloaded(info['annotation']) and num_files:
            if abs(num_files - num_boxes) == 1:
                return min(num_files, num_boxes)
        return super().count_frames(info, num_boxes, num_files)


def as_downloaded(annotation: str | os.PathLike) -> bool:
    """Find out whether a file has 240 boxes per second, as downloaded."""
    return osp.basename(osp.dirname(annotation)) == '30'


def read_nfs_xywh(path: str | os.PathLike, read: Reader = read_bytes) -> Array:
    """Read an official file of NfS, as boxes at 30 frames per second.

    Args:
        path: Text file with ``id x1 y1 x2 y2 frame ...`` per line, 240 lines
            per second, of which every eighth is taken.
        read: Returns the bytes of the file.

    Returns:
        (T, 4) float64 xywh.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If one of the first six values of a line is not a number;
            names the file and the line.
    """
    columns = 'id, x1, y1, x2, y2, frame'
    rows = read_rows(path, read)
    table = parse_rows(path, rows, 6, columns, usecols=range(6))
    return xyxy_to_xywh(table[::8, 1:5])
