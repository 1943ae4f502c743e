"""Small videos and folders of frames whose pictures tell their number."""

from fractions import Fraction

import av
import cv2
import numpy as np

SIZE = (64, 96)
LENGTH = 24
BBOX = (0.0, 20.0, 16.0, 44.0)


def picture(i, size=SIZE):
    """A white bar whose left edge is at 2 i."""
    image = np.full((*size, 3), 40, np.uint8)
    image[:, 2 * i : 2 * i + 16] = 220
    return image


def index(frame):
    """The number that a picture tells."""
    bright = np.flatnonzero(frame.mean((0, 2)) > 130)
    return round(bright[0] / 2) if len(bright) else None


def write_clip(
    path,
    codec='libx264',
    size=SIZE,
    pix_fmt='yuv420p',
    fps=25,
    times=None,
    audio=None,
    options=None,
):
    """Write `LENGTH` pictures, at `times` in seconds or `fps`."""
    fps = Fraction(fps)
    tick = Fraction(1, fps.numerator)
    if times is not None:
        tick = Fraction(1, 1000)
    with av.open(str(path), 'w', options=options or {}) as out:
        stream = out.add_stream(codec, fps)
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = tick
        if codec == 'libx264':
            stream.options = {'g': '6'}
        sound = audio and out.add_stream(audio, 48000, layout='mono')
        for i in range(LENGTH):
            frame = av.VideoFrame.from_ndarray(picture(i, size), 'rgb24')
            time = i / fps if times is None else Fraction(times[i])
            frame.pts, frame.time_base = round(time / tick), tick
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        for i in range(40 if sound else 0):
            wave = (8000 * np.sin(np.arange(1024) / 9)).astype(np.int16)
            samples = av.AudioFrame.from_ndarray(wave[None], 's16', 'mono')
            samples.sample_rate = 48000
            samples.pts, samples.time_base = 1024 * i, Fraction(1, 48000)
            out.mux(sound.encode(samples))
        if sound:
            out.mux(sound.encode())
    return path


def write_folder(folder, names, convert=lambda image: image):
    """Write pictures, BGR after `convert`, under names in order."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        image = convert(picture(i))
        assert cv2.imwrite(str(folder / name), image)
    return folder


def packets(path, kind='video'):
    """Position and size of the packets of a file."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(p.pos, p.size, bytes(p)) for p in container.demux(stream)]


def describe(path):
    """Codec, pixel format, rate, times of frames, of a video file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        return {
            'codec': stream.codec_context.name,
            'pix_fmt': stream.codec_context.pix_fmt,
            'rate': stream.average_rate,
            'times': [frame.time for frame in frames],
            'indices': [index(f.to_ndarray(format='rgb24')) for f in frames],
            'audio': len(container.streams.audio),
        }
