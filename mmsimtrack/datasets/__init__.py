"""Data sets of sequences, and the pairs that training draws from them."""

from .frame_reader import FrameReader, read_frame
from .got10k import Got10kDataset
from .pair_dataset import PairDataset, jitter_bbox
from .sequence_dataset import SequenceDataset, VideoSequence

__all__ = [
    'FrameReader',
    'Got10kDataset',
    'PairDataset',
    'SequenceDataset',
    'VideoSequence',
    'jitter_bbox',
    'read_frame',
]
