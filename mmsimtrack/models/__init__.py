"""Networks, in the order of Fig. 2: tokenizer, backbone, head, tracker."""

from .backbones import JointPVT, JointSwin, JointViT, OneWayViT, Siamese
from .data_preprocessors import SOTDataPreprocessor
from .heads import CornerHead
from .tokenizers import FovealTokenizer
from .trackers import SimTrack, SOTTracker, TrackState

__all__ = [
    'CornerHead',
    'FovealTokenizer',
    'JointPVT',
    'JointSwin',
    'JointViT',
    'OneWayViT',
    'SOTDataPreprocessor',
    'SOTTracker',
    'Siamese',
    'SimTrack',
    'TrackState',
]
