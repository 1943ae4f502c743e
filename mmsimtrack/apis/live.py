"""Cameras and streams: the newest frame counts."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np


class LiveReader:
    """Gives the newest frame of a camera or a stream.

    A thread reads all the time and holds one frame; what the caller is too
    slow for is dropped and counted. A connection that breaks is made again.
    An address of a whole file has an end, and of it nothing is dropped.

    Args:
        source: Number of a camera, or address of a stream.
        patience: Seconds without a frame after which the stream has ended.

    Attributes:
        num_received: Frames so far.
        num_dropped: Frames that were replaced by newer ones.
        num_reconnects: Connections that were made again.
        started: `time.monotonic()` at the first frame.
        ended: Set it to end the iteration.

    Raises:
        ValueError: If no frame can be read.
    """

    files = ()

    def __init__(self, source: str | int, patience: float = 10) -> None:
        self.source = source
        self.patience = patience
        self.num_received = self.num_dropped = self.num_reconnects = 0
        self.ended = False
        self._newest = None
        self._condition = threading.Condition()
        self._capture = self._connect()
        ok, frame = self._capture.read()
        if not ok:
            self._capture.release()
            raise ValueError(
                f'OpenCV reads no frame from {source!r}. Expected the number '
                'of a camera, or the address of a stream that is on and can '
                'be reached from here.'
            )
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.live = count <= 0
        self.total = None if self.live else int(count)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = Fraction(fps if 0 < fps <= 240 else 25)
        self.started = self._latest = time.monotonic()
        self._put(frame)

    def _connect(self) -> cv2.VideoCapture:
        if isinstance(self.source, str):
            waits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 5000]
            waits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, 5000]
            return cv2.VideoCapture(self.source, cv2.CAP_FFMPEG, waits)
        return cv2.VideoCapture(self.source)

    def _put(self, frame: np.ndarray) -> None:
        """Replace the frame that waits."""
        with self._condition:
            while not self.live and self._newest is not None:
                if self.ended:
                    return
                self._condition.wait(0.2)
            self._latest = time.monotonic()
            moment = self._latest - self.started
            if not self.live:
                moment = float(self.num_received / self.fps)
            self.num_dropped += self._newest is not None
            self._newest = self.num_received, moment, frame
            self.num_received += 1
            self._condition.notify_all()

    def _read(self) -> None:
        """Read until the end; runs in the thread."""
        while not self.ended:
            ok, frame = self._capture.read()
            if ok:
                self._put(frame)
            elif not self.live:
                break
            elif time.monotonic() - self._latest > self.patience:
                warnings.warn(
                    f'{self.source} gave no frame for {self.patience:g} s, '
                    'so it has ended.',
                    stacklevel=1,
                )
                break
            else:
                self._capture.release()
                time.sleep(0.2)
                self._capture = self._connect()
                self.num_reconnects += self._capture.isOpened()
        self._capture.release()
        self.ended = True

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        """Yield number, time of arrival, and (H, W, 3) RGB uint8."""
        thread = threading.Thread(target=self._read, daemon=True)
        thread.start()
        try:
            while True:
                with self._condition:
                    item, self._newest = self._newest, None
                    self._condition.notify_all()
                    if item is None:
                        if self.ended:
                            return
                        self._condition.wait(0.1)
                        continue
                number, moment, frame = item
                yield number, moment, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        finally:
            self.ended = True
            thread.join(6)
