"""VastTrack."""

import numpy as np

from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.registry import DATASETS

_HERE = tuple(
    (f'{{class}}/{{}}/{frames}', '{class}/{}/Groundtruth.txt')
    for frames in ('imgs', 'img')
)
_BELOW = tuple((f'test/{frames}', f'test/{boxes}') for frames, boxes in _HERE)


@DATASETS.register_module()
class VastTrackDataset(SequenceDataset):
    """VastTrack as downloaded: `<class>/<class>-<n>/imgs/00001.jpg`.

    Classes have names such as `Air Hockey`. Frames lie in `imgs`, or of all
    sequences in `img`; their numbers have 5 digits, 8, or as many as they
    need. `Groundtruth.txt` holds x,y,w,h per frame, zeros where the target is
    absent.

    Args:
        data_root: Folder of the classes; for the split, it may also be the
            folder of that name that holds them.
        split: `test` takes the 3,500 official sequences.
        list_file: File below `data_root` with one name, `<class>-<n>`, per
            line. Without split and list, all sequences of all classes are
            taken.
        **kwargs: Other arguments of `SequenceDataset`.

    Raises:
        FileNotFoundError: If the folder, the list, a sequence or an
            annotation is missing.
        ValueError: If the split is unknown, or comes with a list, or an
            annotation is not as long as its sequence.
    """

    layouts = _HERE
    splits = {
        None: {},
        'test': dict(official='vasttrack_test', layouts=_BELOW + _HERE),
    }

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        list_file: str | None = None,
        **kwargs,
    ) -> None:
        if split and list_file:
            raise ValueError(
                f'VastTrackDataset: found split={split!r} and '
                f'list_file={list_file!r}, expected one of them, since both '
                'say which sequences to take. Remove one in the config.'
            )
        self.list_file = list_file
        super().__init__(data_root, split, **kwargs)

    def list_names(self) -> list[str]:
        """List the names of a list, or all sequences of all classes."""
        if self.official or self.list_file:
            return super().list_names()
        classes = self.list_folders()
        return [name for c in classes for name in self.list_folders(c)]

    def find_scored(self, bboxes_xywh, visible, flags) -> np.ndarray:
        """Score all but boxes of zeros; kits have rules for the others."""
        return bboxes_xywh.any(axis=1)
