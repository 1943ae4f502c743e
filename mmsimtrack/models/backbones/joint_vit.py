"""Joint feature extraction and interaction in a ViT: Fig. 2, Eq. (4)-(6)."""

import torch
import torch.nn.functional as F
from mmpretrain.models import VisionTransformer
from torch import Tensor

from mmsimtrack.models.tokenizers import FovealTokenizer
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class JointViT(VisionTransformer):
    """One ViT for the exemplar, its foveal window and the search image.

    The network, its arguments and its parameter names are mmpretrain's, so
    that pre-trained weights load unchanged; new are the tokenizer and the
    sequence that the layers see. Attention among all tokens is Eq. (5).

    Args:
        tokenizer: Options of `FovealTokenizer`: `foveal_size`, and
            `as_released` where official weights are used.
        img_size: Side in pixels of the images of the pre-training; gives the
            grid of p_0. Other search sizes resize p_0 at run time.
        **kwargs: Of `mmpretrain.VisionTransformer`.

    Raises:
        ValueError: If the class token or the final norm is switched off.
    """

    def __init__(self, tokenizer: dict, img_size: int = 224, **kwargs) -> None:
        for name in ('with_cls_token', 'final_norm'):
            if not kwargs.get(name, True):
                raise ValueError(
                    f'JointViT: {name}=False is not supported, since every '
                    'sequence has a class token and a final norm. Leave it '
                    'out of the config.'
                )
        super().__init__(img_size=img_size, out_type='raw', **kwargs)
        self.tokenizer = FovealTokenizer(
            embed_dims=self.embed_dims,
            patch_size=self.patch_embed.projection.kernel_size[0],
            **tokenizer,
        )

    @property
    def out_channels(self) -> int:
        """Channels C of the search feature."""
        return self.embed_dims

    def train(self, mode: bool = True) -> 'JointViT':
        """Set the mode; mmpretrain's backbones forget to return themselves."""
        super().train(mode)
        return self

    def embed_exemplar(
        self, exemplar: Tensor, exemplar_bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """What can be computed once per sequence: e^0 and e^0*.

        Args:
            exemplar: (B, 3, Hz, Wz), normalized.
            exemplar_bbox: (B, 4) xyxy of the target in its unit square.

        Returns:
            One tensor, (B, Nz + Nz*, C).
        """
        return (self.tokenizer(exemplar, exemplar_bbox, self.patch_embed),)

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> Tensor:
        """Search feature s^L.

        Args:
            memory: What `embed_exemplar` returned.
            search: (B, 3, Hx, Wx), normalized.

        Returns:
            (B, C, h, w).
        """
        (exemplar_tokens,) = memory
        search_tokens, (h, w) = self.patch_embed(search)
        search_tokens = search_tokens + self._search_position(h, w)
        # The paper does not mention the class token. The official code keeps
        # it, with its pre-trained position, as one more token.
        cls_token = self.cls_token + self.pos_embed[:, :1]
        cls_token = cls_token.expand(len(search), -1, -1)
        # [e; s] of Eq. (4): (B, Nz + Nz* + 1 + Nx, C)
        tokens = torch.cat([exemplar_tokens, cls_token, search_tokens], dim=1)
        tokens = self.pre_norm(tokens)
        for layer in self.layers:
            tokens = layer(tokens)
        feature = self.ln1(tokens[:, -h * w :])
        return feature.mT.unflatten(2, (h, w))  # (B, N, C) -> (B, C, h, w)

    def _search_position(self, h: int, w: int) -> Tensor:
        """p_s: p_0 without the class token's, (1, h * w, C).

        Resized bilinearly where the grid is not that of the pre-training, as
        in the official code; mmpretrain's helper is bicubic by default.
        """
        position = self.pos_embed[:, 1:]
        if (h, w) == tuple(self.patch_resolution):
            return position
        grid = position.mT.unflatten(2, self.patch_resolution)
        grid = F.interpolate(grid, (h, w), mode='bilinear')
        return grid.flatten(2).mT
