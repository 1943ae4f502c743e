"""Annotated videos: the base of all tracking data sets."""

from __future__ import annotations

import os.path as osp
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.structures import InstanceData

from mmsimtrack.datasets.frame_reader import (
    FrameReader,
    check_frame,
    check_frame_files,
    check_frame_folder,
    image_shape,
)
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.structures import SOTDataSample, check_first_box, xywh_to_xyxy
from mmsimtrack.structures.annotation_file import read_bboxes_xywh, read_flags

SPLITS = Path(__file__).parent / 'splits'


class SequenceDataset(BaseDataset):
    """A data set whose items are whole sequences.

    Subclasses implement `load_data_list`: one dict per sequence with `name`,
    `frame_template`, `first_frame` (and `frame_names`; see `VideoSequence`)
    and `annotation`, a file with x,y,w,h per frame. Where a layout has its
    own rules, they override `count_frames` and `load_visible`. Annotations
    are parsed once, into arrays that workers share.

    An item is a dict: `inputs`, a `FrameReader`, and `data_samples`, a
    `SOTDataSample` with the boxes of the sequence.

    Args:
        data_root: Folder of the data set as downloaded.
        test_mode: Whether sequences will be tracked: first boxes and frame
            files are then checked before the first frame is tracked.
        backend_args: Of mmengine's file backend, for the frames.
        indices: Take only the first few sequences, or these.

    Attributes:
        single_frame: Whether this is a set of images: a pair is then cut
            from one frame.
        first_box_only: Whether no more than the first box may be public.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If an annotation does not fit its frames, or a first box
            cannot be tracked.
    """

    single_frame = False
    first_box_only = False

    def __init__(
        self,
        data_root: str,
        test_mode: bool = False,
        backend_args: dict | None = None,
        indices: int | list[int] | None = None,
    ) -> None:
        self.backend_args = backend_args
        super().__init__(
            data_root=str(data_root), test_mode=test_mode, indices=indices
        )

    def load_sequence(self, info: dict) -> VideoSequence:
        """Read one sequence from the disk and check it.

        A target is visible where its box is finite and has an area, and where
        `load_visible` agrees.

        Args:
            info: An entry of `load_data_list`.
        """
        # first, since it is what a partly unpacked data set lacks
        check_frame_folder(osp.dirname(info['frame_template']))
        bboxes_xywh = read_bboxes_xywh(info['annotation'])
        num_boxes = len(bboxes_xywh)
        num_frames = self.count_frames(info, num_boxes)
        visible = np.isfinite(bboxes_xywh).all(-1)
        visible &= (bboxes_xywh[:, 2:] > 0).all(-1)
        visible &= self.load_visible(info, num_boxes)
        return self._sequence(
            info, num_frames, xywh_to_xyxy(bboxes_xywh), visible
        )

    def count_frames(self, info: dict, num_boxes: int) -> int:
        """Number of frames of a sequence, if they fit its boxes."""
        template, first_frame = info['frame_template'], info['first_frame']
        annotation, only = info['annotation'], self.first_box_only
        return check_frame_files(
            template, first_frame, num_boxes, annotation, only
        )

    def load_visible(self, info: dict, num_boxes: int) -> np.ndarray:
        """(num_boxes,) bool, from label files; here there are none."""
        return np.ones(num_boxes, bool)

    def filter_data(self) -> list[dict]:
        """Keep all sequences: at least one, each with a name of its own."""
        if not self.data_list:
            raise ValueError(
                f'{type(self).__name__}: no sequence in {self.data_root}. '
                'Check data_root and split in the config.'
            )
        names = Counter(info['name'] for info in self.data_list)
        double = sorted(name for name, count in names.items() if count > 1)
        if double:
            raise ValueError(
                f'{type(self).__name__}: {self.data_root} lists sequences '
                f'twice: {", ".join(double[:5])}. Names must be unique, since '
                'results are files of that name; correct the list.'
            )
        return self.data_list

    def get_subset(self, indices) -> SequenceDataset:
        """Not supported: annotations do not follow; use `indices`."""
        raise NotImplementedError(
            f'{type(self).__name__}: give `indices` in the config instead.'
        )

    get_subset_ = get_subset

    def full_init(self) -> None:
        """List the sequences and parse their annotations, once."""
        if self._fully_initialized:
            return
        super().full_init()
        lengths, bboxes, visible = [], [], []
        for i in range(len(self)):
            info = super().get_data_info(i)
            sequence = self.load_sequence(info)
            lengths.append((len(sequence), len(sequence.bboxes)))
            bboxes.append(sequence.bboxes)
            visible.append(sequence.visible)
        self._num_frames, rows = np.transpose(lengths)
        self._offsets = np.concatenate([[0], np.cumsum(rows)])
        self._bboxes = np.concatenate(bboxes)
        self._visible = np.concatenate(visible)
        if self.test_mode:
            self._check_for_tracking()

    def get_sequence(self, i: int) -> VideoSequence:
        """Sequence i, from the parsed annotations; -1 is the last."""
        i = range(len(self))[i]
        info = self.get_data_info(i)
        rows = slice(self._offsets[i], self._offsets[i + 1])
        return self._sequence(
            info,
            int(self._num_frames[i]),
            self._bboxes[rows],
            self._visible[rows],
        )

    def num_frames(self) -> np.ndarray:
        """(N,) frames of each sequence."""
        return self._num_frames

    def num_visible(self) -> np.ndarray:
        """(N,) frames of each sequence in which the target is visible."""
        return np.add.reduceat(self._visible, self._offsets[:-1], dtype=int)

    def prepare_data(self, idx: int) -> dict:
        """Item of the data set; see the class."""
        sequence = self.get_sequence(idx)
        shape = image_shape(sequence.frame_path(0), self.backend_args)
        sample = SOTDataSample(
            metainfo={
                'sequence': sequence.name,
                'index': range(len(self))[idx],
                'img_shape': shape,
                'num_frames': len(sequence),
            }
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.from_numpy(sequence.bboxes.copy()),
            visible=torch.from_numpy(sequence.visible.copy()),
        )
        reader = FrameReader(
            sequence.frame_paths(), backend_args=self.backend_args
        )
        return {'inputs': reader, 'data_samples': sample}

    def _sequence(self, info, num_frames, bboxes, visible) -> VideoSequence:
        return VideoSequence(
            info['name'],
            info['frame_template'],
            info['first_frame'],
            num_frames,
            bboxes,
            visible,
            self.backend_args,
            info.get('frame_names'),
        )

    def _check_for_tracking(self) -> None:
        """Find what would stop a test, before it starts."""
        total = int(self._num_frames.sum())
        print_log(
            f'{type(self).__name__}: checking {total} frames of {len(self)} '
            'sequences before tracking',
            'current',
        )
        with ThreadPoolExecutor(8) as pool:
            for i in range(len(self)):
                sequence = self.get_sequence(i)
                if self.backend_args is None:
                    list(pool.map(check_frame, sequence.frame_paths()))
                path = sequence.frame_path(0)
                check_first_box(
                    sequence.bboxes[0],
                    image_shape(path, self.backend_args),
                    f'{type(self).__name__}: sequence {sequence.name}',
                )


def check_split(dataset: str, split: str, splits: Iterable[str]) -> str:
    """The split; raises `ValueError` if the data set has no such split."""
    if split not in splits:
        raise ValueError(
            f'{dataset}: split is {split!r}, expected one of '
            f'{sorted(splits)}. Change it in the config.'
        )
    return split


def read_labels(path: str, num_boxes: int) -> np.ndarray:
    """(num_boxes,) bool from a file of flags: which are above 0.

    Raises:
        ValueError: If there is not one value per box.
    """
    flags = read_flags(path)
    if len(flags) != num_boxes:
        raise ValueError(
            f'{path} has {len(flags)} values, but groundtruth.txt beside it '
            f'has {num_boxes} boxes. Expected one value per box; unpack the '
            'sequence again.'
        )
    return flags > 0
