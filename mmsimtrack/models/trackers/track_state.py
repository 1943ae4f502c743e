"""What a tracker remembers of its videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral

import torch
from torch import Tensor


@dataclass(frozen=True)
class TrackState:
    """All that a tracker remembers of B videos; the model holds nothing.

    Whatever a tracker adds, all tensors have one row per video, so that
    videos come and go in a running batch.

    Attributes:
        memory: What `backbone.embed_exemplar` returned, batch first.
        bboxes: (B, 4) float64 on the CPU, xyxy in frame pixels.
        scores: (B,) in [0, 1], on the CPU.
        extra: More tensors by name. `SOTTracker` counts in `num_lost`, (B,)
            on the CPU, in how many frames the prediction was not finite, so
            that the box of the frame before was kept.
    """

    memory: tuple[Tensor, ...]
    bboxes: Tensor
    scores: Tensor
    extra: dict[str, Tensor] = field(default_factory=dict)

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
        return _combine(lambda tensors: tensors[0][rows], [self])

    @classmethod
    def cat(cls, states: Sequence[TrackState]) -> TrackState:
        """Concatenate the videos of several states."""
        return _combine(torch.cat, states)


def _combine(
    function: Callable[[list[Tensor]], Tensor], states: Sequence[TrackState]
) -> TrackState:
    """Make one state of several, by a function of tensors that correspond."""

    def combine(parts: list):
        if isinstance(parts[0], Tensor):
            return function(parts)
        if isinstance(parts[0], dict):
            return {key: combine([p[key] for p in parts]) for key in parts[0]}
        return tuple(combine(list(p)) for p in zip(*parts, strict=True))

    return type(states[0])(
        *(
            combine([getattr(state, part.name) for state in states])
            for part in fields(states[0])
        )
    )
