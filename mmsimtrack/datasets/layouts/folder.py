"""A data set of your own: folders of frames, and files of boxes."""

from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.registry import DATASETS


@DATASETS.register_module()
class FolderDataset(SequenceDataset):
    """A folder of frames and a file of boxes for each sequence.

    Frames may have any names; `2.jpg` comes before `10.jpg`. The file of
    boxes holds x,y,w,h per frame; a target is visible where its box has an
    area, so NaN or zeros mark it as absent.

    Args:
        data_root: Folder that the other paths start from.
        frames: Folder of the frames of a sequence, `{}` is its name.
        boxes: File of its boxes.
        list_file: File with one name per line; by default every folder is a
            sequence.
        **kwargs: Other arguments of `SequenceDataset`.

    Raises:
        ValueError: If a path lacks `{}`, or boxes and frames do not fit.
        FileNotFoundError: If the folder, the list, frames or boxes are
            missing.
    """

    def __init__(
        self,
        data_root: str,
        frames: str = '{}',
        boxes: str = '{}/groundtruth.txt',
        list_file: str | None = None,
        **kwargs,
    ) -> None:
        for key, value in (('frames', frames), ('boxes', boxes)):
            if value.count('{}') != 1:
                raise ValueError(
                    f'FolderDataset: {key} is {value!r}, expected a path with '
                    '{} where the name of the sequence stands. Change it in '
                    'the config.'
                )
        self.layouts = ((frames, boxes),)
        self.list_file = list_file
        super().__init__(data_root, **kwargs)

    def parse_row(self, row: str) -> dict[str, str]:
        """Take a row as the name, without slashes: results are files of it."""
        return {'': row, 'name': row.replace('/', '_')}
