"""Reading of video files, damaged ones included."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

MAX_FAILURES = 100  # of the container in a row, before its end is assumed


def open_video(video: Path | BinaryIO, name: str | None = None):
    """Open a video file or a pipe, with PyAV or else with OpenCV.

    Raises:
        ValueError: If it is no video.
    """
    if importlib.util.find_spec('av'):
        return VideoReader(video, name)
    if isinstance(video, Path):
        return OpenCVReader(video)
    raise ValueError(f'{name} can only be read with PyAV: pip install av')


def _no_video(name: str, why: object) -> ValueError:
    return ValueError(
        f'PyAV or OpenCV reads no frame from {name!r} ({why}). Expected a '
        'video file; was it copied or downloaded completely?'
    )


class VideoReader:
    """Frames of a video at their times, read with PyAV.

    What cannot be decoded is left out, and reading goes on; the numbers of
    the other frames are what they would be in the whole video.

    Args:
        video: File or pipe.
        name: What to call it in messages.
    """

    live = False

    def __init__(self, video: Path | BinaryIO, name: str | None = None):
        import av

        self.name = name or str(video)
        self.files = [video] if isinstance(video, Path) else []
        self._errors = (av.FFmpegError, OSError)
        try:
            self._container = av.open(
                str(video) if self.files else video, metadata_errors='ignore'
            )
        except self._errors as error:
            raise _no_video(self.name, error) from None
        if not self._container.streams.video:
            raise _no_video(self.name, 'it has no pictures')
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = 'AUTO'
        self.fps = (
            self._stream.average_rate
            or self._stream.guessed_rate
            or Fraction(25)
        )
        self.total = self._stream.frames or self._estimate_total()
        has_sound = self.files and self._container.streams.audio
        self.sound = video if has_sound else None
        self._num_packets = 0
        self._damaged = False

    def _estimate_total(self) -> int | None:
        duration = self._container.duration  # in microseconds
        return duration and round(duration * self.fps / 1_000_000)

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        number, origin, moment, num_read = -1, None, 0.0, 0
        with self._container:
            for frame in self._decode():
                if origin is None:
                    origin = frame.time or 0.0
                former, moment = moment, moment + float(1 / self.fps)
                if frame.time is not None:
                    moment = frame.time - origin
                missing = 0
                if self._damaged and number >= 0:
                    missing = max(round((moment - former) * self.fps) - 1, 0)
                number += 1 + missing
                num_read += 1
                image = frame.to_ndarray(format='rgb24')
                if frame.rotation:
                    image = np.rot90(image, round(frame.rotation / 90))
                yield number, moment, np.ascontiguousarray(image)
        if not num_read:
            raise _no_video(self.name, 'it is damaged')
        self._report(num_read, number + 1)

    def _decode(self) -> Iterator:
        """Yield what can be decoded; note what cannot."""
        packets = self._container.demux(self._stream)
        failures = 0
        while failures < MAX_FAILURES:
            try:
                packet = next(packets)
                self._num_packets += packet.size > 0
                self._damaged |= packet.is_corrupt
                yield from packet.decode()
                failures = 0
            except StopIteration:
                return
            except self._errors:
                self._damaged = True
                failures += 1
                packets = self._container.demux(self._stream)

    def _report(self, num_read: int, num_placed: int) -> None:
        """Warn of lost frames; packets of a cut file end before their time."""
        promised = total = self._stream.frames
        if not promised and not self.sound and self.total:
            # not counted; the length in the header is that of the whole file
            promised, total = round(0.95 * self.total) - 1, self.total
        if not self._damaged and self._num_packets >= promised:
            return
        total = max(num_placed, total)
        warnings.warn(
            f'{self.name} is damaged: {num_read} of {total} frames could be '
            'read. They keep their numbers and times.',
            stacklevel=2,
        )


class OpenCVReader:
    """Frames of a video, read with OpenCV, which is silent about losses."""

    live = False

    def __init__(self, path: Path) -> None:
        self.files = [path]
        self._capture = cv2.VideoCapture(str(path))
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = Fraction(fps if 0 < fps < 1e5 else 25)
        total = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.total = total if total > 0 else None
        if not self._capture.isOpened():
            raise _no_video(str(path), 'OpenCV does not open it')

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        number = 0
        try:
            while True:
                ok, frame = self._capture.read()
                if not ok:
                    break
                moment = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                yield number, moment, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                number += 1
        finally:
            self._capture.release()
        if not number:
            raise _no_video(str(self.files[0]), 'OpenCV decodes nothing')
