"""The corner predictor of STARK-S: Sec. 3.1, Eq. (3)."""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from operator import add

import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmsimtrack.models.weights.guard import guard
from mmsimtrack.registry import MODELS


def soft_argmax(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the expected position under a heat map.

    A cell counts with its upper left corner, i / n and not (i + 0.5) / n, as
    in STARK-S. Runs in float32 at least: bfloat16 heat maps cost 0.16 px.

    Args:
        scores: (B, 1, h, w) before the softmax.

    Returns:
        (B, 2) position x, y in [0, 1), and (B, h, w) heat maps that sum to 1.
    """
    dtype = torch.promote_types(scores.dtype, torch.float32)
    with torch.autocast(scores.device.type, enabled=False):
        h, w = scores.shape[-2:]
        heatmap = scores.flatten(1).to(dtype).softmax(-1)
        heatmap = heatmap.unflatten(1, (h, w))
        x = torch.arange(w, dtype=dtype, device=scores.device) / w
        y = torch.arange(h, dtype=dtype, device=scores.device) / h
        # in one sum each: OpenVINO 2026.4 fails at a sum of products of sums
        x = (heatmap * x).sum((1, 2))
        y = (heatmap * y[:, None]).sum((1, 2))
        return torch.stack([x, y], dim=-1), heatmap


def gaussian_heatmap(
    corner: Tensor, size: tuple[int, int], sigma: float
) -> Tensor:
    """Draw Gaussians around corners.

    Args:
        corner: (B, 2) x, y in the unit square.
        size: Height and width of the maps in cells.
        sigma: Standard deviation of the Gaussians in cells.

    Returns:
        (B, h, w) heat maps, each sums to 1.
    """
    axes = []
    for position, length in zip(corner.T, reversed(size)):
        cells = torch.arange(length, device=corner.device)
        offset = (cells - position[:, None] * length) / sigma
        axes.append((-(offset**2) / 2).softmax(-1))
    x, y = axes
    return y[:, :, None] * x[:, None]  # (B, h, w)


def heatmap_divergence(heatmap: Tensor, target: Tensor) -> Tensor:
    """Kullback-Leibler divergence of heat maps from their targets.

    Args:
        heatmap: (B, h, w), each sums to 1.
        target: (B, h, w), likewise.

    Returns:
        The mean over the batch, >= 0.
    """
    log_ratio = target.clamp(min=1e-12).log() - heatmap.clamp(min=1e-12).log()
    return (target * log_ratio).sum((1, 2)).mean()


def hann(positions: Tensor, middle: float) -> Tensor:
    """Compute a Hann window, one crop wide: 1 in its middle, 0 outside.

    Args:
        positions: In sides of the crop.
        middle: Where the window has its middle, likewise.

    Returns:
        Weights in [0, 1], shaped like `positions`.
    """
    away = (positions - middle).abs().clamp(max=0.5)
    return (torch.pi * away).cos() ** 2


class BoxHead(BaseModule):
    """What heads have in common: losses, and a guard of their weights.

    Args:
        loss_cfgs: Configs of the losses.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(self, loss_cfgs: Sequence[dict], init_cfg: dict | None):
        super().__init__(init_cfg)
        self.loss_cfgs = loss_cfgs
        guard(self, config='model.head')

    @cached_property
    def losses(self) -> list[nn.Module]:
        """The losses, built when first needed: tracking needs none."""
        return [MODELS.build(cfg) for cfg in self.loss_cfgs]

    def predict(
        self, feat: Tensor, prior: Tensor | None = None
    ) -> InstanceData:
        """Predict `bboxes`, `scores` and maybe `peaks`; see `read`."""
        found = zip(('bboxes', 'scores', 'peaks'), self.read(feat, prior))
        return InstanceData(**dict(found))


@MODELS.register_module()
class CornerHead(BoxHead):
    """Reads the box off the search feature: two heat maps, two corners.

    Args:
        in_channels: Channels of the search feature; the tracker fills it in.
        channels: Channels of the first of the four 3x3 convolutions; the next
            three halve them. A 1x1 bottleneck comes before them, unless the
            search feature has as many channels.
        loss_iou: Config of L_iou of Eq. (3), on xyxy boxes.
        loss_bbox: Config of L_1 of Eq. (3).
        upsample: How many times finer than the search feature the heat maps
            are, per side (ours; 1 in the paper): the bottleneck puts out
            upsample^2 cells for each token.
        loss_heatmap: `sigma` in cells and `loss_weight` of a third loss, the
            divergence of each heat map from a Gaussian around the true
            corner (ours, as DSNT regularizes its heat maps; none in the
            paper). Without it, only the mean of a heat map is supervised.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        loss_iou: dict,
        loss_bbox: dict,
        upsample: int = 1,
        loss_heatmap: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__((loss_iou, loss_bbox), init_cfg)
        # STARK-S's transformer has the width of the predictor already
        self.bottleneck = (
            nn.Identity()
            if in_channels == channels and upsample == 1
            else nn.Conv2d(in_channels, channels * upsample**2, 1)
        )
        self.shuffle = nn.PixelShuffle(upsample)
        self.top_left = tower(channels, channels, 1)
        self.bottom_right = tower(channels, channels, 1)
        self.loss_heatmap = loss_heatmap

    def forward(self, feat: Tensor) -> Tensor:
        """Compute boxes (B, 4), xyxy in the unit square, from (B, C, h, w).

        Nothing keeps the second corner right of and below the first.
        """
        return self.corners(feat)[0]

    def read(
        self, feat: Tensor, prior: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute boxes, how sure the head is of them, and of the target.

        Args:
            feat: (B, C, h, w) search feature.
            prior: (2, h, w) of `window`, by which the heat maps are weighed.

        Returns:
            Boxes (B, 4) xyxy in the unit square of the search crop; scores
            (B,) in [0, 1], the geometric mean of the two heat maps' maxima
            (ours; the paper has none); and peaks (B,), by how much the
            maxima of the maps, with the logarithm of the prior but before
            the softmax, are above the means without it, in sum. Where the
            target is missing they are low: the softmax hides that, since
            something is always highest.
        """
        maps = self.heatmap_scores(feat)
        weighed = maps if prior is None else [*map(add, maps, prior.log())]
        bboxes, heatmaps = read_corners(weighed)
        scores = torch.stack([h.flatten(1).amax(-1) for h in heatmaps])
        highest, mean = (
            torch.cat([*each], 1).flatten(2).to(scores.dtype)  # (B, 2, h * w)
            for each in (weighed, maps)
        )
        peaks = (highest.amax(-1) - mean.mean(-1)).sum(-1)
        return bboxes, scores.prod(0).sqrt(), peaks

    def window(self, feat: Tensor, side: float) -> Tensor:
        """Weigh where the corners are, if the target has hardly moved (ours).

        A Hann window around each corner of a square in the middle of the
        crop. What is farther away than half of the crop keeps 1e-4, since a
        target may be anywhere.

        Args:
            feat: (B, C, h, w) search feature.
            side: Of the square, in sides of the crop.

        Returns:
            (2, upsample * h, upsample * w), for `read`.
        """
        lines = []
        for cells in feat.shape[-2:]:
            cells = cells * self.shuffle.upscale_factor
            at = torch.arange(cells, device=feat.device) / cells
            around = (1 - side) / 2, (1 + side) / 2
            lines.append(torch.stack([hann(at, each) for each in around]))
        y, x = lines
        return (y[:, :, None] * x[:, None]).clamp(min=1e-4)

    def corners(self, feat: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Compute boxes (B, 4) and the heat maps (B, h, w) of both corners."""
        return read_corners(self.heatmap_scores(feat))

    def heatmap_scores(self, feat: Tensor) -> tuple[Tensor, Tensor]:
        """Compute scores (B, 1, h, w) of both corners before the softmax."""
        feat = self.shuffle(self.bottleneck(feat))
        return self.top_left(feat), self.bottom_right(feat)

    def loss(
        self,
        feat: Tensor,
        data_samples: list,
        target_heatmaps: tuple[Tensor, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Compute Eq. (3), each part with its weight.

        Args:
            feat: (B, C, h, w) search feature.
            data_samples: B samples with `gt_instances.bboxes` (1, 4), xyxy in
                the unit square of the search crop; parts outside of the crop
                are cut off.
            target_heatmaps: (B, h, w) for each corner, what `loss_heatmap`
                compares with; Gaussians around the true corners if None.

        Returns:
            `loss_iou`, `loss_bbox` and, if the config asks for it,
            `loss_heatmap`. An inverted prediction (second corner left of or
            above the first) gets the constant, maximal GIoU loss: mmdet's
            would reward it with 0.
        """
        if self.loss_heatmap:
            pred, heatmaps = self.corners(feat)
        else:
            pred = self(feat)
        loss_iou, loss_bbox = self.losses
        with torch.autocast(feat.device.type, enabled=False):
            bboxes = [sample.gt_instances.bboxes for sample in data_samples]
            target = torch.cat(bboxes).to(pred).clamp(0, 1)
            iou = loss_iou(pred, target, reduction_override='none')
            ordered = (pred[:, 2:] >= pred[:, :2]).all(-1)
            worst = iou.new_tensor(2 * loss_iou.loss_weight)  # 1 - GIoU <= 2
            losses = {
                'loss_iou': iou.where(ordered, worst).mean(),
                'loss_bbox': loss_bbox(pred, target),
            }
            if self.loss_heatmap:
                if target_heatmaps is None:
                    size = heatmaps[0].shape[1:]
                    sigma = self.loss_heatmap['sigma']
                    target_heatmaps = [
                        gaussian_heatmap(corner, size, sigma)
                        for corner in target.split(2, -1)
                    ]
                weight = self.loss_heatmap['loss_weight'] / 2
                losses['loss_heatmap'] = weight * sum(
                    map(heatmap_divergence, heatmaps, target_heatmaps)
                )
        return losses


def read_corners(
    maps: tuple[Tensor, Tensor],
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Compute boxes (B, 4) and heat maps (B, h, w) of both corners.

    Args:
        maps: Scores (B, 1, h, w) of both corners before the softmax.
    """
    corners, heatmaps = zip(*map(soft_argmax, maps))
    return torch.cat(corners, dim=-1), heatmaps


def tower(in_channels: int, channels: int, out_channels: int) -> nn.Sequential:
    """Make the convolutions from a feature to a map of cells.

    Four 3x3 convolutions of `channels` and, each time, half of them; then a
    1x1 convolution to `out_channels`.
    """
    layers = []
    widths = [in_channels, *(channels // 2**i for i in range(4))]
    for width_in, width_out in pairwise(widths):
        layers += [
            nn.Conv2d(width_in, width_out, 3, padding=1),
            nn.BatchNorm2d(width_out),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], out_channels, 1))
