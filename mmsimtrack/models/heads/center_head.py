"""The head of OSTrack: where the center is, and how large the target."""

import torch
from torch import Tensor, nn

from mmsimtrack.models.heads.corner_head import BoxHead, hann, tower
from mmsimtrack.registry import MODELS

OVERLAP = 0.7  # of a box whose corners are moved by the radius, as released


def gaussian_target(bboxes: Tensor, grid: tuple[int, int]) -> Tensor:
    """Draw the score map that a head should answer with.

    A Gaussian around the cell nearest to the center, 1 there. Its radius is
    CornerNet's with the slip that OSTrack, like many, took over: two of the
    three roots are not divided by 2a.

    Args:
        bboxes: (B, 4) xyxy in the unit square, not clamped: a center that
            is nearest to a cell beyond the grid has no cell of 1.
        grid: (h, w) cells.

    Returns:
        (B, h, w) in [0, 1].
    """
    h, w = grid
    scale = bboxes.new_tensor([w, h])
    size = (bboxes[:, 2:] - bboxes[:, :2]) * scale
    center = (bboxes[:, :2] * scale + size / 2).round()  # half to even
    t, area, o = size.sum(1), size.prod(1), OVERLAP
    roots = (
        t + (t**2 - 4 * area * (1 - o) / (1 + o)).sqrt(),
        2 * (t + (t**2 - 4 * area * (1 - o)).sqrt()),
        ((2 * o * t) ** 2 + 16 * o * (1 - o) * area).sqrt() - 2 * o * t,
    )
    radius = (torch.stack(roots).amin(0) / 2).clamp(min=0).trunc()
    sigma = (2 * radius + 1) / 6
    lines = []
    for position, length in zip(center.T, (w, h)):
        cells = torch.arange(length, device=bboxes.device)
        away = cells - position[:, None]
        gauss = torch.exp(-(away**2) / (2 * sigma[:, None] ** 2))
        lines.append(gauss * (away.abs() <= radius[:, None]))
    x, y = lines
    return y[:, :, None] * x[:, None]


@MODELS.register_module()
class CenterHead(BoxHead):
    """Reads the box off the search feature where the score is highest.

    Three maps: the score of each cell, the offset of the center from the
    upper left corner of the cell, in cells, and the size of the box as a
    share of the crop.

    Args:
        in_channels: Channels of the search feature; the tracker fills it in.
        channels: Channels of the first of the four 3x3 convolutions; the next
            three halve them.
        loss_score: Config of the loss of the score map.
        loss_iou: Config of the IoU loss, on xyxy boxes.
        loss_bbox: Config of the loss of the coordinates.
        learn_at_truth: Compare boxes in the cell of the true center instead
            of where the score is highest, which is as released. A network
            without a pre-trained part finds the center late, and until then
            boxes elsewhere tell it little about sizes.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        loss_score: dict,
        loss_iou: dict,
        loss_bbox: dict,
        learn_at_truth: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__((loss_score, loss_iou, loss_bbox), init_cfg)
        self.learn_at_truth = learn_at_truth
        self.score = tower(in_channels, channels, 1)
        self.offset = tower(in_channels, channels, 2)
        self.size = tower(in_channels, channels, 2)

    def init_weights(self) -> None:
        """Initialize as the release does; biases keep torch's defaults."""
        super().init_weights()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, feat: Tensor) -> Tensor:
        """Boxes (B, 4), xyxy in the unit square, from (B, C, h, w)."""
        return self.read(feat)[0]

    def read(
        self, feat: Tensor, prior: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute boxes, and how sure the head is of them.

        Args:
            feat: (B, C, h, w) search feature.
            prior: (h, w) of `window`, weights of the cells when the highest
                is chosen.

        Returns:
            Boxes (B, 4) xyxy in the unit square of the search crop, and
            scores (B,) in [0, 1]: those of the chosen cells, of which the
            prior is no part.
        """
        score, offset, size = self.maps(feat)
        response = score if prior is None else score * prior
        cells = response.flatten(1).argmax(1)
        scores = score.flatten(1).gather(1, cells[:, None])[:, 0]
        return self.read_boxes(cells, offset, size), scores

    @staticmethod
    def window(feat: Tensor, side: float) -> Tensor:
        """Weigh the cells by a Hann window without the zeros at both ends.

        Args:
            feat: (B, C, h, w) search feature.
            side: Of the target, which does not matter here.

        Returns:
            (h, w), for `read`.
        """
        y, x = (
            hann(torch.arange(1, n + 1, device=feat.device) / (n + 1), 0.5)
            for n in feat.shape[-2:]
        )
        return torch.outer(y, x)

    def maps(self, feat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute score (B, 1, h, w), offset and size (B, 2, h, w): x, y.

        In float32 at least. Scores and sizes lie in [1e-4, 1 - 1e-4].
        """
        parts = self.score(feat), self.size(feat)
        dtype = torch.promote_types(parts[0].dtype, torch.float32)
        parts = (part.to(dtype).sigmoid() for part in parts)
        score, size = (part.clamp(1e-4, 1 - 1e-4) for part in parts)
        return score, self.offset(feat).to(dtype), size

    @staticmethod
    def read_boxes(cells: Tensor, offset: Tensor, size: Tensor) -> Tensor:
        """Read the boxes at chosen cells.

        Args:
            cells: (B,) numbers of cells, row by row.
            offset: (B, 2, h, w) of the center from the cell, in cells.
            size: (B, 2, h, w), width and height in units of the crop.

        Returns:
            (B, 4) xyxy in the unit square.
        """
        h, w = size.shape[-2:]
        index = cells[:, None, None].expand(-1, 2, 1)
        offset, size = (
            x.flatten(2).gather(2, index)[..., 0] for x in (offset, size)
        )
        corner = torch.stack([cells % w, cells // w], dim=1)
        center = (corner + offset) / offset.new_tensor([w, h])
        return torch.cat([center - size / 2, center + size / 2], dim=1)

    def loss(self, feat: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Compare the score map and the boxes with the truth.

        The boxes are read in one cell, where the predicted score is highest
        or with `learn_at_truth` where the target is (if its center is in the
        map); offset and size learn there only.

        Args:
            feat: (B, C, h, w) search feature.
            data_samples: B samples with `gt_instances.bboxes` (1, 4), xyxy in
                the unit square of the search crop; for the boxes, parts
                outside of the crop are cut off.

        Returns:
            `loss_score`, `loss_iou` and `loss_bbox`.
        """
        score, offset, size = self.maps(feat)
        loss_score, loss_iou, loss_bbox = self.losses
        with torch.autocast(feat.device.type, enabled=False):
            truth = torch.cat([s.gt_instances.bboxes for s in data_samples])
            truth = truth.to(score)
            target = gaussian_target(truth, score.shape[-2:])[:, None]
            positive = target == 1
            rank = score + positive if self.learn_at_truth else score
            pred = self.read_boxes(rank.flatten(1).argmax(1), offset, size)
            count = positive.sum().clamp(min=1)
            truth = truth.clamp(0, 1)
            return {
                'loss_score': loss_score(score, target, avg_factor=count),
                'loss_iou': loss_iou(pred, truth),
                'loss_bbox': loss_bbox(pred, truth),
            }
