"""What the benchmarks share: frames to read, clocks, the machine's name."""

import contextlib
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import torch

SIZE = (1280, 720)  # W, H of frames, as tracking data sets have them
QUALITY = 90
SLOPE = 1.3  # of the amplitude spectrum; gives JPEGs of photos' sizes


def use_threads(num: int | None) -> None:
    """Let torch and OpenCV compute with a number of threads, if given."""
    if num:
        torch.set_num_threads(num)
        cv2.setNumThreads(num)


def write_frames(
    folder: Path, numbers: range, rng: np.random.Generator, photos: list[Path]
) -> list[str]:
    """Write JPEGs: photographs, or noise with the spectrum of photographs.

    Args:
        folder: Where the files `<8 digits>.jpg` go.
        numbers: Their numbers.
        rng: Generator of the noise, or of the choice of photographs.
        photos: Photographs to resize; none for noise.

    Returns:
        The paths of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / f'{number:08d}.jpg') for number in numbers]
    for path in paths:
        if photos:
            frame = cv2.imread(str(photos[rng.integers(len(photos))]))
            frame = cv2.resize(frame, SIZE, interpolation=cv2.INTER_CUBIC)
        else:
            frame = make_noise(rng)
        cv2.imwrite(path, frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return paths


def make_noise(rng: np.random.Generator) -> np.ndarray:
    """Make noise without a scale of its own: (H, W, 3) BGR uint8."""
    width, height = SIZE
    frequency = np.hypot(
        np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    )
    frequency[0, 0] = np.inf  # no mean
    phases = np.exp(2j * np.pi * rng.random((3, *frequency.shape)))
    channels = np.fft.irfft2(phases / frequency**SLOPE, (height, width))
    channels /= channels.std()
    # the channels of photographs are much alike
    channels = 0.85 * channels[:1] + 0.15 * channels
    image = np.clip(128 + 50 * channels, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image.transpose(1, 2, 0))


class StageClock:
    """A clock that adds up the seconds of functions, by stage.

    Attributes:
        seconds: Seconds by the name of a stage.

    Args:
        now: Tells the time: of this process on all cores, or on the wall.
    """

    def __init__(self, now: Callable[[], float] = time.process_time) -> None:
        self.seconds = Counter()
        self.now = now

    def wrap(self, stage: str, function: Callable) -> Callable:
        """Put a function under the clock."""

        def timed(*args, **kwargs):
            start = self.now()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[stage] += self.now() - start

        return timed

    @contextlib.contextmanager
    def running(self, stages: list[tuple[object, str, str]]) -> Iterator:
        """Put attributes under the clock: (owner, attribute, stage)."""
        with contextlib.ExitStack() as stack:
            for owner, name, stage in stages:
                timed = self.wrap(stage, getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, timed))
            yield


def elapsed(function: Callable, *args) -> tuple[float, float, object]:
    """Run a function: seconds on the wall, of all cores, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*args)
    return time.perf_counter() - wall, time.process_time() - cpu, result


def describe_machine() -> str:
    """Name cores, processor and versions, for tables of measurements."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(': ')[1] for line in lines if 'model name' in line]
    return (
        f'{os.cpu_count()} cores, {(names or [platform.processor()])[0]}, '
        f'Python {platform.python_version()}, OpenCV {cv2.__version__}, '
        f'torch {torch.__version__}'
    )
