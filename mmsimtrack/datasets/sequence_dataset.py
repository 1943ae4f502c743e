"""Annotated videos: the base of all tracking data sets."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.structures import InstanceData

from mmsimtrack.datasets.frame_reader import (
    FrameReader,
    check_frame,
    image_shape,
    read_frame,
)
from mmsimtrack.structures import SOTDataSample, check_first_box

SPLITS = Path(__file__).parent / 'splits'


@dataclass(frozen=True)
class VideoSequence:
    """One annotated video.

    Attributes:
        name: Unique in its data set.
        frame_template: Path of a frame, with one `{}` field for its number.
        first_frame: Number of the first frame in its file name.
        num_frames: T.
        bboxes: (T, 4) xyxy in frame pixels; (1, 4) where only the first box
            is public. Rows may be NaN where the target is absent.
        visible: (T,) or (1,) bool.
        backend_args: Of mmengine's file backend, for the frames.
    """

    name: str
    frame_template: str
    first_frame: int
    num_frames: int
    bboxes: np.ndarray
    visible: np.ndarray
    backend_args: dict | None = None

    def __len__(self) -> int:
        return self.num_frames

    def frame_path(self, t: int) -> str:
        """Path of frame t, 0 <= t < T."""
        return self.frame_template.format(self.first_frame + t)

    def frame_paths(self) -> list[str]:
        """Paths of all frames in order."""
        return [self.frame_path(t) for t in range(len(self))]

    def read_frame(self, t: int) -> np.ndarray:
        """Frame t, (H, W, 3) RGB uint8; see `read_frame`."""
        return read_frame(self.frame_path(t), self.backend_args)


class SequenceDataset(BaseDataset):
    """A data set whose items are whole sequences.

    Subclasses implement `load_data_list`, one dict with at least `name` per
    sequence, and `load_sequence`, which reads one of them from the disk.
    Annotations are parsed once, into arrays that workers share.

    An item is a dict: `inputs`, a `FrameReader`, and `data_samples`, a
    `SOTDataSample` with the boxes of the sequence.

    Args:
        data_root: Folder of the data set as downloaded.
        test_mode: Whether sequences will be tracked: first boxes and frame
            files are then checked before the first frame is tracked.
        backend_args: Of mmengine's file backend, for the frames.
        indices: Take only the first few sequences, or these.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If an annotation does not fit its frames, or a first box
            cannot be tracked.
    """

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

        Args:
            info: An entry of `load_data_list`.
        """
        raise NotImplementedError

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
        return VideoSequence(
            info['name'],
            info['frame_template'],
            info['first_frame'],
            int(self._num_frames[i]),
            self._bboxes[rows],
            self._visible[rows],
            self.backend_args,
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
