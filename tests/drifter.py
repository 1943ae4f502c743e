"""A tracker without a network."""

import time

import numpy as np
import torch

from mmsimtrack.models import TrackState


class Drifter(torch.nn.Module):
    """Moves each box by (2, 1) px per frame, and halves its score.

    Args:
        pause: Seconds that a frame takes.
    """

    def __init__(self, pause=0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.pause = pause
        self.largest = 0  # batch

    def init(self, frames, bboxes):
        bboxes = torch.tensor(np.array(bboxes), dtype=torch.float64)
        return TrackState((), bboxes, torch.ones(len(bboxes)))

    def track(self, frames, state):
        assert len(frames) == len(state)
        self.largest = max(self.largest, len(state))
        time.sleep(self.pause)
        step = torch.tensor([2, 1, 2, 1])
        return TrackState((), state.bboxes + step, state.scores / 2)
