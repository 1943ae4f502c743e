"""COCO 2017, as a set of sequences of one frame."""

import json
import os.path as osp
from array import array

import numpy as np
from mmengine import fileio

from mmsimtrack.datasets.frame_reader import check_frame_folder
from mmsimtrack.datasets.sequence_dataset import SequenceDataset, check_split
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures import xywh_to_xyxy


@DATASETS.register_module()
class CocoDataset(SequenceDataset):
    """COCO 2017: every object but crowds is a sequence of one frame.

    Images are `train2017/<12 digits>.jpg`, objects are those of
    `annotations/instances_train2017.json`, small ones included. An object
    whose box has no area counts as not visible. A sequence is named by the
    id of its annotation.

    Args:
        data_root: Folder with `annotations` and the folder of images.
        split: `train` or `val`.
        backend_args: Of mmengine's file backend, for the images.
        indices: Take only the first few objects, or these.

    Raises:
        ValueError: If the split is unknown, or an annotation is wrong.
        FileNotFoundError: If annotations or images are missing.
    """

    single_frame = True

    def __init__(
        self,
        data_root: str,
        split: str,
        backend_args: dict | None = None,
        indices: int | list[int] | None = None,
    ) -> None:
        self.split = check_split('CocoDataset', split, ('train', 'val'))
        super().__init__(data_root, backend_args=backend_args, indices=indices)

    def full_init(self) -> None:
        """Read the one annotation file, into arrays: no object per box."""
        if self._fully_initialized:
            return
        folder = osp.join(self.data_root, f'{self.split}2017')
        check_frame_folder(folder)
        self._frame_template = osp.join(folder, '{:012d}.jpg')
        columns = self._read_objects()
        if self._indices is not None:
            some = self._indices
            some = slice(some) if isinstance(some, int) else some
            columns = [column[some] for column in columns]
        self._ids, self._images, bboxes_xywh = columns
        self._bboxes = xywh_to_xyxy(bboxes_xywh)
        self._visible = (bboxes_xywh[:, 2:] > 0).all(-1)
        self._num_frames = np.ones(len(self), int)
        self._offsets = np.arange(len(self) + 1)
        self._fully_initialized = True

    def __len__(self) -> int:
        return len(self._ids)

    def get_sequence(self, i: int) -> VideoSequence:
        """Object i; -1 is the last."""
        i = range(len(self))[i]
        return VideoSequence(
            str(self._ids[i]),
            self._frame_template,
            int(self._images[i]),
            1,
            self._bboxes[i : i + 1],
            self._visible[i : i + 1],
            self.backend_args,
        )

    def _read_objects(self) -> list[np.ndarray]:
        """(N,) annotation ids, (N,) image ids and (N, 4) xywh boxes."""
        name = f'annotations/instances_{self.split}2017.json'
        path = osp.join(self.data_root, name)
        if not fileio.exists(path):
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
            json.loads(fileio.get_text(path), object_hook=keep)
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
