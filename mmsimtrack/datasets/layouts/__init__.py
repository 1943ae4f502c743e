"""Layouts of data sets as they are downloaded, a file for each."""

from .folder import FolderDataset
from .got10k import Got10kDataset
from .lasot import LaSOTDataset
from .nfs import NfSDataset
from .otb100 import OTB100Dataset
from .tnl2k import TNL2KDataset
from .trackingnet import TrackingNetDataset
from .uav123 import UAV123Dataset
from .vasttrack import VastTrackDataset

__all__ = [
    'FolderDataset',
    'Got10kDataset',
    'LaSOTDataset',
    'NfSDataset',
    'OTB100Dataset',
    'TNL2KDataset',
    'TrackingNetDataset',
    'UAV123Dataset',
    'VastTrackDataset',
]
