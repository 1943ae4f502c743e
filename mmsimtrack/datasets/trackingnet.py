"""TrackingNet."""

import os.path as osp
from collections.abc import Sequence

from mmengine import fileio

from mmsimtrack.datasets.sequence_dataset import SequenceDataset, check_split
from mmsimtrack.registry import DATASETS


@DATASETS.register_module()
class TrackingNetDataset(SequenceDataset):
    """TrackingNet as downloaded: `TRAIN_0/frames/<video>/0.jpg`.

    `TRAIN_0/anno/<video>.txt` holds x,y,w,h per frame; a target is visible
    where its box has an area. The test split has the first box only. With
    `backend_args=dict(backend='archive')`, the zip archives of the download,
    `TRAIN_0/zips/<video>.zip`, and LMDBs, `TRAIN_0_lmdb`, are read as well.

    Args:
        data_root: Folder with `TRAIN_0` to `TRAIN_11` and `TEST`.
        split: `train` or `test`.
        chunks: Of the train split, read only these `TRAIN_<chunk>`.
        **kwargs: Of `SequenceDataset`.

    Raises:
        ValueError: If the split is unknown.
        FileNotFoundError: If a chunk, a video or an annotation is missing.
    """

    def __init__(
        self,
        data_root: str,
        split: str,
        chunks: Sequence[int] = range(12),
        **kwargs,
    ) -> None:
        check_split('TrackingNetDataset', split, ('train', 'test'))
        self.folders = [f'TRAIN_{chunk}' for chunk in chunks]
        if split == 'test':
            self.folders = ['TEST']
        self.first_box_only = split == 'test'
        super().__init__(data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The annotated videos of all chunks, sorted within each."""
        infos = []
        for chunk in self.folders:
            folder = osp.join(self.data_root, chunk)
            if self.backend_args and self._isdir(f'{folder}_lmdb'):
                folder = f'{folder}_lmdb'
            frames = osp.join(folder, 'frames', '{name}')
            if self.backend_args and not self._isdir(osp.dirname(frames)):
                frames = osp.join(folder, 'zips', '{name}.zip')
            infos += [
                {
                    'name': name,
                    'frame_template': frames.format(name=name) + '/{}.jpg',
                    'first_frame': 0,
                    'annotation': osp.join(folder, 'anno', f'{name}.txt'),
                }
                for name in self._list_videos(folder)
            ]
        return infos

    def _isdir(self, folder: str) -> bool:
        return fileio.isdir(folder, self.backend_args)

    def _list_videos(self, folder: str) -> list[str]:
        path = osp.join(folder, 'anno')
        chunk = osp.basename(folder)
        if not self._isdir(path):
            raise FileNotFoundError(
                f'TrackingNetDataset: {path} is missing. Expected a file of '
                f'boxes per video there, and its frames in {chunk}/frames; '
                'unpack the full archive, correct data_root in the config, or '
                'set `chunks` there to those that you have.'
            )
        names = fileio.list_dir_or_file(
            path, False, True, '.txt', backend_args=self.backend_args
        )
        return sorted(osp.splitext(name)[0] for name in names)
