"""SimTrack: a joint backbone and a corner head that follow one target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from mmsimtrack.models.trackers.track_state import TrackState
from mmsimtrack.registry import MODELS
from mmsimtrack.structures import (
    CropWindow,
    SOTDataSample,
    check_first_box,
    clip_bboxes,
)


@MODELS.register_module()
class SimTrack(BaseModel):
    """Simplified tracking, Sec. 3.2.

    No interaction module, no window, no post-processing but the mapping of
    the box back to the frame.

    Args:
        backbone: Config of a backbone with `embed_exemplar`, `forward` and
            `out_channels`.
        head: Config of the head; its `in_channels` are filled in.
        exemplar: `size` of the crop in pixels and `factor`, its side over
            sqrt(w * h) of the target (Sec. 4.1).
        search: The same for the search crop.
        clip_margin: Boxes keep this many pixels in the frame, and at least
            this side; 10 in the official code.
        data_preprocessor: Config of `SOTDataPreprocessor`.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        exemplar: dict,
        search: dict,
        clip_margin: float,
        data_preprocessor: dict,
        init_cfg: dict | None = None,
    ) -> None:
        # built here: mmengine would look it up in its own registry
        super().__init__(MODELS.build(data_preprocessor), init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(
            head, default_args={'in_channels': self.backbone.out_channels}
        )
        self.exemplar = dict(exemplar)
        self.search = dict(search)
        self.clip_margin = clip_margin

    def forward(
        self,
        inputs: dict[str, Tensor],
        data_samples: list[SOTDataSample] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[SOTDataSample] | Tensor:
        """Run the network on a batch of pairs.

        Args:
            inputs: `exemplar` (B, 3, Hz, Wz) and `search` (B, 3, Hx, Wx),
                normalized; `exemplar_bbox` (B, 4) xyxy of the target in the
                unit square of the exemplar.
            data_samples: What to compare with (`'loss'`) or to fill in
                (`'predict'`).
            mode: `'loss'`: the two losses of Eq. (3). `'tensor'`: (B, 4)
                xyxy in the unit square of the search crop. `'predict'`: data
                samples with these boxes and scores in `pred_instances`.

        Raises:
            ValueError: If the mode is none of these.
        """
        if mode not in ('loss', 'tensor', 'predict'):
            raise ValueError(
                f"SimTrack.forward: mode is {mode!r}, expected 'loss', "
                "'tensor' or 'predict'."
            )
        if mode == 'loss' and data_samples is None:
            raise ValueError(
                "SimTrack.forward: mode 'loss' needs data_samples with the "
                'ground truth, found None.'
            )
        memory = self.backbone.embed_exemplar(
            inputs['exemplar'], inputs['exemplar_bbox']
        )
        feat = self.backbone(memory, inputs['search'])
        if mode == 'loss':
            return self.head.loss(feat, data_samples)
        if mode == 'tensor':
            return self.head(feat)
        return self._predict(feat, data_samples)

    def parse_losses(
        self, losses: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum up the losses, between the forward and the backward pass.

        Raises:
            FloatingPointError: In all processes, if in one of them the loss
                is not finite.
        """
        loss, log_vars = super().parse_losses(losses)
        lost = (~loss.detach().isfinite()).int()
        all_reduce(lost)
        if lost:
            found = ', '.join(f'{k} {v.item():g}' for k, v in log_vars.items())
            raise FloatingPointError(
                f'The loss is not finite (in this process: {found}).'
            )
        return loss, log_vars

    def _predict(
        self, feat: Tensor, data_samples: list[SOTDataSample] | None
    ) -> list[SOTDataSample]:
        bboxes, scores = self.head.predict(feat)
        if data_samples is None:
            data_samples = [SOTDataSample() for _ in bboxes]
        for i, sample in enumerate(data_samples):
            sample.pred_instances = InstanceData(
                bboxes=bboxes[i : i + 1], scores=scores[i : i + 1]
            )
        return data_samples

    @torch.no_grad()
    def init(
        self, frames: Sequence[np.ndarray], bboxes: Sequence
    ) -> TrackState:
        """Start tracking in B videos.

        Args:
            frames: B arrays (H, W, 3), RGB uint8; sizes may differ.
            bboxes: (B, 4) xyxy of the targets in frame pixels.

        Raises:
            ValueError: If a box is not finite, has no area or lies wholly
                outside of its frame.
        """
        bboxes = np.asarray(bboxes, np.float64).reshape(-1, 4)
        _check_frames(frames, len(bboxes))
        for row, (frame, bbox) in enumerate(zip(frames, bboxes)):
            check_first_box(bbox, frame.shape, f'Video {row}')
        crops, windows = self._cut(frames, bboxes, self.exemplar)
        in_crop = [w.to_crop(bbox) for w, bbox in zip(windows, bboxes)]
        memory = self.backbone.embed_exemplar(
            crops,
            torch.from_numpy(np.stack(in_crop))
            .to(crops.dtype)  # before the device: MPS has no float64
            .to(crops.device),
        )
        return TrackState(
            memory,
            torch.from_numpy(bboxes.copy()),
            torch.ones(len(bboxes)),
        )

    @torch.no_grad()
    def track(
        self, frames: Sequence[np.ndarray], state: TrackState
    ) -> TrackState:
        """Find the targets in the next frame of B videos.

        Args:
            frames: B arrays (H, W, 3), RGB uint8.
            state: Of the previous frames.

        Returns:
            The state of these frames. A non-finite prediction keeps the
            previous box, gets score 0 and is logged once per video.
        """
        _check_frames(frames, len(state))
        if not len(state):
            return state
        previous = state.bboxes.numpy()
        crops, windows = self._cut(frames, previous, self.search)
        unit, scores = self.head.predict(self.backbone(state.memory, crops))
        unit, scores = unit.cpu().double().numpy(), scores.float().cpu()
        # before the clip, which would turn an infinity into a border
        lost = ~(np.isfinite(unit).all(-1) & np.isfinite(scores.numpy()))
        bboxes = np.stack([w.to_frame(row) for w, row in zip(windows, unit)])
        bboxes = clip_bboxes(
            bboxes, [frame.shape[:2] for frame in frames], self.clip_margin
        )
        bboxes[lost] = previous[lost]
        lost = torch.from_numpy(lost)
        for row in torch.nonzero(lost & ~state.kept).flatten().tolist():
            MMLogger.get_current_instance().warning(
                f'SimTrack.track: non-finite prediction for video {row} of '
                'the batch; the previous box is kept, here and in its later '
                'frames. Check the weights and the precision (fp16?).'
            )
        return TrackState(
            state.memory,
            torch.from_numpy(bboxes),
            scores.masked_fill(lost, 0),
            state.kept | lost,
        )

    def _cut(
        self, frames: Sequence[np.ndarray], bboxes: np.ndarray, view: dict
    ) -> tuple[Tensor, list[CropWindow]]:
        """Normalized crops (B, 3, size, size) around boxes, and windows."""
        windows = [
            CropWindow.around(bbox, view['factor'], view['size'])
            for bbox in bboxes
        ]
        crops = np.stack([w.cut(f) for w, f in zip(windows, frames)])
        # (B, H, W, 3) -> (B, 3, H, W)
        crops = torch.from_numpy(crops).permute(0, 3, 1, 2)
        return self.data_preprocessor.normalize(crops), windows


def _check_frames(frames: Sequence[np.ndarray], num_videos: int) -> None:
    """Refuse frames that do not fit the videos, or are no RGB images."""
    if len(frames) != num_videos:
        raise ValueError(
            f'Found {len(frames)} frames for {num_videos} videos. Give a list '
            'with the next frame of each video.'
        )
    for row, frame in enumerate(frames):
        rgb = frame.ndim == 3 and frame.shape[2] == 3
        if not rgb or frame.dtype != np.uint8:
            raise ValueError(
                f'Video {row}: the frame has shape {frame.shape} and dtype '
                f'{frame.dtype}, expected (H, W, 3) RGB uint8.'
            )
