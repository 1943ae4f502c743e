import io

from mmsimtrack.engine.loops import frame_progress
from mmsimtrack.engine.loops.frame_progress import FrameProgress


class Clock:
    """Time that passes only when it is told to."""

    now = 100.0

    def monotonic(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def make(monkeypatch, file, **options):
    clock, lines = Clock(), []
    monkeypatch.setattr(frame_progress, 'time', clock)
    monkeypatch.setattr(frame_progress.sys, 'stderr', file)
    monkeypatch.setattr(
        frame_progress, 'print_log', lambda text, _: lines.append(text)
    )
    return FrameProgress(600, **options), clock, lines


def test_a_bar_on_a_terminal(monkeypatch):
    file = Terminal()
    progress, clock, lines = make(monkeypatch, file)
    clock.now += 0.4
    progress.add(1)
    assert file.getvalue() == ''  # not at every step
    clock.now += 3.6
    progress.add(199)
    text = '200 of 600 frames, 50.0 frames/s with reading, 0:00:08 left'
    assert file.getvalue() == f'\r[{"=" * 10}{" " * 20}] {text}\033[K'
    assert not lines
    progress.log('Tracked a (1/3)')
    assert lines == [f'Tracked a (1/3): {text}']
    assert file.getvalue().endswith('\r\033[K')


def test_lines_now_and_then_elsewhere(monkeypatch):
    file = io.StringIO()
    progress, clock, lines = make(monkeypatch, file, log_interval=60)
    for _ in range(5):
        clock.now += 20
        progress.add(10)
    text = '40 of 600 frames, 0.5 frames/s with reading, 0:18:40 left'
    assert lines == [f'Tracking: {text}']
    assert file.getvalue() == ''


def test_nothing_to_do(monkeypatch):
    progress, *_ = make(monkeypatch, io.StringIO())
    assert '0 of 600 frames, 0.0 frames/s' in str(progress)
