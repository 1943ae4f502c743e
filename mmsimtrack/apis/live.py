"""What OpenCV reads: cameras and streams, of which the newest frame counts."""

import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2

from mmsimtrack.apis.reader import Item


class LiveReader:
    """Gives the newest frame of a camera or a stream.

    A thread reads all the time and holds one frame; what the caller is too
    slow for is dropped and counted. A connection that breaks is made again.
    A file, also at an address, has an end, and of it nothing is dropped.

    Args:
        source: Number of a camera, address of a stream, or video file.
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

    names, sound = (), None

    def __init__(self, source: str | int | Path, patience: float = 10) -> None:
        self.source, self.patience = source, patience
        self.files = [source] if isinstance(source, Path) else []
        self.num_received = self.num_dropped = self.num_reconnects = 0
        self.ended = False
        self._newest, self._arrived = deque(maxlen=1), threading.Event()
        self._capture = self._connect()
        ok, self._first = self._capture.read()
        if not ok:
            name = str(source) if self.files else source
            raise ValueError(
                f'OpenCV reads no frame from {name!r}. Expected a '
                'video, the number of a camera, or the address of a stream '
                'that is on and can be reached from here.'
            )
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.total = count if count > 0 else None
        self.live = self.total is None and not self.files
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = Fraction(fps if 0 < fps <= 1000 else 25)
        self.started = self._latest = time.monotonic()

    def _connect(self) -> cv2.VideoCapture:
        if not isinstance(self.source, (str, Path)):
            return cv2.VideoCapture(int(self.source))
        waits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 5000]
        waits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, 5000]
        return cv2.VideoCapture(str(self.source), cv2.CAP_FFMPEG, waits)

    def __iter__(self) -> Iterator[Item]:
        """Yield number, time (of arrival, if live), and an RGB frame."""
        for number, moment, bgr in (
            self._follow() if self.live else self._all()
        ):
            yield number, moment, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    def _all(self) -> Iterator[Item]:
        ok, frame = True, self._first
        while ok and not self.ended:
            moment = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield self.num_received, moment, frame
            self.num_received += 1
            ok, frame = self._capture.read()
        self._capture.release()

    def _follow(self) -> Iterator[Item]:
        num_given = 0
        self._put(self._first)
        thread = threading.Thread(target=self._receive, daemon=True)
        thread.start()
        try:
            while self._newest or not self.ended:
                self._arrived.wait(0.1)
                self._arrived.clear()
                if self._newest:
                    item = self._newest.popleft()
                    num_given += 1
                    self.num_dropped = item[0] + 1 - num_given
                    yield item
        finally:
            self.ended = True
            thread.join(6)

    def _put(self, frame) -> None:
        """Replace the frame that waits."""
        self._latest = time.monotonic()
        moment = self._latest - self.started
        self._newest.append((self.num_received, moment, frame))
        self.num_received += 1
        self._arrived.set()

    def _receive(self) -> None:
        """Read until the end; runs in the thread."""
        while not self.ended:
            ok, frame = self._capture.read()
            if ok:
                self._put(frame)
            elif time.monotonic() - self._latest > self.patience:
                warnings.warn(
                    f'{self.source} gave no frame for {self.patience:g} s, '
                    'so it has ended.',
                    stacklevel=1,
                )
                self.ended = True
            else:
                self._capture.release()
                time.sleep(0.2)
                self._capture = self._connect()
                self.num_reconnects += self._capture.isOpened()
        self._capture.release()
