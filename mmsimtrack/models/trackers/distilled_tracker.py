"""A small tracker that learns from a larger one."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmsimtrack.fileio import read_config
from mmsimtrack.models.trackers.sot_tracker import SOTTracker
from mmsimtrack.models.weights.load import load_model
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class DistilledTracker(SOTTracker):
    """Learns the search feature and the heat maps of a trained teacher.

    The student has as many layers and tokens as its teacher, in fewer
    channels. It begins as a part of the teacher: every n-th channel of each
    weight (weight selection, arXiv 2311.18823). Then it is trained with the
    losses of its head, whose heat maps are compared with the teacher's, and
    with a loss on the search feature: the squared distance of the teacher's,
    normalized per token, from a linear projection of its own. Tracking needs
    neither teacher nor projection.

    Args:
        teacher: `config`, the path of the teacher's config, and `checkpoint`,
            its weights. It is read at the beginning of a training.
        loss_feature: `loss_weight` of the loss on the search feature.
        kwargs: Those of `SOTTracker`; the head needs a `loss_heatmap`.
    """

    def __init__(self, teacher: dict, loss_feature: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.loss_feature = loss_feature
        network = MODELS.build(read_config(teacher['config']).model)
        self.projection = nn.Linear(
            self.backbone.out_channels, network.backbone.out_channels
        )
        self._checkpoint = teacher['checkpoint']
        # in a tuple, so that it is no part of the student and its checkpoints
        self._teacher = (network.requires_grad_(False).eval(),)

    def init_weights(self) -> None:
        """Begin as a part of the teacher."""
        super().init_weights()
        self._read_teacher()
        whole = self._teacher[0].state_dict()
        with torch.no_grad():
            for name, tensor in self.state_dict().items():
                if name in whole:
                    tensor.copy_(select(whole[name], tensor.shape))

    def _read_teacher(self) -> None:
        """Load the weights of the teacher, once."""
        if self._checkpoint:
            load_model(self._teacher[0], self._checkpoint)
            self._checkpoint = None

    def forward(
        self,
        inputs: dict[str, Tensor],
        data_samples: list | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list | Tensor:
        """Run the network; in mode `'loss'`, the teacher as well."""
        if mode != 'loss':
            return super().forward(inputs, data_samples, mode)
        target, heatmaps = self._teach(inputs)
        feat = self.search_feature(inputs)
        losses = self.head.loss(feat, data_samples, heatmaps)
        # (B, C, h, w) -> (B, h, w, C)
        projected = self.projection(feat.permute(0, 2, 3, 1)).float()
        weight = self.loss_feature['loss_weight']
        losses['loss_feature'] = weight * F.mse_loss(projected, target)
        return losses

    @torch.no_grad()
    def _teach(self, inputs: dict) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Search feature (B, h, w, C), normalized, and both heat maps."""
        self._read_teacher()
        teacher = self._teacher[0].to(inputs['search'].device)
        feat = teacher.search_feature(inputs)
        _, heatmaps = teacher.head.corners(feat)
        tokens = feat.permute(0, 2, 3, 1).float()
        return F.layer_norm(tokens, tokens.shape[-1:]), heatmaps


def select(weights: Tensor, shape: torch.Size) -> Tensor:
    """Take evenly spaced entries of a tensor along each of its dimensions.

    Args:
        weights: A tensor with at least as many entries along each dimension.
        shape: The shape that is wanted.
    """
    for dim, size in enumerate(shape):
        length = weights.shape[dim]
        index = torch.arange(size, device=weights.device) * length // size
        weights = weights.index_select(dim, index)
    return weights
