"""The memory of a tracker: one row per video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class TrackState:
    """Everything a tracker remembers of B videos; the model holds nothing.

    Every tensor has one row per video, also those that a tracker adds, so
    that videos come and go in a running batch.

    Attributes:
        memory: Result of `backbone.embed_exemplar`, batch first.
        bboxes: (B, 4) float64 on the CPU, xyxy in frame pixels.
        scores: (B,) in [0, 1], on the CPU.
        extra: More tensors by name. `SOTTracker` counts in `num_failed`,
            (B,) on the CPU, in how many frames the prediction was not finite,
            so that the box of the frame before was kept, and, if it has a
            rule for it, in `missed`, (B,) on the CPU, for how many frames
            each target is lost.
    """

    memory: tuple[Tensor, ...]
    bboxes: Tensor
    scores: Tensor
    extra: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.bboxes)

    @property
    def lost(self) -> Tensor:
        """Tell which targets are lost, (B,) bool; none without a rule."""
        missed = self.extra.get('missed', torch.zeros(len(self)))
        return missed > 0

    def __getitem__(self, rows) -> TrackState:
        """Select videos, by index, slice, mask or list of indices."""
        # an array on the CPU, where the boxes are, selects on any device
        if not isinstance(rows, slice):
            rows = torch.atleast_1d(torch.as_tensor(rows, device='cpu'))
            rows = rows if rows.dtype == torch.bool else rows.long()
        return _combine(lambda tensors: tensors[0][rows], [self])

    @classmethod
    def cat(cls, states: Sequence[TrackState]) -> TrackState:
        """Concatenate the videos of several states."""
        return _combine(torch.cat, states)


def _combine(
    function: Callable[[list[Tensor]], Tensor], states: Sequence[TrackState]
) -> TrackState:
    """Apply a function to the tensors with the same place in all states."""

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
