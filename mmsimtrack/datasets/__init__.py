"""Data sets of sequences, and the pairs that training draws from them."""

from .coco import CocoDataset
from .frames import FrameReader, read_frame
from .layouts.folder import FolderDataset
from .layouts.got10k import Got10kDataset
from .layouts.lasot import LaSOTDataset
from .layouts.nfs import NfSDataset
from .layouts.otb100 import OTB100Dataset
from .layouts.tnl2k import TNL2KDataset
from .layouts.trackingnet import TrackingNetDataset
from .layouts.uav123 import UAV123Dataset
from .layouts.vasttrack import VastTrackDataset
from .pair_dataset import PairDataset, fill_pairs, jitter_bbox
from .sequence_dataset import SequenceDataset
from .video_sequence import VideoSequence
