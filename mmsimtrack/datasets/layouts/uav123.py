"""UAV123."""

from mmsimtrack.datasets.sequence_dataset import SequenceDataset
from mmsimtrack.registry import DATASETS


@DATASETS.register_module()
class UAV123Dataset(SequenceDataset):
    """UAV123 as downloaded: `data_seq/UAV123/<video>/000001.jpg`.

    A sequence is a range of the frames of one video, some share a video.
    `anno/UAV123/<sequence>.txt` holds x,y,w,h per frame of the range, NaN
    where the target is absent.

    Args:
        data_root: Folder with `data_seq` and `anno`.
        **kwargs: Other arguments of `SequenceDataset`.

    Raises:
        ValueError: If an annotation is not as long as its range.
        FileNotFoundError: If a video, a frame or an annotation is missing.
    """

    layouts = (('data_seq/UAV123/{video}', 'anno/UAV123/{}.txt'),)
    frame_name = '{:06d}.jpg'
    official = 'uav123'
    columns = ('video', 'first', 'last')
    advice = 'Those of UAV123@10fps do not fit.'
