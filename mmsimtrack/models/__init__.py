"""Networks, in the order of Fig. 2: tokenizer, backbone, head, tracker."""

from mmsimtrack.compat import import_mmpretrain

import_mmpretrain()

from .backbones import (  # noqa: E402
    JointPVT,
    JointSwin,
    JointViT,
    OneWayViT,
    Siamese,
)
from .data_preprocessors import SOTDataPreprocessor  # noqa: E402
from .heads import CornerHead  # noqa: E402
from .tokenizers import FovealTokenizer  # noqa: E402
from .trackers import SimTrack, SOTTracker, TrackState  # noqa: E402

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
