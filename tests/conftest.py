"""Fixtures that several test files share."""

import gc
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import mmsimtrack  # noqa: F401, provides what mmdet needs of mmcv

torch.set_num_threads(1)

TARGET_RGB = (255, 0, 0)


def pytest_collection_finish():
    """Keep what is imported out of garbage collection.

    mmengine collects whenever it builds a data set; with torch and all the
    libraries in memory that is most of the time of a small test.
    """
    gc.freeze()


@pytest.fixture
def make_got10k():
    """A function that writes a small data set in the layout of GOT-10k."""
    return _make_got10k


def _make_got10k(
    root,
    split='train',
    num_sequences=2,
    num_frames=8,
    size=(64, 48),
    bboxes_xywh=None,
    absent=(),
    uncovered=(),
):
    """Write frames with a red target on a gray ground.

    The gray level of frame t is 10 * (t + 1), modulo 250.

    Args:
        root: Data root; the split's folder is made in it.
        split: `train`, `val` or `test`; test has the first box only, and no
            labels.
        num_sequences: Named `seq_0`, `seq_1`, ...
        num_frames: Per sequence.
        size: (W, H).
        bboxes_xywh: (T, 4) of every sequence; by default a box of a quarter
            of the frame's sides that moves a pixel per frame.
        absent: Frames whose absence label is 1.
        uncovered: Frames whose cover label is 0.

    Returns:
        Folders of the sequences, as `Path`s.
    """
    if bboxes_xywh is None:
        width, height = size
        bboxes_xywh = [
            (width // 4 + t, height // 4 + t, width // 4, height // 4)
            for t in range(num_frames)
        ]
    names = [f'seq_{i}' for i in range(num_sequences)]
    folders = [Path(root) / split / name for name in names]
    for folder in folders:
        folder.mkdir(parents=True)
        for t, bbox in enumerate(bboxes_xywh):
            path = str(folder / f'{t + 1:08d}.jpg')
            frame = _paint(size, 10 * (t + 1) % 250, bbox)
            # no chroma subsampling: colors stay inside of the box
            cv2.imwrite(
                path,
                cv2.cvtColor(frame, cv2.COLOR_RGB2BGR),
                (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111),
            )
        rows = bboxes_xywh[:1] if split == 'test' else bboxes_xywh
        np.savetxt(folder / 'groundtruth.txt', rows, '%.4f', ',')
        if split != 'test':
            absence = [int(t in absent) for t in range(len(rows))]
            cover = [0 if t in uncovered else 8 for t in range(len(rows))]
            np.savetxt(folder / 'absence.label', absence, '%d')
            np.savetxt(folder / 'cover.label', cover, '%d')
    (Path(root) / split / 'list.txt').write_text('\n'.join(names) + '\n')
    return folders


def _paint(size, level, bbox_xywh):
    """(H, W, 3) RGB uint8, with the box filled where it can be."""
    width, height = size
    frame = np.full((height, width, 3), level, np.uint8)
    x, y, w, h = np.nan_to_num(bbox_xywh).round().astype(int)
    frame[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = TARGET_RGB
    return frame
