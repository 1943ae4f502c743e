"""How far a test is."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from mmengine.dist import is_main_process
from mmengine.logging import print_log

BAR = 30  # characters
REDRAW = 0.5  # seconds


class FrameProgress:
    """Frames that are done, per second, and the time that is left.

    The main process draws a bar where it has a terminal, and else logs a
    line now and then.

    Args:
        num_frames: To do in this process.
        log_interval: Seconds between two lines of the log.
    """

    def __init__(self, num_frames: int, log_interval: float = 60) -> None:
        self.num_frames = num_frames
        self.log_interval = log_interval
        self.done = 0
        self.start = self.shown = time.monotonic()
        self.has_bar = is_main_process() and sys.stderr.isatty()

    def __str__(self) -> str:
        elapsed = max(time.monotonic() - self.start, 1e-9)
        fps = self.done / elapsed
        left = (self.num_frames - self.done) / fps if fps else 0
        return (
            f'{self.done} of {self.num_frames} frames, {fps:.1f} frames/s '
            f'with reading, {timedelta(seconds=round(left))} left'
        )

    def add(self, num_frames: int) -> None:
        """Count frames that are done."""
        self.done += num_frames
        waited = time.monotonic() - self.shown
        if self.has_bar and waited > REDRAW:
            full = BAR * self.done // self.num_frames
            bar = '=' * full + ' ' * (BAR - full)
            # to the beginning of the line; from the cursor on, clear it
            print(f'\r[{bar}] {self}\033[K', end='', file=sys.stderr)
            sys.stderr.flush()
            self.shown = time.monotonic()
        elif not self.has_bar and waited > self.log_interval:
            self.log('Tracking')

    def log(self, text: str) -> None:
        """Log a line that ends with the progress."""
        if self.has_bar:
            print('\r\033[K', end='', file=sys.stderr, flush=True)
        print_log(f'{text}: {self}', 'current')
        self.shown = time.monotonic()
