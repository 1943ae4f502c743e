"""What is common to all that reads frames."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

# number, seconds since frame 0, and (H, W, 3) RGB uint8
Item = tuple[int, float, np.ndarray]


@dataclass
class Reader:
    """What is known of an open source before its frames are read.

    Attributes:
        items: The frames, which can be read once.
        fps: Frames per second.
        total: Number of frames; None if it is not known.
        files: The files that are read, which nothing may replace.
        names: Name of each frame, if it has one.
        sound: The file that holds the sound.
        live: Whether frames come at their own pace; see `LiveReader`.
        ended: Set it to end the iteration of a live source.
    """

    items: Iterable[Item]
    fps: Fraction = Fraction(25)
    total: int | None = None
    files: Sequence[Path] = ()
    names: Sequence[str] = ()
    sound: Path | None = None
    live = ended = False

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)
