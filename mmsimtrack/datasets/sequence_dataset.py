"""Annotated videos: the base of all tracking data sets."""

from __future__ import annotations

import os.path as osp
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.structures import InstanceData

from mmsimtrack.datasets.annotation_index import pack_sequences
from mmsimtrack.datasets.frame_files import (
    check_for_tracking,
    check_frame_files,
    check_frame_folder,
    check_part_of_video,
)
from mmsimtrack.datasets.frame_reader import FrameReader, image_shape
from mmsimtrack.datasets.index_cache import open_index
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.structures import SOTDataSample, has_area, xywh_to_xyxy
from mmsimtrack.structures.annotation_file import read_bboxes_xywh

SPLITS = Path(__file__).parent / 'splits'


class SequenceDataset(BaseDataset):
    """A data set whose items are whole sequences.

    Subclasses implement `load_data_list`: one dict per sequence with `name`,
    `frame_template`, `first_frame` (and `frame_names`; see `VideoSequence`),
    `last_frame` if it is a part of a video, and `annotation`, a file with
    x,y,w,h per frame. Where a layout has its own rules, they override
    `load_bboxes`, `count_frames`, `load_visible` and `load_scored`, and name
    the files of labels in `label_files`. Annotations are parsed once and kept
    as in `open_index`; options that decide what is parsed are attributes that
    exist when the constructor of this class is called.

    An item is a dict: `inputs`, a `FrameReader`, and `data_samples`, a
    `SOTDataSample` with the boxes of the sequence.

    Args:
        data_root: Folder of the data set as downloaded.
        test_mode: Whether sequences will be tracked: first boxes and frame
            files are then checked before the first frame is tracked.
        backend_args: Of mmengine's file backend, for all files.
        indices: Take only the first few sequences, or these.

    Attributes:
        single_frame: Whether this is a set of images: a pair is then cut
            from one frame.
        first_box_only: Whether no more than the first box may be public.
        label_files: Names of files of labels, beside the annotation.
        advice: A sentence: what else may help if frames and boxes do not fit.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If an annotation does not fit its frames, or a first box
            cannot be tracked.
    """

    single_frame = False
    first_box_only = False
    label_files: tuple[str, ...] = ()
    advice = ''

    def __init__(
        self,
        data_root: str,
        test_mode: bool = False,
        backend_args: dict | None = None,
        indices: int | list[int] | None = None,
    ) -> None:
        self.backend_args = backend_args
        self.options = {**vars(self), 'indices': indices}
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
        folder = osp.dirname(info['frame_template'])
        check_frame_folder(folder, self.backend_args)
        bboxes_xywh = self.load_bboxes(info)
        num_frames = self.count_frames(info, len(bboxes_xywh))
        bboxes_xywh = bboxes_xywh[:num_frames]
        frame_names = info.get('frame_names')
        visible = has_area(bboxes_xywh)
        visible &= self.load_visible(info, len(bboxes_xywh))
        return VideoSequence(
            info['name'],
            info['frame_template'],
            info['first_frame'],
            num_frames,
            xywh_to_xyxy(bboxes_xywh),
            visible,
            frame_names=frame_names and frame_names[:num_frames],
        )

    def load_bboxes(self, info: dict) -> np.ndarray:
        """(num_boxes, 4) xywh of a sequence, from its annotation."""
        return read_bboxes_xywh(info['annotation'], self.backend_args)

    def count_frames(self, info: dict, num_boxes: int) -> int:
        """Number of frames of a sequence, if they fit its boxes."""
        if 'last_frame' in info:
            return check_part_of_video(self, info, num_boxes)
        return check_frame_files(self, info, num_boxes)

    def load_visible(self, info: dict, num_boxes: int) -> np.ndarray:
        """(num_boxes,) bool, from label files; here there are none."""
        return np.ones(num_boxes, bool)

    def load_scored(self, sequence: VideoSequence) -> np.ndarray:
        """(num_boxes,) bool: where the target is visible to the kits."""
        return sequence.visible

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
        """List the sequences and open their annotations, once."""
        if self._fully_initialized:
            return
        self._index = open_index(self)
        self._fully_initialized = True
        if self.test_mode:
            check_for_tracking(self)

    def find_sources(self) -> tuple[list[dict], list[str]]:
        """Entries of the sequences to take, and what they are parsed from.

        The latter are folders of frames, annotations and files of labels.
        """
        self.data_list = self.load_data_list()
        self.filter_data()
        if self._indices is not None:
            self.data_list = self._get_unserialized_subset(self._indices)
        infos, self.data_list = self.data_list, []
        sources = []
        for info in infos:
            folder = osp.dirname(info['frame_template'])
            sources += [folder, info['annotation'], *self.find_labels(info)]
        return infos, sources

    def find_labels(self, info: dict) -> list[str]:
        """Paths of the files of labels of a sequence."""
        folder = osp.dirname(info['annotation'])
        return [osp.join(folder, name) for name in self.label_files]

    def parse(self, infos: list[dict]) -> dict[str, np.ndarray]:
        """Arrays of the sequences; see `pack_sequences`."""
        return pack_sequences(map(self.load_sequence, infos))

    def __len__(self) -> int:
        return len(self._index)

    def get_data_info(self, i: int) -> dict:
        """What `VideoSequence` takes, for sequence i."""
        return self._index[i]

    def get_sequence(self, i: int) -> VideoSequence:
        """Sequence i, from the parsed annotations; -1 is the last."""
        info = self.get_data_info(i)
        return VideoSequence(**info, backend_args=self.backend_args)

    def num_frames(self) -> np.ndarray:
        """(N,) frames of each sequence."""
        return self._index.arrays['num_frames']

    def num_visible(self) -> np.ndarray:
        """(N,) frames of each sequence in which the target is visible."""
        arrays = self._index.arrays
        starts = arrays['offsets'][:-1]
        return np.add.reduceat(arrays['visible'], starts, dtype=int)

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
            visible=torch.from_numpy(self.load_scored(sequence).copy()),
        )
        reader = FrameReader(
            sequence.frame_paths(), backend_args=self.backend_args
        )
        return {'inputs': reader, 'data_samples': sample}


def check_split(dataset: str, split: str, splits: Iterable[str]) -> str:
    """The split; raises `ValueError` if the data set has no such split."""
    if split not in splits:
        raise ValueError(
            f'{dataset}: split is {split!r}, expected one of '
            f'{sorted(splits)}. Change it in the config.'
        )
    return split
