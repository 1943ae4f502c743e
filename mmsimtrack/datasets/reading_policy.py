"""How training reads frames: at which scale, and what if one is corrupt."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
from mmengine.logging import print_log

from mmsimtrack.datasets.frames import CorruptFrameError
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.structures import CropWindow

ON_CORRUPT = ('raise', 'skip')


class ReadingPolicy:
    """How a `PairDataset` reads its frames.

    Args:
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

    def __init__(
        self, reduced: bool = False, on_corrupt: str = 'raise'
    ) -> None:
        if on_corrupt not in ON_CORRUPT:
            raise ValueError(
                f'PairDataset: reading.on_corrupt is {on_corrupt!r}, expected '
                f'one of {ON_CORRUPT}. Change it in the config.'
            )
        self.reduced = reduced
        self.on_corrupt = on_corrupt
        self._logged = set()
        self._num_skipped = 0

    def read(
        self, sequence: VideoSequence, t: int, windows: Iterable[CropWindow]
    ) -> tuple[np.ndarray, int]:
        """Read a frame.

        Args:
            sequence: Of the frame.
            t: Its number.
            windows: What will be cut out of it.

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
        self._num_skipped += 1
        if str(error) not in self._logged:
            self._logged.add(str(error))
            print_log(
                f'{error} The pair is drawn again (on_corrupt=skip); this '
                f'worker has now skipped {self._num_skipped}, for '
                f'{len(self._logged)} corrupt frames.',
                'current',
                level=logging.ERROR,
            )
