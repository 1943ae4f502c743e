"""Segments of photographs from a COCO annotation file."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from .outlines import Outline, trace, unit_outline

MIN_AREA = 400  # px in the photo
MAX_SHARE = 0.5  # of the photo
MAX_ASPECT = 2.5
TRACED = 200  # px, longer side of the mask from which the outline is traced
THIN = 15  # px of these: thinner parts are cut off


@dataclass(frozen=True)
class Segment:
    """A segment of a photo.

    Args:
        path: the photo.
        center: center of the segment's box, continuous photo pixels.
        scale: sqrt(w * h) of that box in photo pixels.
        outline: its outline in the unit frame.
    """

    path: Path
    center: tuple[float, float]
    scale: float
    outline: Outline


def load_annotations(file: Path, folder: Path) -> dict[Path, list[dict]]:
    """Read the annotations of reasonable size, by photo.

    Raises:
        FileNotFoundError: the file or one of its photos does not exist.
        ValueError: the file is no COCO file or holds no usable segment.
    """
    content = _read_coco(file)
    _check_keys(
        content['images'],
        'image',
        file,
        ('id', 'file_name', 'width', 'height'),
    )
    _check_keys(
        content['annotations'],
        'annotation',
        file,
        ('image_id', 'bbox', 'area'),
    )
    images = {image['id']: image for image in content['images']}
    by_photo: dict[Path, list[dict]] = {}
    for annotation in content['annotations']:
        if not _usable(annotation, images, file):
            continue
        path = folder / images[annotation['image_id']]['file_name']
        if path not in by_photo and not path.is_file():
            raise FileNotFoundError(
                f'{path}, named in {file}, does not exist. Let --photos be '
                'the folder of the images of this COCO file.'
            )
        by_photo.setdefault(path, []).append(annotation)
    if len(by_photo) < 2:
        raise ValueError(
            f'--coco {file}: {len(by_photo)} photos have usable segments '
            f'({MIN_AREA} px to {MAX_SHARE:.0%} of the image); at least 2 '
            'are needed, one for train and one for val. Give a file with '
            'more segments.'
        )
    return by_photo


def _read_coco(file: Path) -> dict:
    """Content of a COCO file with images and annotations."""
    if not file.is_file():
        raise FileNotFoundError(
            f'--coco {file} does not exist. Give a COCO '
            'annotation file with segmentations.'
        )
    try:
        content = json.loads(file.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f'--coco {file} is not JSON ({error}). Give a COCO '
            'annotation file.'
        ) from error
    missing = {'images', 'annotations'} - (
        content.keys() if isinstance(content, dict) else set()
    )
    if missing:
        raise ValueError(
            f'--coco {file} lacks {", ".join(map(repr, sorted(missing)))}. '
            'Give a COCO annotation file: an object with "images" and '
            '"annotations".'
        )
    return content


def _check_keys(
    entries: list[dict], kind: str, file: Path, keys: tuple[str, ...]
) -> None:
    """Raise ValueError for the first entry that lacks a key."""
    for number, entry in enumerate(entries):
        missing = [key for key in keys if key not in entry]
        if missing:
            raise ValueError(
                f'--coco {file}: {kind} number {number} (from 0) lacks '
                f'{", ".join(map(repr, missing))}. Give a COCO annotation '
                'file of instances.'
            )


def _usable(annotation: dict, images: dict, file: Path) -> bool:
    """Whether an annotation is a compact segment of reasonable size."""
    if annotation['image_id'] not in images:
        raise ValueError(
            f'{file}: annotation {annotation.get("id")} has image_id '
            f'{annotation["image_id"]!r}, which is not among "images". '
            'Repair or remove the annotation.'
        )
    if annotation.get('iscrowd') or not annotation.get('segmentation'):
        return False
    image = images[annotation['image_id']]
    width, height = annotation['bbox'][2:]
    area = annotation['area']
    return (
        MIN_AREA <= area <= MAX_SHARE * image['width'] * image['height']
        and min(width, height) > 0
        and area >= 0.35 * width * height
        and max(width / height, height / width) <= MAX_ASPECT
    )


def decode(segmentation, height: int, width: int) -> np.ndarray:
    """Mask (H, W) uint8 in {0, 1} of COCO polygons or RLE."""
    if isinstance(segmentation, list):
        segmentation = coco_mask.merge(
            coco_mask.frPyObjects(segmentation, height, width)
        )
    elif isinstance(segmentation['counts'], list):
        segmentation = coco_mask.frPyObjects(segmentation, height, width)
    return coco_mask.decode(segmentation)


def cut_segment(
    path: Path, annotation: dict, shape: tuple[int, int]
) -> tuple[Segment | None, np.ndarray]:
    """Outline of the largest piece of a segment.

    Args:
        shape: (height, width) of the photo.

    Returns:
        The segment, None if it has no main piece, and its mask (H, W).

    Raises:
        ValueError: mask and photo differ in size.
    """
    mask = decode(annotation['segmentation'], *shape)
    if mask.shape != tuple(shape):
        raise ValueError(
            f'{path} has {shape[1]} x {shape[0]} px, but the mask of its '
            f'annotation {annotation.get("id")} has {mask.shape[1]} x '
            f'{mask.shape[0]}. Give the photos that the COCO file was made '
            'for.'
        )
    # Annotators draw on the outer side of edges.
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=1)
    mask, share = _largest_piece(mask)
    if mask.sum() < 0.6 * MIN_AREA or share < 0.8:
        return None, mask
    polygons = _trace_core(mask)
    if not polygons:
        return None, mask
    points = np.concatenate(polygons)
    low, high = points.min(axis=0), points.max(axis=0)
    center, scale = (low + high) / 2, np.sqrt(np.prod(high - low))
    return Segment(
        path,
        (float(center[0]), float(center[1])),
        float(scale),
        unit_outline(polygons),
    ), mask


def _trace_core(mask: np.ndarray) -> list[np.ndarray]:
    """Smooth contours of a mask without its thin parts.

    Returns:
        Polygons in photo pixels, none if most of the mask is thin.
    """
    x, y, width, height = cv2.boundingRect(mask)
    zoom = TRACED / max(width, height)
    part = cv2.copyMakeBorder(
        mask[y : y + height, x : x + width] * 255,
        2,
        2,
        2,
        2,
        cv2.BORDER_CONSTANT,
    )
    part = cv2.resize(part, None, fx=zoom, fy=zoom)
    # A tail thinner than a pixel of the frame would be in the box unseen.
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (THIN, THIN))
    core, _ = _largest_piece(
        cv2.morphologyEx((part > 127).astype(np.uint8), cv2.MORPH_OPEN, kernel)
    )
    if core.sum() < 0.5 * (part > 127).sum():
        return []
    part = cv2.bitwise_and(
        part, 255 * cv2.dilate(core, np.ones((3, 3), np.uint8))
    )
    return [
        p * (width + 4) / part.shape[1] + (x - 2, y - 2)
        for p in trace(part, smooth=max(0.8, 0.7 * zoom))
    ]


def _largest_piece(mask: np.ndarray) -> tuple[np.ndarray, float]:
    """Largest connected piece of a mask and its share of the whole."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not len(areas):
        return mask, 0.0
    main = (labels == 1 + areas.argmax()).astype(np.uint8)
    return main, float(areas.max() / areas.sum())
