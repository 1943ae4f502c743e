"""Joint feature extraction and interaction in a ViT: Fig. 2, Eq. (4)-(6)."""

from functools import partial

import torch
import torch.nn.functional as F
from mmpretrain.models import VisionTransformer
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mmsimtrack.models.backbones.interaction import SearchDecoder
from mmsimtrack.models.tokenizers import FovealTokenizer
from mmsimtrack.models.weights.guard import guard
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class JointViT(VisionTransformer):
    """One ViT for the exemplar, its foveal window and the search image.

    The network, its options and its parameter names are mmpretrain's, so
    that pre-trained weights load unchanged; the tokenizer is new, and so is
    the sequence that the layers see. Attention among all tokens is Eq. (5).

    Args:
        tokenizer: Options of `FovealTokenizer`: `foveal_size`, and
            `as_released` where official weights are used.
        interaction_every: Exemplar and search tokens attend to each other in
            every layer (1) or only in every 2nd or 4th one (Table 10); in the
            others each attends to its own kind.
        decoder: Options of `SearchDecoder`, a decoder after the layers
            (Table 9). None, as in SimTrack: there is none.
        img_size: Side in pixels of the images of the pre-training; gives the
            grid of p_0. Other search sizes resize p_0 at run time.
        frozen_layers: Number of first layers that do not learn, and neither
            do the tokenizer, the patch embedding and the positions before
            them. 0 freezes nothing.
        with_cp: Activation checkpointing: recompute each layer in the backward
            pass, which takes less memory and a third more time.
        **kwargs: Options of `mmpretrain.VisionTransformer`.

    Raises:
        ValueError: If the class token or the final norm is switched off, or
            no layer interacts.
    """

    fresh = ('tokenizer.', 'decoder.')

    def __init__(
        self,
        tokenizer: dict,
        interaction_every: int = 1,
        decoder: dict | None = None,
        img_size: int = 224,
        frozen_layers: int = 0,
        with_cp: bool = False,
        **kwargs,
    ) -> None:
        for name in ('with_cls_token', 'final_norm'):
            if not kwargs.get(name, True):
                raise ValueError(
                    f'JointViT: {name}=False is not supported, since every '
                    'sequence has a class token and a final norm. Leave it '
                    'out of the config.'
                )
        super().__init__(img_size=img_size, out_type='raw', **kwargs)
        if not 1 <= interaction_every <= self.num_layers:
            raise ValueError(
                f'JointViT: interaction_every is {interaction_every}, '
                f'expected 1 to {self.num_layers}, the number of layers: '
                'else no layer lets exemplar and search interact.'
            )
        if not 0 <= frozen_layers <= self.num_layers:
            raise ValueError(
                f'JointViT: frozen_layers is {frozen_layers}, expected 0 to '
                f'{self.num_layers}, the number of layers.'
            )
        self.interaction_every = interaction_every
        self.with_cp = with_cp
        for layer in self.layers:
            layer.attn.scaled_dot_product_attention = attend
            if with_cp:
                layer.forward = partial(
                    checkpoint, layer.forward, use_reentrant=False
                )
        self.patch_size = self.patch_embed.projection.kernel_size[0]
        self.tokenizer = FovealTokenizer(
            self.embed_dims, self.patch_size, **tokenizer
        )
        self.decoder = None
        self.out_channels = self.embed_dims  # C of the search feature
        if decoder is not None:
            self.decoder = SearchDecoder(self.embed_dims, **decoder)
            self.out_channels = self.decoder.out_channels
        if frozen_layers:
            frozen = [self.pos_embed, self.cls_token, self.patch_embed]
            frozen += [self.tokenizer, self.pre_norm]
            for part in frozen + list(self.layers[:frozen_layers]):
                part.requires_grad_(False)
        guard(self, new=self.fresh)

    def train(self, mode: bool = True) -> 'JointViT':
        """Set the mode; mmpretrain's backbones forget to return themselves."""
        super().train(mode)
        return self

    def embed_exemplar(
        self, exemplar: Tensor, exemplar_bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute e^0 and e^0*, which stay the same for a whole sequence.

        Args:
            exemplar: (B, 3, Hz, Wz), normalized.
            exemplar_bbox: (B, 4) xyxy of the target in its unit square.

        Returns:
            One tensor, (B, Nz + Nz*, C), as it enters the first layer in
            which it meets the search tokens.
        """
        tokens = self._exemplar_tokens(exemplar, exemplar_bbox)
        for layer in self.layers[: self.interaction_every - 1]:
            tokens = layer(tokens)
        return (tokens,)

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> Tensor:
        """Compute the search feature s^L.

        Args:
            memory: Result of `embed_exemplar`.
            search: (B, 3, Hx, Wx), normalized.

        Returns:
            (B, C, h, w).
        """
        (exemplar,) = memory
        tokens, grid = self._search_tokens(search)
        parts = [exemplar.shape[1], tokens.shape[1]]
        for i, layer in enumerate(self.layers, 1):
            if i % self.interaction_every == 0:
                # [e; s] of Eq. (4): (B, Nz + Nz* + 1 + Nx, C)
                joint = layer(torch.cat([exemplar, tokens], dim=1))
                exemplar, tokens = joint.split(parts, dim=1)
            else:
                # the exemplar first: `record_attention` counts on the order
                if i > self.interaction_every:  # else in `embed_exemplar`
                    exemplar = layer(exemplar)
                tokens = layer(tokens)
        feature = self.ln1(tokens[:, 1:])
        if self.decoder is not None:
            feature = self.decoder(feature, self.ln1(exemplar))
        return feature.mT.unflatten(2, grid)  # (B, N, C) -> (B, C, h, w)

    def _exemplar_tokens(self, exemplar: Tensor, bbox: Tensor) -> Tensor:
        """Make exemplar and foveal tokens as they enter the first layer."""
        tokens = self.tokenizer(exemplar, bbox, self.patch_embed)
        if not self.tokenizer.target_position:
            n = exemplar.shape[-1] // self.patch_size
            tokens = tokens + self._position(n, n)
        return self.pre_norm(self.drop_after_pos(tokens))

    def _search_tokens(self, search: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Make class token and search tokens as they enter the first layer.

        Returns:
            (B, 1 + Nx, C), and the grid (h, w) of the search tokens.
        """
        tokens, grid = self.patch_embed(search)
        tokens = tokens + self._position(*grid)
        # The paper does not mention the class token. The official code keeps
        # it, with its pre-trained position, as one more token.
        cls_token = self.cls_token + self.pos_embed[:, :1]
        cls_token = cls_token.expand(search.shape[0], -1, -1)
        tokens = self.drop_after_pos(torch.cat([cls_token, tokens], dim=1))
        return self.pre_norm(tokens), grid

    def _position(self, h: int, w: int) -> Tensor:
        """Return p_0 without that of the class token, (1, h * w, C).

        Resized bilinearly where the grid is not that of the pre-training, as
        in the official code; mmpretrain's helper is bicubic by default.
        """
        position = self.pos_embed[:, 1:]
        if (h, w) == tuple(self.patch_resolution):
            return position
        grid = position.mT.unflatten(2, self.patch_resolution)
        grid = F.interpolate(grid, (h, w), mode='bilinear')
        return grid.flatten(2).mT


def attend(
    query: Tensor, key: Tensor, value: Tensor, dropout_p: float = 0.0
) -> Tensor:
    """Compute scaled dot-product attention, Eq. (5), in the fastest way.

    In bfloat16 on a CPU the two products and the softmax, one after the
    other, are faster than torch's fused kernel: 0.3 against 0.5 ms for the
    tokens of one crop of `sim_s16-6l_real`, and with the gradients of 32
    crops 19 against 73 ms (one core of an AMD EPYC with AVX-512).

    Args:
        query: (B, heads, Nq, C).
        key: (B, heads, Nk, C).
        value: (B, heads, Nk, C).
        dropout_p: Share of the weights that are set to zero.

    Returns:
        (B, heads, Nq, C).
    """
    on_cpu = query.device.type == 'cpu' and query.dtype == torch.bfloat16
    if not on_cpu or dropout_p:
        return F.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout_p
        )
    weights = (query * query.shape[-1] ** -0.5) @ key.mT
    return weights.softmax(-1) @ value
