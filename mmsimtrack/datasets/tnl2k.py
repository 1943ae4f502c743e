"""TNL2K."""

from mmsimtrack.datasets.folder_dataset import FolderDataset
from mmsimtrack.registry import DATASETS


@DATASETS.register_module()
class TNL2KDataset(FolderDataset):
    """TNL2K as downloaded: `<sequence>/imgs/*.jpg` or `*.png`.

    The names of frames follow no rule; their order is that of the sorted
    names. `groundtruth.txt` holds x,y,w,h per frame; a target is visible
    where its box has an area. The language description is not read.

    Args:
        data_root: Folder of the sequences of one subset.
        **kwargs: Of `SequenceDataset`.

    Raises:
        FileNotFoundError: If the folder, frames or an annotation are missing.
        ValueError: If an annotation is not as long as its sequence.
    """

    endings = ('.jpg', '.png')
    advice = (
        'For the 12 training sequences that have them, take the revised '
        'annotations.'
    )

    def __init__(self, data_root: str, **kwargs) -> None:
        super().__init__(data_root, frames='{}/imgs', **kwargs)

    @staticmethod
    def order(frame_name: str) -> str:
        """As the official code sorts them."""
        return frame_name
