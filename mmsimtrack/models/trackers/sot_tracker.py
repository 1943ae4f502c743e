"""A tracker: a backbone and a head that follow one target."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.model import BaseModel
from numpy import ndarray as Array
from torch import Tensor

from mmsimtrack.log import warn
from mmsimtrack.models.trackers.track_state import TrackState
from mmsimtrack.registry import MODELS
from mmsimtrack.structures import (
    CropWindow,
    SOTDataSample,
    check_first_box,
    read_boxes,
    tracking,
)


@MODELS.register_module(name=['SOTTracker', 'SimTrack'])
class SOTTracker(BaseModel):
    """Follows one target per video with any backbone and any head.

    SimTrack (Sec. 3.2) is a config of it: a joint backbone, a corner head and
    no post-processing but the mapping of the box back to the frame.

    Args:
        backbone: Config of a backbone with `embed_exemplar`, `forward` and
            `out_channels`. If it has a `patch_size`, the sizes of both crops
            must be multiples of it; if it has `set_crop_sizes`, it is told
            them.
        head: Config of the head; its `in_channels` are filled in.
        exemplar: `size` of the crop in pixels and `factor`, its side over
            sqrt(w * h) of the target (Sec. 4.1).
        search: The same for the search crop.
        clip_margin: Boxes keep this many pixels in the frame, and at least
            this side; 10 in the official code.
        data_preprocessor: Config of `SOTDataPreprocessor`.
        train_cfg: `jitter` of the search crops of training pairs; see
            `PairDataset`.
        test_cfg: Options of `track`. `window='hann'` prefers boxes near the
            former one, in the middle of the search crop: what the `window`
            of the head returns is given to it as a prior. `size_smoothing` in
            [0, 1) is the share of the former width and height in the next
            one, around the predicted center, where they hardly differ.
            `calibrate=True` measures in the first frame how predictions
            differ from the given box, in center and size, and takes this off
            all later boxes, which then follow the habits of whoever drew the
            first. `lost`, the settings of a `LostRule`, lets it say where
            the target is not seen, and search for it. SimTrack has none of
            them.
        init_cfg: Initialization config of mmengine.

    Raises:
        ValueError: If a number makes no sense.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        exemplar: dict,
        search: dict,
        clip_margin: float,
        data_preprocessor: dict,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        # built here: mmengine would look it up in its own registry
        super().__init__(MODELS.build(data_preprocessor), init_cfg)
        self.backbone = MODELS.build(backbone)
        if hasattr(self.backbone, 'set_crop_sizes'):
            self.backbone.set_crop_sizes(exemplar['size'], search['size'])
        self.head = MODELS.build(
            head, default_args={'in_channels': self.backbone.out_channels}
        )
        self.exemplar = dict(exemplar)
        self.search = dict(search)
        self.train_cfg = dict(train_cfg or {})
        options = dict(test_cfg or {})
        self.window = options.pop('window', None)
        self._priors = {}
        self.rules = tracking.BoxRules(clip_margin, **options)
        self._check_settings()

    def _check_settings(self) -> None:
        """Refuse numbers that give no sensible crop or box."""
        patch = getattr(self.backbone, 'patch_size', 1)
        whole = f'a multiple of the patch of the backbone, {patch} px'
        margin, share = self.rules.clip_margin, self.rules.size_smoothing
        known, mixed = self.window in (None, 'hann'), 0 <= share < 1
        able = self.window is None or hasattr(self.head, 'window')
        own = f'None: {type(self.head).__name__} has no method `window`'
        checks = [
            ('clip_margin', f'{margin} px', margin >= 0, '0 or more'),
            ('test_cfg.window', self.window, known, "None or 'hann'"),
            ('test_cfg.window', self.window, able, own),
            ('test_cfg.size_smoothing', share, mixed, 'within [0, 1)'),
        ]
        for part in self.backbone.modules():
            heads = getattr(part, 'num_heads', 1)
            width = getattr(part, 'embed_dims', heads)
            if isinstance(heads, int):  # one layer, not all stages
                divides = f'a divisor of the width, {width}'
                fits = width % heads == 0
                checks += [('backbone: num_heads', heads, fits, divides)]
        views = {'exemplar': self.exemplar, 'search': self.search}
        for name, view in views.items():
            size, factor = view['size'], view['factor']
            fits = size > 0 and size % patch == 0
            checks += [
                (f'{name}.size', f'{size} px', fits, whole),
                (f'{name}.factor', factor, factor > 0, 'more than 0'),
            ]
        for name, value, fits, expected in checks:
            if not fits:
                raise ValueError(
                    f'model.{name} is {value}, expected {expected}. Change it '
                    'in the config.'
                )

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
            data_samples: Ground truth to compare with (`'loss'`), or
                samples to fill in (`'predict'`; None makes new ones).
            mode: `'loss'`: the two losses of Eq. (3). `'tensor'`: (B, 4)
                xyxy in the unit square of the search crop. `'predict'`: data
                samples with these boxes and scores in `pred_instances`.

        Raises:
            ValueError: If the mode is none of these.
        """
        if mode not in ('loss', 'tensor', 'predict'):
            raise ValueError(
                f"SOTTracker.forward: mode is {mode!r}, expected 'loss', "
                "'tensor' or 'predict'."
            )
        feat = self.search_feature(inputs)
        if mode == 'loss':
            return self.head.loss(feat, data_samples)
        if mode == 'tensor':
            return self.head(feat)
        pred = self.head.predict(feat)
        data_samples = data_samples or [SOTDataSample() for _ in pred]
        for row, sample in zip(pred, data_samples):
            sample.pred_instances = row
        return data_samples

    def search_feature(self, inputs: dict[str, Tensor]) -> Tensor:
        """Run the backbone on a batch of pairs: (B, C, h, w)."""
        memory = self.backbone.embed_exemplar(
            inputs['exemplar'], inputs['exemplar_bbox']
        )
        return self.backbone(memory, inputs['search'])

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

    @torch.no_grad()
    def init(self, frames: Sequence[Array], bboxes: Sequence) -> TrackState:
        """Start tracking in B videos.

        Args:
            frames: B arrays (H, W, 3), RGB uint8; sizes may differ.
            bboxes: (B, 4) xyxy of the targets in frame pixels.

        Raises:
            ValueError: If a box is not finite, has no area or lies wholly
                outside of its frame.
        """
        bboxes = read_boxes(bboxes)
        frames = tracking.check_frames(frames, len(bboxes))
        for row, (frame, bbox) in enumerate(zip(frames, bboxes)):
            check_first_box(bbox, frame.shape, f'Video {row}')
        crops, windows = self._cut(frames, bboxes, self.exemplar)
        in_crop = [w.to_crop(bbox) for w, bbox in zip(windows, bboxes)]
        # the type before the device: MPS has no float64
        in_crop = torch.from_numpy(np.stack(in_crop)).float()
        memory = self.backbone.embed_exemplar(crops, in_crop.to(crops.device))
        predict = partial(self._find, frames, memory)
        found = _to_tensors(self.rules.start(bboxes, predict))
        return TrackState(
            memory, found.pop('bboxes'), found.pop('scores'), found
        )

    def _find(
        self,
        frames: Sequence[Array],
        memory: tuple[Tensor, ...],
        around: Array,
    ) -> tuple[Array, Array, Array]:
        """Predict around boxes: boxes in frame pixels, scores, peaks."""
        crops, windows = self._cut(frames, around, self.search)
        feat = self.backbone(memory, crops)
        pred = self.head.predict(feat, self._prior(feat))
        unit = pred.bboxes.cpu().double().numpy()
        bboxes = [w.to_frame(row) for w, row in zip(windows, unit)]
        scores = pred.scores.float().cpu()
        peaks = pred.get('peaks', torch.full_like(scores, torch.nan))
        return np.stack(bboxes), scores.numpy(), peaks.cpu().double().numpy()

    @torch.no_grad()
    def track(self, frames: Sequence[Array], state: TrackState) -> TrackState:
        """Find the targets in the next frame of B videos.

        Args:
            frames: B arrays (H, W, 3), RGB uint8.
            state: State of the previous frames.

        Returns:
            The state of these frames. A prediction that is not finite keeps
            the previous box and score, is counted in the state, and logged
            once per video. A target that is not seen keeps its box, too.
        """
        frames = tracking.check_frames(frames, len(state))
        if not len(state):
            return state
        known = {'bboxes': state.bboxes, 'scores': state.scores}
        # trackers may remember more
        own = {'bias', 'usual_peaks', 'missed', 'num_failed'}
        known |= {k: state.extra[k] for k in own & state.extra.keys()}
        known = {name: tensor.numpy() for name, tensor in known.items()}
        predict = partial(self._find, frames, state.memory)
        found = self.rules.follow(frames, known, predict)
        failed = (known['num_failed'] == 0) & (found['num_failed'] > 0)
        for row in np.flatnonzero(failed):
            warn(
                f'SOTTracker.track: non-finite prediction for video {row} of '
                'the batch; the previous box is kept, here and in its later '
                'frames. Check the weights and the precision (fp16?).'
            )
        found = _to_tensors(found)
        last = {name: found.pop(name) for name in ('bboxes', 'scores')}
        return replace(state, **last, extra=state.extra | found)

    def _prior(self, feat: Tensor) -> Tensor | None:
        """Weigh where the target may be in a search crop, for the head."""
        if self.window is None:
            return None
        side = 1 / self.search['factor']
        key = *feat.shape[-2:], side, feat.device
        if key not in self._priors:
            self._priors[key] = self.head.window(feat, side)
        return self._priors[key]

    def _cut(
        self, frames: Sequence[Array], bboxes: Array, view: dict
    ) -> tuple[Tensor, list[CropWindow]]:
        """Cut normalized crops (B, 3, size, size); return them and windows."""
        crops, windows = tracking.cut_crops(frames, bboxes, view)
        crops = torch.from_numpy(crops)
        return self.data_preprocessor.normalize(crops), windows


def _to_tensors(arrays: dict[str, Array]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
