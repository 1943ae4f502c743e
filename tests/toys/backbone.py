"""A backbone that multiplies the search feature by the mean exemplar's."""

from mmengine.model import BaseModule
from torch import nn

from mmsimtrack.models.weights import guard
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class ToyBackbone(BaseModule):
    fresh = ('mix.',)  # `stem` is pre-trained
    patch_size = 8

    def __init__(self, width, init_cfg=None):
        super().__init__(init_cfg)
        self.out_channels = width
        self.stem = nn.Conv2d(3, width, 8, stride=8)
        self.mix = nn.Conv2d(width, width, 1)
        guard(self, new=self.fresh)

    def embed_exemplar(self, exemplar, exemplar_bbox):
        return (self.stem(exemplar).mean((2, 3), keepdim=True),)

    def forward(self, memory, search):
        return self.mix(memory[0] * self.stem(search))
