"""Networks, in the order of Fig. 2: tokenizer, backbone, head, tracker."""
# ruff: noqa: E402

from mmsimtrack.compat import import_mmpretrain

import_mmpretrain()

from .backbones import JointPVT, JointSwin, JointViT, OneWayViT, Siamese
from .data_preprocessors import SOTDataPreprocessor
from .heads import CornerHead
from .tokenizers import FovealTokenizer
from .trackers import DistilledTracker, SimTrack, SOTTracker, TrackState
