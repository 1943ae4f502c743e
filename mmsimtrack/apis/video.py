"""Reading of video files, damaged ones included, with PyAV."""

import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from mmsimtrack.apis.reader import Item, Reader

ERRORS = av.FFmpegError, OSError
MAX_FAILURES = 100  # of the container in a row, before its end is assumed


def open_video(video: Path | BinaryIO, name: str) -> Reader:
    """Open a video file or a pipe.

    What cannot be decoded is left out, and reading goes on; the numbers of
    the other frames are what they would be in the whole video.

    Args:
        video: File or pipe.
        name: What to call it in messages.

    Raises:
        ValueError: If it is no video.
    """
    is_file = isinstance(video, Path)
    try:
        container = av.open(
            str(video) if is_file else video, metadata_errors='ignore'
        )
    except ERRORS as error:
        raise _no_video(name, error.strerror) from None
    if not container.streams.video:
        raise _no_video(name, 'it has no pictures')
    stream = container.streams.video[0]
    stream.thread_type = 'AUTO'
    fps = stream.average_rate or stream.guessed_rate or Fraction(25)
    total = round((container.duration or 0) * fps / 1_000_000)
    return Reader(
        _read(container, stream, fps, name, total),
        fps,
        stream.frames or total or None,
        [video] if is_file else [],
        sound=video if is_file and container.streams.audio else None,
    )


def _no_video(name: str, why: object) -> ValueError:
    return ValueError(
        f'PyAV reads no frame from {name!r} ({why}). Expected a video file; '
        'was it copied or downloaded completely?'
    )


def _read(
    container, stream, fps: Fraction, name: str, total: int
) -> Iterator[Item]:
    """Yield the frames in their places, and warn of those that are lost."""
    number, origin, moment = -1, None, 0.0
    num_read, num_packets, damaged = 0, 0, False
    promised, has_sound = stream.frames, bool(container.streams.audio)
    with container:
        for packet, frames in _decode(container, stream):
            damaged |= packet is None or packet.is_corrupt
            num_packets += packet is not None and packet.size > 0
            for frame in frames:
                if origin is None:
                    origin = frame.time or 0.0
                former, moment = moment, moment + float(1 / fps)
                if frame.time is not None:
                    moment = frame.time - origin
                if damaged and number >= 0:
                    number += max(round((moment - former) * fps) - 1, 0)
                number += 1
                num_read += 1
                image = frame.to_ndarray(format='rgb24')
                image = np.rot90(image, round(frame.rotation / 90))
                yield number, moment, np.ascontiguousarray(image)
    if not num_read:
        raise _no_video(name, 'it is damaged')
    if not promised and total and not has_sound:
        # not counted; the length in the header is that of the whole file
        promised, least = total, round(0.95 * total) - 1
    else:
        least = promised
    if damaged or num_packets < least:  # those of a cut file end early
        warnings.warn(
            f'{name} is damaged: {num_read} of {max(number + 1, promised)} '
            'frames could be read. They keep their numbers and times.',
            stacklevel=1,
        )


def _decode(container, stream) -> Iterator[tuple[av.Packet | None, list]]:
    """Yield each packet with its frames; None where it cannot be decoded."""
    packets, failures = container.demux(stream), 0
    while failures < MAX_FAILURES:
        try:
            packet = next(packets)
            yield packet, packet.decode()
            failures = 0
        except StopIteration:
            return
        except ERRORS:
            yield None, []
            failures += 1
            packets = container.demux(stream)
