"""The backbone of OSTrack: one ViT, two tables of positions."""

import math

import torch
import torch.nn.functional as F
from mmpretrain.models import VisionTransformer
from torch import Tensor, nn

from mmsimtrack.models.backbones.candidate_elimination import (
    CandidateElimination,
    rank_tokens,
)
from mmsimtrack.models.weights.guard import guard
from mmsimtrack.registry import MODELS


@MODELS.register_module()
class OSTrackViT(VisionTransformer):
    """One ViT for the exemplar and the search image, without a class token.

    The network, its arguments and its parameter names are mmpretrain's, but
    for the positions: exemplar and search image have a table each, which fit
    the sizes of the crops. From a pre-trained file, both are its positions,
    resized. `set_crop_sizes` makes them; `SOTTracker` calls it.

    Args:
        elimination: Options of `CandidateElimination`: search tokens that
            are dropped on the way. Their cells are 0 in the search feature.
            None drops none.
        **kwargs: Of `mmpretrain.VisionTransformer`.
    """

    fresh = ()
    tables = ('exemplar_position', 'search_position')

    def __init__(self, elimination: dict | None = None, **kwargs) -> None:
        super().__init__(with_cls_token=False, out_type='raw', **kwargs)
        self.register_parameter('pos_embed', None)
        self.patch_size = self.patch_embed.projection.kernel_size[0]
        self.out_channels = self.embed_dims
        self.elimination = elimination and CandidateElimination(
            self.num_layers, **elimination
        )
        guard(self, new=self.fresh)
        # before the guard and the hook of mmpretrain look at the positions
        handle = self._register_load_state_dict_pre_hook(self._fill_tables)
        self._load_state_dict_pre_hooks.move_to_end(handle.id, last=False)

    def set_crop_sizes(self, exemplar: int, search: int) -> None:
        """Make the tables of positions, random ones.

        Args:
            exemplar: Side of the exemplar in pixels.
            search: Side of the search image in pixels.
        """
        for name, size in zip(self.tables, (exemplar, search)):
            shape = 1, (size // self.patch_size) ** 2, self.embed_dims
            table = nn.init.trunc_normal_(torch.empty(shape), std=0.02)
            setattr(self, name, nn.Parameter(table))

    def embed_exemplar(
        self, exemplar: Tensor, exemplar_bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute what does not depend on the search image.

        Args:
            exemplar: (B, 3, Hz, Wz), normalized.
            exemplar_bbox: (B, 4) xyxy of the target in its unit square.

        Returns:
            The tokens as they enter the first layer, (B, Nz, C); with
            elimination also their weights in its ranking, (B, Nz).
        """
        tokens = self._embed(exemplar, self.exemplar_position)
        if self.elimination is None:
            return (tokens,)
        weights = self.elimination.template_weights(
            math.isqrt(tokens.shape[1]), self.patch_size, exemplar_bbox
        )
        return tokens, weights

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> Tensor:
        """Search feature.

        Args:
            memory: What `embed_exemplar` returned.
            search: (B, 3, Hx, Wx), normalized.

        Returns:
            (B, C, h, w); 0 in the cells of dropped tokens.
        """
        exemplar, *weights = memory
        tokens = self._embed(search, self.search_position)
        num_exemplar, num_search = exemplar.shape[1], tokens.shape[1]
        tokens = torch.cat([exemplar, tokens], dim=1)
        cells = torch.arange(num_search, device=tokens.device)
        cells = cells.expand(
            tokens.shape[0], -1
        )  # (B, Nx), of the tokens left
        for i, layer in enumerate(self.layers):
            before, tokens = tokens, layer(tokens)
            kept = num_left = cells.shape[1]
            if self.elimination is not None:
                kept = self.elimination.num_kept(i, num_left, self.training)
            if kept < num_left:
                # The release drops before the MLP of the block, which works
                # on each token alone: what stays is the same.
                ranks = rank_tokens(layer, before, *weights)
                best = ranks.topk(kept, dim=1).indices
                cells = cells.gather(1, best)
                exemplar, rest = tokens.tensor_split([num_exemplar], dim=1)
                # not take_along_dim: an export of it fixes the batch
                index = best[..., None].expand(-1, -1, rest.shape[2])
                rest = rest.gather(1, index)
                tokens = torch.cat([exemplar, rest], dim=1)
        feature = self.ln1(tokens)[:, num_exemplar:]
        if cells.shape[1] < num_search:
            index = cells[..., None].expand_as(feature)
            shape = feature.shape[0], num_search, self.embed_dims
            feature = feature.new_zeros(shape).scatter(1, index, feature)
        side = math.isqrt(num_search)
        return feature.mT.unflatten(2, (side, side))  # -> (B, C, h, w)

    def _embed(self, image: Tensor, position: Tensor) -> Tensor:
        """Tokens of an image as they enter the first layer."""
        tokens, _ = self.patch_embed(image)
        return self.pre_norm(self.drop_after_pos(tokens + position))

    def _fill_tables(self, found: dict, prefix: str, *_) -> None:
        """Make both tables of the positions of a pre-trained ViT.

        They are resized bicubically, and its class token is left out.
        """
        position = found.get(f'{prefix}pos_embed')
        if position is None or f'{prefix}{self.tables[0]}' in found:
            return
        del found[f'{prefix}pos_embed']
        found.pop(f'{prefix}cls_token', None)
        side = math.isqrt(position.shape[1])
        grid = position[:, -(side**2) :].mT.unflatten(2, (side, side))
        for name in self.tables:
            own = math.isqrt(getattr(self, name).shape[1])
            resized = F.interpolate(grid, (own, own), mode='bicubic')
            found[f'{prefix}{name}'] = resized.flatten(2).mT
