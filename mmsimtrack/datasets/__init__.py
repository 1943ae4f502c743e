"""Data sets of sequences, and the pairs that training draws from them."""

from .coco import CocoDataset
from .frames import FrameReader, read_frame
from .layouts import (
    FolderDataset,
    Got10kDataset,
    LaSOTDataset,
    NfSDataset,
    OTB100Dataset,
    TNL2KDataset,
    TrackingNetDataset,
    UAV123Dataset,
    VastTrackDataset,
)
from .pair_config import fill_pairs
from .pair_dataset import PairDataset, jitter_bbox
from .sequence_dataset import SequenceDataset
from .video_sequence import VideoSequence

__all__ = [
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
