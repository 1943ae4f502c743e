"""How training reads frames: at which scale, and what if one is corrupt."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from mmengine.logging import print_log

from mmsimtrack.datasets.frames import CorruptFrameError
from mmsimtrack.datasets.sequence_dataset import check_option
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.structures import CropWindow


@dataclass
class ReadingPolicy:
    """How a `PairDataset` reads its frames.

    Attributes:
        reduced: Whether to decode JPEGs at 1/2, 1/4 or 1/8 of their size
            where the crop is at least as much smaller than its window. That
            is faster, and such a crop averages pixels where the default
            picks some; see docs/en/throughput.md.
        on_corrupt: `raise` stops at a frame that is empty, truncated or no
            image; `skip` logs it, and the pair is drawn again. A missing file
            always stops the training.

    Raises:
        ValueError: If `on_corrupt` is neither.
    """

    reduced: bool = False
    on_corrupt: str = 'raise'
    _logged: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        name = 'PairDataset: reading.on_corrupt'
        check_option(name, self.on_corrupt, ('raise', 'skip'))

    def read(
        self, sequence: VideoSequence, t: int, windows: Iterable[CropWindow]
    ) -> tuple[np.ndarray, int]:
        """Read frame t of a sequence.

        Args:
            sequence: The sequence.
            t: Number of the frame.
            windows: What will be cut out of the frame.

        Returns:
            (h, w, 3) RGB uint8, and by how much the frame is reduced.
        """
        if not self.reduced:
            return sequence.read_frame(t), 1
        reduction = min(window.reduction() for window in windows)
        return sequence.read_reduced(t, reduction)

    def skip(self, error: CorruptFrameError) -> None:
        """Raise the error, or log it: each frame once in each process.

        It is logged as an error, so that all ranks show it.
        """
        if self.on_corrupt == 'raise':
            raise error
        if str(error) not in self._logged:
            self._logged.add(str(error))
            print_log(
                f'{error} The pair is drawn again (on_corrupt=skip); this '
                f'worker has met {len(self._logged)} corrupt frames.',
                'current',
                level=logging.ERROR,
            )
