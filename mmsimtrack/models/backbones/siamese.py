"""The baseline: a Siamese backbone and STARK-S's transformer (Sec. 3.1)."""

from math import prod

from mmengine.model import BaseModule
from torch import Tensor

from mmsimtrack.models.backbones.interaction import Interaction
from mmsimtrack.models.weights.guard import guard
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class Siamese(BaseModule):
    """STARK-S or STARK-SV, Fig. 2(a), with the methods of all backbones.

    Exemplar and search image pass the same feature extractor, Eq. (1)-(2),
    without knowing of each other, and then interact in a transformer. The box
    in the exemplar is not used: the target is in the middle of the crop.

    Args:
        features: Config of a backbone of mmpretrain that returns a tuple with
            one map: `mmpretrain.ResNet` or `mmpretrain.VisionTransformer`.
        interaction: Options of `Interaction`.
    """

    fresh = ('interaction.',)

    def __init__(self, features: dict, interaction: dict) -> None:
        super().__init__()
        self.features = MODELS.build(features)
        is_vit = hasattr(self.features, 'patch_embed')
        if is_vit:
            width = self.features.embed_dims
            self.patch_size = self.features.patch_embed.projection.stride[0]
        else:
            width, (last,) = self.features.feat_dim, self.features.out_indices
            self.patch_size = 4 * prod(self.features.strides[: last + 1])
        self.interaction = Interaction(width, **interaction)
        self.out_channels = self.interaction.out_channels  # D*
        guard(self.features, config='model.backbone.features')

    def embed_exemplar(
        self, exemplar: Tensor, exemplar_bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute the exemplar feature, which no search image changes.

        Args:
            exemplar: (B, 3, Hz, Wz), normalized.
            exemplar_bbox: Not used.

        Returns:
            One tensor, (B, D*, hz, wz).
        """
        return (self._embed(exemplar),)

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> Tensor:
        """Compute the target-relevant search feature s^L*.

        Args:
            memory: Result of `embed_exemplar`.
            search: (B, 3, Hx, Wx), normalized.

        Returns:
            (B, D*, h, w).
        """
        return self.interaction(*memory, self._embed(search))

    def _embed(self, image: Tensor) -> Tensor:
        (feature,) = self.features(image)
        return self.interaction.embed(feature)
