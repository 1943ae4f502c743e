"""Data sets of sequences, and the pairs that training draws from them."""

from .archive_backend import ArchiveBackend
from .coco import CocoDataset
from .folder_dataset import FolderDataset
from .frame_reader import FrameReader, read_frame
from .got10k import Got10kDataset
from .lasot import LaSOTDataset
from .nfs import NfSDataset
from .otb100 import OTB100Dataset
from .pair_config import fill_pairs
from .pair_dataset import PairDataset, jitter_bbox
from .sequence_dataset import SequenceDataset
from .tnl2k import TNL2KDataset
from .trackingnet import TrackingNetDataset
from .uav123 import UAV123Dataset
from .vasttrack import VastTrackDataset
from .video_sequence import VideoSequence

__all__ = [
    'ArchiveBackend',
    'CocoDataset',
    'FolderDataset',
    'FrameReader',
    'Got10kDataset',
    'LaSOTDataset',
    'NfSDataset',
    'OTB100Dataset',
    'PairDataset',
    'SequenceDataset',
    'TNL2KDataset',
    'TrackingNetDataset',
    'UAV123Dataset',
    'VastTrackDataset',
    'VideoSequence',
    'fill_pairs',
    'jitter_bbox',
    'read_frame',
]
