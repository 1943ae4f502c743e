"""A head of a response map, with a window, and a size per cell."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import nn

from mmsimtrack.registry import MODELS


@MODELS.register_module()
class ToyCenterHead(BaseModule):
    def __init__(self, in_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 3, 1)

    def forward(self, feat):
        return self.predict(feat).bboxes

    def predict(self, feat, prior=None):
        response, size = self._maps(feat)
        weighted = response if prior is None else response * prior
        cells = weighted.flatten(1).argmax(1)
        h, w = response.shape[-2:]
        center = torch.stack([cells % w / w, cells // w / h], -1)
        half = size.flatten(2)[torch.arange(len(cells)), :, cells] / 2
        return InstanceData(
            bboxes=torch.cat([center - half, center + half], -1),
            scores=response.flatten(1)[torch.arange(len(cells)), cells],
        )

    def window(self, feat, side):
        y, x = (
            torch.hann_window(n + 2, False, device=feat.device)[1:-1]
            for n in feat.shape[-2:]
        )
        return torch.outer(y, x)

    def loss(self, feat, data_samples):
        response, size = self._maps(feat)
        h, w = response.shape[-2:]
        gt = torch.cat([s.gt_instances.bboxes for s in data_samples]).to(feat)
        x, y = ((gt[:, :2] + gt[:, 2:]) / 2).clamp(0, 0.999).unbind(-1)
        cells = (y * h).long() * w + (x * w).long()
        truth = F.one_hot(cells, h * w).to(response)
        size = size.flatten(2)[torch.arange(len(cells)), :, cells]
        return {
            'loss_response': F.binary_cross_entropy(
                response.flatten(1), truth
            ),
            'loss_size': F.l1_loss(size, gt[:, 2:] - gt[:, :2]),
        }

    def _maps(self, feat):
        maps = self.conv(feat).sigmoid()
        return maps[:, 0], maps[:, 1:]
