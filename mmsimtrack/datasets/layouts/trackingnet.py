"""TrackingNet."""

import os.path as osp
from collections.abc import Sequence

from mmsimtrack.datasets.archive import list_folder
from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.registry import DATASETS


@DATASETS.register_module()
class TrackingNetDataset(SequenceDataset):
    """TrackingNet as downloaded: `TRAIN_0/frames/<video>/0.jpg`.

    `TRAIN_0/anno/<video>.txt` holds x,y,w,h per frame; a target is visible
    where its box has an area. The test split has the first box only. The zip
    archives of the download, `TRAIN_0/zips/<video>.zip`, are read as well.

    Args:
        data_root: Folder with `TRAIN_0` to `TRAIN_11` and `TEST`.
        split: `train` or `test`.
        chunks: Which `TRAIN_<chunk>` to read of the train split.
        **kwargs: Other arguments of `SequenceDataset`.

    Raises:
        ValueError: If the split is unknown.
        FileNotFoundError: If a chunk, a video or an annotation is missing.
    """

    frame_name = '{}.jpg'
    first_frame = 0
    splits = {'train': {}, 'test': dict(folders=['TEST'], first_box_only=True)}

    def __init__(
        self,
        data_root: str,
        split: str,
        chunks: Sequence[int] = range(12),
        **kwargs,
    ) -> None:
        self.folders = [f'TRAIN_{chunk}' for chunk in chunks]
        super().__init__(data_root, split, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the annotated videos of all chunks, sorted within each."""
        infos = []
        for chunk in self.folders:
            boxes = f'{chunk}/anno/{{}}.txt'
            frames = f'{chunk}/frames/{{}}', f'{chunk}/zips/{{}}.zip'
            infos += self.describe(
                self._list_videos(chunk), [(path, boxes) for path in frames]
            )
        return infos

    def _list_videos(self, chunk: str) -> list[str]:
        path = osp.join(self.data_root, chunk, 'anno')
        expected = f'a file of boxes per video, and frames in {chunk}/frames'
        self.check_folder(path, f'{expected} (or set `chunks`)')
        stems = map(osp.splitext, list_folder(path)[1])
        return sorted(stem for stem, ending in stems if ending == '.txt')
