"""How a training pair chooses its two frames.

Each mode is a function of the visible frames (their numbers, ascending), the
gap and the generator. It returns the numbers of the exemplar frame and of the
search frame, or None if it drew a frame that has no partner within the gap.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from mmsimtrack.datasets.sequence_dataset import check_option

GAP_STEP = 5  # as in STARK-S
Frames = tuple[int, int]


def sample_causal(visible, gap: int, rng: Generator) -> Frames | None:
    """Draw as in STARK-S: the search frame follows the exemplar frame.

    The exemplar frame is uniform among the visible ones but the last, which
    has no successor; the search frame among the near ones after it.
    """
    t = rng.choice(visible[:-1])
    later = _between(visible, t + 1, t + gap)
    return (int(t), int(rng.choice(later))) if len(later) else None


def sample_interval(visible, gap: int, rng: Generator) -> Frames | None:
    """Draw as in LoRAT: the search frame lies on either side.

    The exemplar frame is uniform among the visible ones, the search frame
    among the near ones before and after it.
    """
    t = rng.choice(visible)
    near = _between(visible, t - gap + 1, t + gap)
    near = near[near != t]
    return (int(t), int(rng.choice(near))) if len(near) else None


def sample_order(visible, gap: int, rng: Generator) -> Frames | None:
    """Draw as in SeqTrack and SUTrack: forward or backward in time.

    Around a visible frame two near ones are drawn (it may be one of them), so
    that they are up to twice the gap apart. With probability 0.5 the earlier
    is the exemplar frame, else the later. SeqTrack may draw the same frame
    twice; here the two differ.
    """
    t = rng.choice(visible)
    near = _between(visible, t - gap + 1, t + gap)
    if len(near) < 2:
        return None
    first, second = np.sort(rng.choice(near, 2, replace=False)).tolist()
    return (first, second) if rng.random() < 0.5 else (second, first)


SAMPLING_MODES = {
    'causal': sample_causal,
    'interval': sample_interval,
    'order': sample_order,
}


@dataclass(frozen=True)
class SamplingPolicy:
    """The rules by which a `PairDataset` draws sequences and frames.

    Attributes:
        max_gap: The frames of a pair are less than this apart; in mode
            `order` less than twice this.
        min_frames: Videos shorter than this are not drawn.
        min_visible: Neither are those with fewer visible frames; >= 2.
        mode: `causal`, as in STARK-S, `interval` or `order`.

    Raises:
        ValueError: If there is no such mode, or `min_visible` is below 2.
    """

    max_gap: int
    min_frames: int
    min_visible: int
    mode: str = 'causal'

    def __post_init__(self) -> None:
        check_option('PairDataset: sampling.mode', self.mode, SAMPLING_MODES)
        if self.min_visible < 2:
            raise ValueError(
                f'PairDataset: sampling.min_visible is {self.min_visible}, '
                'expected at least 2: both frames of a pair show the target. '
                'Change it in the config.'
            )

    def draw(self, visible: np.ndarray, rng: Generator) -> Frames:
        """Draw an exemplar and a search frame, two different ones.

        Where a drawn frame has no partner within the gap, another one is
        drawn and the gap grows by 5 frames.

        Args:
            visible: (V,) numbers of the frames that show the target,
                ascending; V >= 2.
            rng: All randomness comes from it.
        """
        for gap in itertools.count(self.max_gap, GAP_STEP):
            frames = SAMPLING_MODES[self.mode](visible, gap, rng)
            if frames is not None:
                return frames


def _between(visible: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the frames t of `visible` with start <= t < stop."""
    return visible[slice(*np.searchsorted(visible, (start, stop)))]
