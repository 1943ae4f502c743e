"""Miniatures of data sets, in the layouts that the downloads unpack to.

A frame has a red target on a gray ground; the gray level of frame t is
10 * (t + 1), modulo 250. `size` is (W, H). Boxes are x,y,w,h; where none are
given, a box of a quarter of the frame's sides moves a pixel per frame.
"""

import json
import os
from pathlib import Path

import cv2
import numpy as np

from mmsimtrack.datasets.sequence_dataset import SPLITS

TARGET_RGB = (255, 0, 0)
SIZE = (64, 48)


def make_got10k(
    root, split='train', num_sequences=2, absent=(), uncovered=(), **content
):
    """GOT-10k; sequences are named `seq_0`, `seq_1`, ...

    Args:
        split: `train`, `val` or `test`; test has the first box only, and no
            labels.
        absent: Frames whose absence label is 1.
        uncovered: Frames whose cover label is 0.
        content: See `make_content`.

    Returns:
        Folders of the sequences, as `Path`s.
    """
    bboxes_xywh, size = make_content(**content)
    names = [f'seq_{i}' for i in range(num_sequences)]
    folders = [Path(root) / split / name for name in names]
    for folder in folders:
        write_frames(folder, '{:08d}.jpg', 1, bboxes_xywh, size)
        rows = bboxes_xywh[:1] if split == 'test' else bboxes_xywh
        np.savetxt(folder / 'groundtruth.txt', rows, '%.4f', ',')
        if split != 'test':
            absence = [int(t in absent) for t in range(len(rows))]
            cover = [0 if t in uncovered else 8 for t in range(len(rows))]
            np.savetxt(folder / 'absence.label', absence, '%d')
            np.savetxt(folder / 'cover.label', cover, '%d')
    (Path(root) / split / 'list.txt').write_text('\n'.join(names) + '\n')
    return folders


def make_lasot(
    root,
    split='train',
    num_sequences=2,
    occluded=(),
    out_of_view=(),
    flat=False,
    **content,
):
    """LaSOT, the first few sequences of a split.

    Args:
        occluded: Frames whose full occlusion flag is 1.
        out_of_view: Frames whose flag of that name is 1.
        flat: Whether the level of classes is left out, as in some mirrors.
        content: See `make_content`.

    Returns:
        Folders of the sequences, as `Path`s.
    """
    bboxes_xywh, size = make_content(**content)
    hidden = {'full_occlusion.txt': occluded, 'out_of_view.txt': out_of_view}
    folders = []
    for name in split_rows(f'lasot_{split}')[:num_sequences]:
        class_name = '' if flat else name.rpartition('-')[0]
        folder = Path(root) / class_name / name
        write_frames(folder / 'img', '{:08d}.jpg', 1, bboxes_xywh, size)
        np.savetxt(folder / 'groundtruth.txt', bboxes_xywh, '%g', ',')
        for file, frames in hidden.items():
            flags = [str(int(t in frames)) for t in range(len(bboxes_xywh))]
            (folder / file).write_text(','.join(flags) + '\n')
        folders.append(folder)
    return folders


def make_trackingnet(root, folders=('TRAIN_0',), num_sequences=1, **content):
    """TrackingNet; videos are named `<folder>_video_0`, ...

    Args:
        folders: Of `TRAIN_0` to `TRAIN_11` and `TEST`; the last has the first
            box only.
        content: See `make_content`.
    """
    bboxes_xywh, size = make_content(**content)
    for folder in folders:
        rows = bboxes_xywh[:1] if folder == 'TEST' else bboxes_xywh
        annotations = Path(root) / folder / 'anno'
        annotations.mkdir(parents=True)
        for i in range(num_sequences):
            name = f'{folder}_video_{i}'
            frames = Path(root) / folder / 'frames' / name
            write_frames(frames, '{}.jpg', 0, bboxes_xywh, size)
            np.savetxt(annotations / f'{name}.txt', rows, '%.2f', ',')


def box_outline(bbox_xywh):
    """Corners of a box as a polygon of COCO."""
    x, y, w, h = bbox_xywh
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def make_coco(root, split='train', size=SIZE, objects=None):
    """COCO 2017; the target of an image is painted where its last object is.

    Args:
        objects: (image id, box, iscrowd) of each; their own ids count from
            100. By default two images with an object each.
    """
    if objects is None:
        objects = [(9, (16, 12, 16, 12), 0), (581929, (30, 20, 9, 9), 0)]
    folder, images, annotations = Path(root) / f'{split}2017', {}, []
    for i, (image, bbox, crowd) in enumerate(objects):
        write_frames(folder, '{:012d}.jpg', image, [bbox], size)
        images[image] = {'id': image, 'file_name': f'{image:012d}.jpg'}
        about = {'id': 100 + i, 'image_id': image, 'category_id': 18}
        outline = {'counts': [9, 5], 'size': [48, 64]}
        if not crowd:
            outline = [box_outline(bbox)]
        about |= {'bbox': bbox, 'iscrowd': crowd, 'segmentation': outline}
        annotations.append(about)
    content = {
        'info': {'year': 2017},
        'images': [images[image] for image in sorted(images)],
        'annotations': annotations,
        'categories': [{'id': 18, 'name': 'dog'}],
    }
    path = Path(root) / f'annotations/instances_{split}2017.json'
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def make_tnl2k(
    root,
    names=('Cat_video_01-Done', 'INF_woman_1'),
    frame_name='{:05d}.jpg',
    **content,
):
    """TNL2K: sequences of these names, frames that count from 1."""
    bboxes_xywh, size = make_content(**content)
    for name in names:
        folder = Path(root) / name
        write_frames(folder / 'imgs', frame_name, 1, bboxes_xywh, size)
        np.savetxt(folder / 'groundtruth.txt', bboxes_xywh, '%d', ',')
        (folder / 'language.txt').write_text('the cat on the left\n')


def make_vasttrack(
    root,
    names=('Air Hockey-1', 'Air Hockey-2', 'Blue-Crowned Hanging-Parrot-15'),
    frame_name='imgs/{:05d}.jpg',
    **content,
):
    """VastTrack: sequences of these names, frames that count from 1."""
    bboxes_xywh, size = make_content(**content)
    for name in names:
        folder = Path(root) / name.rpartition('-')[0] / name
        subfolder, name = frame_name.split('/')
        write_frames(folder / subfolder, name, 1, bboxes_xywh, size)
        np.savetxt(folder / 'Groundtruth.txt', bboxes_xywh, '%g', ',')


def make_uav123(root, names=('uav6',), size=SIZE, absent=()):
    """UAV123, the official frames of these sequences.

    Args:
        absent: Frames of each, counted from its first, with NaN boxes.
    """
    annotations = Path(root) / 'anno/UAV123'
    annotations.mkdir(parents=True)
    for name, video, first, bboxes_xywh in _ranges('uav123', names, size):
        bboxes_xywh = np.array(bboxes_xywh, float)
        bboxes_xywh[list(absent)] = np.nan
        frames = Path(root) / 'data_seq/UAV123' / video
        write_frames(frames, '{:06d}.jpg', first, bboxes_xywh, size)
        np.savetxt(annotations / f'{name}.txt', bboxes_xywh, '%g', ',')


def make_otb100(root, names=('Deer',), size=SIZE):
    """OTB-100, the official frames of these sequences."""
    for name, video, first, bboxes_xywh in _ranges('otb100', names, size):
        folder = Path(root) / video
        write_frames(folder / 'img', '{:04d}.jpg', first, bboxes_xywh, size)
        target = name.removeprefix(video).replace('-', '.')
        boxes = folder / f'groundtruth_rect{target}.txt'
        np.savetxt(boxes, bboxes_xywh, '%d', '\t')


def _ranges(split, names, size):
    """Name, video, first frame and boxes of some rows of a list."""
    for row in split_rows(split):
        name, video, first, last, *_ = row.split()
        if name in names:
            num_frames = int(last) - int(first) + 1
            yield name, video, int(first), moving_bboxes(num_frames, size)


def make_nfs(root, names=('dog_1',), repacked=False, **content):
    """NfS at 30 frames per second.

    Args:
        content: See `make_content`.
        repacked: Whether in the layout that is made for pytracking. As
            downloaded, 7 boxes of 0, 0, 1, 1 follow on each that counts.
    """
    bboxes_xywh, size = make_content(**content)
    for name in names:
        folder = Path(root) / name / '30' / name
        boxes = folder.with_suffix('.txt')
        rows = [
            f'0 {x} {y} {x + w} {y + h} {8 * t} 0 0 0 "dog"\n'
            + '0 0 0 1 1 9 0 0 0 "dog"\n' * 7
            for t, (x, y, w, h) in enumerate(bboxes_xywh)
        ]
        if repacked:
            folder = Path(root) / 'sequences' / name
            boxes = Path(root) / f'anno/nfs_{name}.txt'
            rows = ['\t'.join(map(str, row)) + '\n' for row in bboxes_xywh]
        write_frames(folder, '{:05d}.jpg', 1, bboxes_xywh, size)
        boxes.parent.mkdir(exist_ok=True)
        boxes.write_text(''.join(rows))


def split_rows(name):
    """Rows of a list that the package ships."""
    return (SPLITS / f'{name}.txt').read_text().splitlines()


def make_content(num_frames=8, size=SIZE, bboxes_xywh=None):
    """Boxes of a sequence, and the size (W, H) of its frames."""
    if bboxes_xywh is None:
        bboxes_xywh = moving_bboxes(num_frames, size)
    return bboxes_xywh, size


def moving_bboxes(num_frames, size):
    """(T, 4); after 8 frames the box starts again."""
    width, height = size
    return [
        (width // 4 + t % 8, height // 4 + t % 8, width // 4, height // 4)
        for t in range(num_frames)
    ]


def write_frames(folder, name, first_number, bboxes_xywh, size):
    """One frame per box; `name` has a field for its number."""
    os.makedirs(folder, exist_ok=True)
    for t, bbox in enumerate(bboxes_xywh):
        frame = _paint(size, 10 * (t + 1) % 250, bbox)
        # no chroma subsampling: colors stay inside of the box
        cv2.imwrite(
            str(folder / name.format(first_number + t)),
            cv2.cvtColor(frame, cv2.COLOR_RGB2BGR),
            (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111),
        )


def _paint(size, level, bbox_xywh):
    """(H, W, 3) RGB uint8, with the box filled where it can be."""
    width, height = size
    frame = np.full((height, width, 3), level, np.uint8)
    x, y, w, h = np.nan_to_num(bbox_xywh).round().astype(int)
    frame[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = TARGET_RGB
    return frame
