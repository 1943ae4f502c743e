"""COCO 2017, as a set of sequences of one frame."""

import json
import os.path as osp
from array import array

import numpy as np

from mmsimtrack.datasets.archive import is_file, is_folder, read_bytes
from mmsimtrack.datasets.index import encode
from mmsimtrack.datasets.sequence_dataset import SequenceDataset, check_split
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures import has_area


@DATASETS.register_module()
class CocoDataset(SequenceDataset):
    """COCO 2017: every object but crowds is a sequence of one frame.

    Images are `train2017/<12 digits>.jpg`, or the same in a folder `images`
    as other trackers have it; objects are those of
    `annotations/instances_train2017.json`, small ones included. An object
    whose box has no area counts as not visible. A sequence is named by the
    id of its annotation.

    Args:
        data_root: Folder with `annotations` and the folder of images.
        split: `train` or `val`.
        **kwargs: Of `SequenceDataset`.

    Raises:
        ValueError: If the split is unknown, or an annotation is wrong.
        FileNotFoundError: If annotations or images are missing.
    """

    single_frame = True

    def __init__(self, data_root: str, split: str, **kwargs) -> None:
        check_split('CocoDataset', split, ('train', 'val'))
        self._folder = osp.join(data_root, f'{split}2017')
        inner = osp.join(data_root, 'images', f'{split}2017')
        if is_folder(inner):
            self._folder = inner
        self._annotation = osp.join(
            data_root, f'annotations/instances_{split}2017.json'
        )
        super().__init__(data_root, **kwargs)

    def find_sources(self) -> tuple[None, list[str]]:
        """The annotation file; images are not checked but for their folder."""
        if not is_folder(self._folder) and not self.frames_optional:
            raise FileNotFoundError(
                f'{self._folder} is missing. Expected a folder of frames; '
                'unpack the full archive, or correct data_root in the config.'
            )
        return None, [self._annotation]

    def parse(self, infos: None) -> dict[str, np.ndarray]:
        """Arrays as of `pack_sequences`, without an object per box."""
        columns = self._read_objects()
        if self._indices is not None:
            some = self._indices
            some = slice(some) if isinstance(some, int) else some
            columns = [column[some] for column in columns]
        ids, images, bboxes_xywh = columns
        num = len(ids)
        return {
            'names': encode(str(id_) for id_ in ids),
            'templates': encode([osp.join(self._folder, '{:012d}.jpg')]),
            'template_ids': np.zeros(num, np.uint8),
            'first_frames': images,
            'num_frames': np.ones(num, int),
            'offsets': np.arange(num + 1),
            'bboxes_xywh': bboxes_xywh,
            'visible': has_area(bboxes_xywh),
            'scored': has_area(bboxes_xywh),
            'name_offsets': np.zeros(num + 1, np.uint8),
            'frame_names': encode([]),
        }

    def _read_objects(self) -> list[np.ndarray]:
        """(N,) annotation ids, (N,) image ids and (N, 4) xywh boxes."""
        path = self._annotation
        if not is_file(path):
            raise FileNotFoundError(
                f'CocoDataset: {path} is missing. Unpack the annotations of '
                'COCO 2017 there, or correct data_root in the config.'
            )
        ids, images, bboxes_xywh = array('q'), array('q'), array('d')

        def keep(entry: dict) -> None:
            # Nothing else is kept: polygons would fill gigabytes.
            if 'bbox' not in entry or entry.get('iscrowd'):
                return
            x, y, w, h = entry['bbox']
            bboxes_xywh.extend((x, y, w, h))
            ids.append(entry['id'])
            images.append(entry['image_id'])

        try:
            json.loads(read_bytes(path), object_hook=keep)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f'{path} is no COCO annotation file, or not a complete one '
                f'({error!r} after {len(ids)} objects). Expected `id`, '
                '`image_id` and `bbox`, four numbers, of every object; '
                'unpack or create the file again.'
            ) from error
        if not ids:
            raise ValueError(
                f'{path} holds no object, expected `annotations` with a '
                '`bbox`. Unpack or create the file again.'
            )
        return [
            np.array(ids),
            np.array(images),
            np.array(bboxes_xywh).reshape(-1, 4),
        ]
