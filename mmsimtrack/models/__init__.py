"""Networks, in the order of Fig. 2: tokenizer, backbone, head, tracker."""

from .backbones import JointViT
from .data_preprocessors import SOTDataPreprocessor
from .heads import CornerHead
from .tokenizers import FovealTokenizer
from .trackers import SimTrack, TrackState

__all__ = [
    'CornerHead',
    'FovealTokenizer',
    'JointViT',
    'SOTDataPreprocessor',
    'SimTrack',
    'TrackState',
]
