"""Backbones under one contract: `embed_exemplar` and `forward`.

A backbone names in `fresh` the beginnings of the names of its parameters that
no pre-trained file holds. Strict loading (`guard`) lets them be missing, and
`PretrainedConstructor` gives them the full learning rate.
If it has `layers`, FSDP shards each of them by itself.
"""

from .joint_pvt import JointPVT
from .joint_swin import JointSwin
from .joint_vit import JointViT
from .one_way_vit import OneWayViT
from .ostrack_vit import OSTrackViT
from .siamese import Siamese
