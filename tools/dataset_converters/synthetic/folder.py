"""A sequence as a folder in the layout of GOT-10k."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from .render import Frame
from .scene import Scene

JPEG_QUALITY = 90


def write_sequence(
    folder: Path, scene: Scene, frames: Iterable[Frame], seed: int
) -> None:
    """Write frames and labels; the folder appears complete or not at all."""
    partial = folder.with_name(f'.{folder.name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    bboxes, visible, cut = [], [], []
    for number, frame in enumerate(frames, start=1):
        _write_image(partial / f'{number:08d}.jpg', frame.image)
        bboxes.append(frame.bbox)
        visible.append(frame.visible)
        cut.append(int(frame.cut))
    bboxes = np.array(bboxes)
    rows = np.concatenate([bboxes[:, :2], bboxes[:, 2:] - bboxes[:, :2]], 1)
    cover = np.round(8 * np.array(visible)).astype(int)
    _write_lines(
        partial / 'groundtruth.txt',
        [','.join(f'{value:.4f}' for value in row) for row in rows],
    )
    _write_lines(partial / 'cover.label', cover)
    _write_lines(partial / 'absence.label', (np.array(visible) == 0) * 1)
    _write_lines(partial / 'cut_by_image.label', cut)
    _write_lines(partial / 'meta_info.ini', _meta_info(scene, seed))
    os.replace(partial, folder)


def _write_image(path: Path, image: np.ndarray) -> None:
    """Write RGB uint8 as JPEG."""
    _, data = cv2.imencode(
        '.jpg',
        cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
    )
    path.write_bytes(data.tobytes())


def _write_lines(path: Path, lines: Iterable) -> None:
    path.write_text(''.join(f'{line}\n' for line in lines))


def _meta_info(scene: Scene, seed: int) -> list[str]:
    """Lines of meta_info.ini."""
    return [
        '[METAINFO]',
        'url: generate_sequences.py',
        'begin: 00:00:00',
        'end: 00:00:00',
        'anno_fps: 10',
        'object_class: synthetic',
        'motion_class: wandering',
        'major_class: synthetic',
        'root_class: synthetic',
        'motion_adverb: smoothly',
        f'resolution: ({scene.size[0]}, {scene.size[1]})',
        f'distractors: {scene.count("distractor")}',
        f'own_texture_distractors: {scene.own_texture_distractors}',
        f'occluders: {scene.count("occluder")}',
        f'seed: {seed}',
    ]
