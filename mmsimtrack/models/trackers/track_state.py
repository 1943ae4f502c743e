"""What a tracker remembers of its videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor


@dataclass(frozen=True)
class TrackState:
    """All that a tracker remembers of B videos; the model holds nothing.

    Attributes:
        memory: What `backbone.embed_exemplar` returned, batch first.
        bboxes: (B, 4) float64 on the CPU, xyxy in frame pixels.
        scores: (B,) in [0, 1], on the CPU.
        kept: (B,) bool on the CPU, whether a non-finite prediction was ever
            replaced by the previous box; None means never.
    """

    memory: tuple[Tensor, ...]
    bboxes: Tensor
    scores: Tensor
    kept: Tensor | None = None

    def __post_init__(self) -> None:
        if self.kept is None:
            kept = torch.zeros(len(self.bboxes), dtype=torch.bool)
            object.__setattr__(self, 'kept', kept)

    def __len__(self) -> int:
        return len(self.bboxes)

    def __getitem__(self, rows) -> TrackState:
        """Select videos, by index, slice, mask or list of indices."""
        if isinstance(rows, Integral) or getattr(rows, 'ndim', 1) == 0:
            rows = [int(rows)]
        elif isinstance(rows, (tuple, range)):
            rows = list(rows)
        elif isinstance(rows, Tensor):
            rows = rows.cpu()  # where the boxes are; serves memory as well
        return TrackState(
            tuple(part[rows] for part in self.memory),
            self.bboxes[rows],
            self.scores[rows],
            self.kept[rows],
        )

    @classmethod
    def cat(cls, states: Sequence[TrackState]) -> TrackState:
        """Concatenate the videos of several states."""
        return cls(
            tuple(map(torch.cat, zip(*(state.memory for state in states)))),
            torch.cat([state.bboxes for state in states]),
            torch.cat([state.scores for state in states]),
            torch.cat([state.kept for state in states]),
        )
