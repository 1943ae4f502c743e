"""A tracker of the GOT-10k toolkit; `pip install got10k` is up to the user.

See docs/en/toolkits.md.
"""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image

from mmsimtrack.apis import Tracker
from mmsimtrack.models import SOTTracker
from mmsimtrack.optional import need
from mmsimtrack.structures import xywh_to_xyxy, xyxy_to_xywh

trackers = need('got10k.trackers', 'mmsimtrack.adapters.got10k', 'got10k')


class GOT10kTracker(trackers.Tracker):
    """Tracks for the toolkit's experiments.

    Args:
        name: Name of the folder of results.
        model: Name of the model zoo, config or built tracker; see
            `mmsimtrack.apis.Tracker`.
        weights: Checkpoint; see `mmsimtrack.apis.Tracker`.
        device: Such as `cuda:0`; see `mmsimtrack.apis.Tracker`.
    """

    def __init__(
        self,
        name: str,
        model: str | Path | Config | SOTTracker,
        weights: str | Path | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        # else the toolkit tracks each sequence three times
        super().__init__(name, is_deterministic=True)
        self.tracker = Tracker(model, weights, device)

    def init(self, image: Image.Image, box: np.ndarray) -> None:
        """Start with the first frame, and the box (x, y, w, h) in it."""
        self.tracker.init(image.convert('RGB'), xywh_to_xyxy(box))

    def update(self, image: Image.Image) -> np.ndarray:
        """Return the box (x, y, w, h) in the next frame."""
        bbox = self.tracker.update(image.convert('RGB'))[1]
        return xyxy_to_xywh(bbox)
