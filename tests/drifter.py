"""A tracker without a network."""

import time

import numpy as np
import torch

from mmsimtrack.models import TrackState


class Drifter(torch.nn.Module):
    """Moves each box by (2, 1) px per frame, and halves its score.

    Args:
        pause: Seconds that a frame takes.
        least: Targets with a lower score are lost.
    """

    def __init__(self, pause=0, least=0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.pause, self.least = pause, least
        self.largest = 0  # batch
        self.tracked = 0  # calls

    def init(self, frames, bboxes):
        bboxes = torch.tensor(np.asarray(bboxes), dtype=torch.float64)
        scores = torch.ones(len(bboxes))
        missed = torch.zeros(len(bboxes), dtype=torch.long)
        return TrackState((bboxes,), bboxes, scores, {'missed': missed})

    def track(self, frames, state):
        assert len(frames) == len(state)
        self.largest = max(self.largest, len(state))
        self.tracked += 1
        time.sleep(self.pause)
        step = torch.tensor([2, 1, 2, 1])
        scores = state.scores / 2
        missed = (scores < self.least).long()
        bboxes = state.bboxes + step
        return TrackState(state.memory, bboxes, scores, {'missed': missed})
