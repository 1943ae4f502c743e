"""Pictures of tracking: frames, videos, contact sheets."""

from __future__ import annotations

import heapq
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from mmengine.visualization import Visualizer

from mmsimtrack.fileio import replace_atomically
from mmsimtrack.registry import VISUALIZERS

try:
    import av
except ImportError:
    av = None  # OpenCV writes instead

PRED_COLOR = (255, 64, 32)
GT_COLOR = (64, 220, 64)
LOST_COLOR = (170, 170, 170)
COLORS = (  # of several targets, told apart also without red and green
    PRED_COLOR,
    (64, 160, 255),
    (255, 208, 0),
    (0, 200, 160),
    (224, 96, 224),
    (160, 112, 64),
)


@VISUALIZERS.register_module()
class SOTVisualizer(Visualizer):
    """A mmengine `Visualizer` that draws boxes of single-object tracking."""

    @staticmethod
    def draw_frame(
        frame: np.ndarray,
        pred_bbox=None,
        gt_bbox=None,
        text: str | None = None,
        lost: bool = False,
    ) -> np.ndarray:
        """Draw boxes on a copy of a frame: prediction red, annotation green.

        Args:
            frame: (H, W, 3) RGB uint8.
            pred_bbox: (4,) xyxy in frame pixels, or None.
            gt_bbox: (4,) xyxy in frame pixels, or None; NaN is not drawn.
            text: Written into the upper left corner.
            lost: The prediction is drawn in gray, as that of a lost target.

        Returns:
            (H, W, 3) RGB uint8.
        """
        frame = np.ascontiguousarray(frame).copy()
        _draw_box(frame, gt_bbox, GT_COLOR)
        _draw_box(frame, pred_bbox, LOST_COLOR if lost else PRED_COLOR)
        scale = _text_scale(frame)
        if text:
            _write_text(frame, text, (4, round(26 * scale)), scale)
        return frame

    @staticmethod
    def draw_targets(
        frame: np.ndarray,
        ids: Sequence[int],
        bboxes: np.ndarray,
        labels: Sequence[str],
        text: str,
        lost: np.ndarray,
    ) -> np.ndarray:
        """Draw several targets on a copy of a frame, each in its color.

        Args:
            frame: (H, W, 3) RGB uint8.
            ids: Of the N targets; they choose the colors.
            bboxes: (N, 4) xyxy in frame pixels; NaN is not drawn.
            labels: Written above each box, below it where there is no room.
            text: Written into the upper left corner.
            lost: (N,) bool; lost targets are drawn in gray.

        Returns:
            (H, W, 3) RGB uint8.
        """
        frame = SOTVisualizer.draw_frame(frame, text=text)
        scale = 0.7 * _text_scale(frame)
        for id_, bbox, label, is_lost in zip(ids, bboxes, labels, lost):
            color = COLORS[(id_ - 1) % len(COLORS)]
            color = LOST_COLOR if is_lost else color
            if _draw_box(frame, bbox, color):
                x, y = max(round(bbox[0]), 0), round(bbox[1] - 4)
                height = round(22 * scale)
                y = y if y >= height else round(bbox[3]) + height
                _write_text(frame, label, (x, y), scale, color)
        return frame


def _draw_box(frame: np.ndarray, bbox, color: tuple) -> bool:
    """Draw a box in place, if there is one; tells if there is."""
    if bbox is None or not np.isfinite(bbox).all():
        return False
    thickness = max(round(min(frame.shape[:2]) / 180), 1)
    # a box ends on the far edge of its last pixel
    x1, y1, x2, y2 = np.round(bbox).astype(int).tolist()
    cv2.rectangle(frame, (x1, y1), (x2 - 1, y2 - 1), color, thickness)
    return True


def _text_scale(frame: np.ndarray) -> float:
    return max(min(frame.shape[:2]) / 480, 0.45)


def _write_text(
    frame: np.ndarray,
    text: str,
    origin: tuple[int, int],
    scale: float,
    color: tuple = (255, 255, 255),
) -> None:
    """Write text with a dark rim in place."""
    font = cv2.FONT_HERSHEY_SIMPLEX
    for rgb, width in (((0, 0, 0), 3), (color, 1)):
        width *= max(round(scale), 1)
        cv2.putText(frame, text, origin, font, scale, rgb, width, cv2.LINE_AA)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write an RGB image; the ending names the format.

    Raises:
        OSError: If it cannot be written.
    """
    with replace_atomically(path) as temporary:
        bgr = np.ascontiguousarray(image[..., ::-1])
        if not cv2.imwrite(str(temporary), bgr):
            raise OSError(f'OpenCV could not write {path}.')


class VideoWriter:
    """A writer of RGB frames to an MP4 that browsers play.

    It is H.264 (yuv420p, index in front), written by PyAV. Until it is
    complete, the file consists of fragments, so that what is there plays even
    if the process dies. Without PyAV, OpenCV writes VP9 or MPEG-4.

    Args:
        path: Video file.
        fps: Frames per second; what no container can hold is rounded.
        audio: File whose sound is copied, if it has any.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float | Fraction = 25,
        audio: str | Path | None = None,
    ) -> None:
        self.path = Path(path)
        fps = Fraction(fps) if 0 < fps < math.inf else Fraction(25)
        fps = fps.limit_denominator(1001)
        self.fps = min(max(fps, Fraction(1, 10)), Fraction(1000))
        # a tick that divides 1 / fps, and is fine enough for other times
        ticks = self.fps.numerator
        self._tick = Fraction(1, ticks * math.ceil(90_000 / ticks))
        self._audio = audio
        self._num_frames = 0
        self._last = -1
        self._container = self._writer = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def write(self, frame: np.ndarray, time: float | None = None) -> None:
        """Add a frame, (H, W, 3) RGB uint8.

        The first frame sets the size of the video; others are resized to it.

        Args:
            frame: The frame.
            time: When to show it, in seconds; later than the one before. None
                is the number of the frame over `fps`.

        Raises:
            OSError: If the file cannot be written.
        """
        if self._num_frames == 0:
            self._begin = time or 0.0
            self._size = frame.shape[1::-1]
            self._open()
        if frame.shape[1::-1] != self._size:
            frame = cv2.resize(frame, self._size)
        if time is None:
            time = self._begin + float(self._num_frames / self.fps)
        self._num_frames += 1
        if self._writer is not None:
            self._writer.write(np.ascontiguousarray(frame[..., ::-1]))
            return
        # halved color needs even sides
        height, width = self._stream.height, self._stream.width
        frame = np.ascontiguousarray(frame[:height, :width])
        picture = av.VideoFrame.from_ndarray(frame, 'rgb24')
        ticks = round((time - self._begin) / self._tick)
        self._last = picture.pts = max(ticks, self._last + 1)
        picture.time_base = self._tick
        self._mux(picture)

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if av is None or 'libx264' not in av.codecs_available:
            self._open_opencv()
        else:
            self._open_av()

    def _open_opencv(self) -> None:
        path, fps = str(self.path), float(self.fps)
        for codec in ('vp09', 'mp4v'):
            fourcc = cv2.VideoWriter_fourcc(*codec)
            self._writer = cv2.VideoWriter(path, fourcc, fps, self._size)
            if self._writer.isOpened():
                warnings.warn(
                    f'{path} is written as {codec}, without sound, since '
                    'there is no encoder for H.264; not every player shows '
                    'it. Run: pip install av',
                    stacklevel=4,
                )
                return
        raise OSError(f'OpenCV cannot write the video {path}.')

    def _open_av(self) -> None:
        fragments = {
            'movflags': 'frag_keyframe+empty_moov+default_base_moof',
            'frag_duration': '250000',  # microseconds
            'flush_packets': '1',
        }
        self._container = _open_mp4(self.path, fragments)
        stream = self._container.add_stream('libx264', self.fps)
        stream.width, stream.height = (max(n - n % 2, 2) for n in self._size)
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.time_base = self._tick
        stream.options = {'crf': '23', 'preset': 'veryfast'}
        # without B frames, whose order would delay the first time
        stream.options |= {'bf': '0', 'rc-lookahead': '10'}
        self._stream = stream

    def _mux(self, picture) -> None:
        try:
            self._container.mux(self._stream.encode(picture))
        except av.FFmpegError as error:
            about = error.errno, error.strerror, str(self.path)
            raise OSError(*about) from error

    def close(self) -> None:
        """Put the index in front, and the sound in.

        Raises:
            OSError: If there is no room for it; the fragments remain, and
                play as well.
        """
        if self._writer is not None:
            self._writer.release()
        if self._container is None:
            return
        try:
            self._mux(None)
        finally:
            with suppress(av.FFmpegError, OSError):
                self._container.close()
        try:
            self._copy(self._audio)
        except (av.FFmpegError, OSError, ValueError):
            if self._audio is None:
                raise
            warnings.warn(
                f'{self.path}: the sound of {self._audio} does not fit into '
                'an MP4, so it is left out.',
                stacklevel=2,
            )
            self._copy(None)

    def _copy(self, audio: str | Path | None) -> None:
        """Write the packets once more, those of the sound between them."""
        length = float(self._last * self._tick + 1 / self.fps)
        with replace_atomically(self.path) as temporary, ExitStack() as files:
            faststart = {'movflags': 'faststart'}
            out = files.enter_context(_open_mp4(temporary, faststart))
            packets = []
            for source, kind in ((self.path, 'video'), (audio, 'audio')):
                if source is None:
                    continue
                file = av.open(str(source), metadata_errors='ignore')
                files.enter_context(file)
                begin = self._begin if kind == 'audio' else 0.0
                for stream in getattr(file.streams, kind)[:1]:
                    target = out.add_stream_from_template(stream)
                    packets.append(_cut(file, stream, target, begin, length))
            for _, packet in heapq.merge(*packets, key=lambda item: item[0]):
                out.mux(packet)


def _open_mp4(path: Path, options: dict[str, str]):
    return av.open(str(path), 'w', format='mp4', options=options)


def _cut(
    container, stream, target, begin: float, length: float
) -> Iterator[tuple]:
    """Packets of a part of a stream, with times that begin at 0."""
    pictures = container.streams.video[0]
    origin = (pictures.start_time or 0) * pictures.time_base
    offset = round((float(origin) + begin) / stream.time_base)
    for packet in container.demux(stream):
        if packet.dts is None:
            continue
        packet.dts -= offset
        packet.pts -= offset
        time = float(packet.dts * stream.time_base)
        if time > length:
            return
        if not begin or packet.pts >= 0:
            packet.stream = target
            yield time, packet


def contact_sheet(
    frames: Iterable[np.ndarray], num_columns: int = 4, width: int = 320
) -> np.ndarray:
    """Put frames of one video side by side.

    Args:
        frames: (H, W, 3) RGB uint8 each, of one size.
        num_columns: Frames in a row.
        width: Width of a frame on the sheet, in pixels.

    Returns:
        (rows * h, num_columns * width, 3) RGB uint8.
    """
    frames = list(frames)
    height = round(width * frames[0].shape[0] / frames[0].shape[1]) or 1
    size, method = (width, height), cv2.INTER_AREA
    tiles = [cv2.resize(f, size, interpolation=method) for f in frames]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % num_columns)
    rows = np.reshape(tiles, (-1, num_columns, *tiles[0].shape))
    return np.vstack([np.hstack(row) for row in rows])
