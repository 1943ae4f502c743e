"""Pictures with boxes in the format of COCO, as sequences of one frame."""

import json
import os.path as osp
from collections import Counter

import cv2
import numpy as np
from pycocotools import mask as rle

from mmsimtrack.datasets.archive import is_folder, read_bytes
from mmsimtrack.datasets.frames import MAX_PIXELS
from mmsimtrack.datasets.index import pack_sequences
from mmsimtrack.datasets.sequence_dataset import (
    SequenceDataset,
    check_option,
    is_file_name,
)
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.fileio import read_text
from mmsimtrack.log import log
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures import has_area
from mmsimtrack.structures.bbox import LARGEST

# what JSON raises that holds something else, or is nested too deeply
WRONG = AttributeError, LookupError, RecursionError, TypeError, ValueError


@DATASETS.register_module()
class CocoDataset(SequenceDataset):
    """A data set of objects in pictures, as COCO annotates them.

    Every object with a box, but no crowd, is a sequence of one frame, small
    ones included, and is named by the id of its annotation. An object whose
    box has no area counts as not visible.

    Pictures and objects are those of COCO 2017 (`train2017`, or
    `images/train2017`, and `annotations/instances_train2017.json`) unless
    `ann_file` names others.

    Args:
        data_root: Folder that the other paths are relative to.
        split: `train` or `val` of COCO 2017; not with `ann_file`.
        ann_file: JSON file in COCO's detection format, of own pictures.
        data_prefix: Folder of its pictures, which `file_name` is relative to.
        masks: Whether to keep the outlines of objects (polygons and RLE), for
            transforms that cut objects out.
        **kwargs: Other arguments of `SequenceDataset`.

    Raises:
        ValueError: If the split is unknown, or an annotation is wrong.
        FileNotFoundError: If annotations or images are missing.
    """

    single_frame = True

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        ann_file: str | None = None,
        data_prefix: str = '',
        masks: bool = False,
        **kwargs,
    ) -> None:
        self.masks = masks
        if ann_file is None:
            check_option('CocoDataset: split', split, ('train', 'val'))
            ann_file = f'annotations/instances_{split}2017.json'
            data_prefix = f'{split}2017'
            inner = osp.join('images', data_prefix)
            if is_folder(osp.join(data_root, inner)):
                data_prefix = inner
        elif split is not None:
            raise ValueError(
                f'CocoDataset: split is {split!r} and ann_file is '
                f'{ann_file!r}, expected one of them: a split is a pair of '
                'paths of COCO 2017.'
            )
        self._folder = osp.join(data_root, data_prefix)
        self._annotation = osp.join(data_root, ann_file)
        super().__init__(data_root, **kwargs)

    def with_outline(self) -> np.ndarray:
        """Find the indices of the visible objects that have an outline."""
        arrays = self._index.arrays
        has_outline = np.diff(arrays['outlines']) > 0
        return np.flatnonzero(has_outline & arrays['visible'])

    def find_sources(self) -> tuple[None, list[str]]:
        """Name the annotation file; of images, only the folder is checked."""
        if not self.frames_optional:
            self.check_folder(self._folder, 'a folder of frames')
        return None, [self._annotation]

    def parse(self, infos: None) -> dict[str, np.ndarray]:
        """Make the columns of the index; see `pack_sequences`."""
        objects, files = self._read_objects()
        objects = self.take_indices(objects)
        bboxes_xywh = np.array([entry['bbox'] for entry in objects], float)
        visible = has_area(bboxes_xywh)
        return pack_sequences(
            VideoSequence(
                str(entry['id']),
                osp.join(self._folder, '{}'),
                first_frame=0,
                num_frames=1,
                bboxes_xywh=bboxes_xywh[i : i + 1],
                visible=visible[i : i + 1],
                scored=visible[i : i + 1],
                frame_names=(files[entry['image_id']],),
                outline=self._outline_of(entry) if self.masks else (),
            )
            for i, entry in enumerate(objects)
        )

    def _outline_of(self, entry: dict) -> list[np.ndarray]:
        """Read the outline of an annotation, and name it if that fails."""
        try:
            return read_outline(entry.get('segmentation'))
        except (*WRONG, ArithmeticError, MemoryError) as error:
            raise ValueError(
                f'{self._annotation}, annotation {entry["id"]}: its '
                f'segmentation is not readable ({str(error)[:200]}). Expected '
                'polygons [x1, y1, x2, y2, ...] or a run-length code; correct '
                'it, or set masks=False.'
            ) from error

    def _read_objects(self) -> tuple[list[dict], dict]:
        """Read the annotations of objects, and the file of each image id."""
        path = self._annotation
        text = read_text(path, 'annotations in the format of COCO', read_bytes)
        try:
            content = json.loads(text)
            files = {i['id']: i['file_name'] for i in content['images']}
            for name in files.values():
                if not isinstance(name, str) or not name or '\0' in name:
                    raise ValueError(f'found the file_name {name!r}')
            entries = content['annotations']
            objects = [
                entry
                for entry in entries
                if entry.get('bbox') and not entry.get('iscrowd')
            ]
        except WRONG as error:
            raise ValueError(
                f'{path} is no COCO annotation file, or not a complete one '
                f'({repr(error)[:200]}). Expected `images` with `id` and '
                '`file_name`, and `annotations`; unpack or create the file '
                'again.'
            ) from None
        for entry in objects:
            _check_object(path, entry, files)
        if not objects:
            raise ValueError(
                f'{path} holds no object, expected `annotations` with a '
                '`bbox`. Unpack or create the file again.'
            )
        _check_unique(path, 'images', content['images'])
        _check_unique(path, 'annotations', objects)
        if len(objects) < len(entries):
            log(
                f'{path}: {len(entries) - len(objects)} of {len(entries)} '
                'annotations are crowds or have no box; they are left out.'
            )
        return objects, files


def _check_unique(path: str, kind: str, entries: list[dict]) -> None:
    """Refuse ids of which it is not clear what they mean."""
    ids = Counter(str(entry['id']) for entry in entries)
    ((most, count),) = ids.most_common(1)
    if count > 1:
        raise ValueError(
            f'{path}: {count} of the `{kind}` have the id {most}, expected '
            'an id for each. Number them, or create the file again.'
        )


def _check_object(path: str, entry: dict, files: dict) -> None:
    """Refuse an object without a picture or with a box that is none.

    Raises:
        ValueError: Names the file, the annotation and what is wrong.
    """
    try:
        numbers = [float(number) for number in entry['bbox']]
        is_good = len(numbers) == 4 and np.isfinite(numbers).all()
        is_good &= max(map(abs, numbers)) <= LARGEST
        is_good &= isinstance(entry['id'], (int, str))
        is_good &= is_file_name(str(entry['id']))
        is_good &= entry['image_id'] in files
    except (KeyError, TypeError, ValueError):
        is_good = False
    if not is_good:
        found = {k: entry.get(k) for k in ('id', 'image_id', 'bbox')}
        raise ValueError(
            f'{path}, annotation {entry.get("id")}: found {found}, expected '
            'an `id`, the `image_id` of an image, and a `bbox` of four finite '
            'numbers x, y, width, height. Correct it, or create the file '
            'again.'
        )


def read_outline(segmentation) -> list[np.ndarray]:
    """Read the polygons of a `segmentation` of COCO.

    Args:
        segmentation: A list of polygons `[x1, y1, x2, ...]`, a run-length
            code (dict), or None.

    Returns:
        Polygons (P, 2) of x, y in pixels, float32; holes of a run-length code
        are polygons too.
    """
    if isinstance(segmentation, dict):
        code = segmentation
        height, width = code['size']
        if not (min(height, width) > 0 and height * width <= MAX_PIXELS):
            raise ValueError(f'{width} x {height} px')
        counts = code['counts']
        if not isinstance(counts, list):
            counts = _unpack_counts(counts)
        if sum(counts) != height * width or min(counts) < 0:
            raise ValueError(f'not {height * width} pixels')
        code = rle.frPyObjects({**code, 'counts': counts}, height, width)
        contours, _ = cv2.findContours(
            rle.decode(code), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
        )
        # the middle of a pixel has index 0 in OpenCV
        polygons = [contour[:, 0] + 0.5 for contour in contours]
    else:
        polygons = [np.reshape(p, (-1, 2)) for p in segmentation or ()]
    return [p.astype(np.float32) for p in polygons if len(p) > 2]


def _unpack_counts(text: str) -> list[int]:
    """Unpack the lengths of runs, which pycocotools does not check.

    A character holds 5 bits of a number, the lowest first, and whether more
    follow; from the fourth number on, the one two places before is taken off.
    """
    counts, number, shift = [], 0, 0
    for code in (ord(character) - 48 for character in text):
        number |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                number -= 1 << shift
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number = shift = 0
    return counts
