"""`mmsimtrack track`: follow targets in videos, folders, cameras, streams."""

from __future__ import annotations

import gc
import glob
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmsimtrack.cli.app import draw_boxes
from mmsimtrack.cli.options import (
    BadValue,
    click_options,
    expects,
    parse_bbox,
    parse_source,
)

if TYPE_CHECKING:
    import numpy as np

DEFAULT_MODEL = 'sim_s16-6l_real'
FORMATS = ('csv', 'json', 'mot', 'coco', 'txt')
BACKENDS = ('auto', 'torch', 'onnxruntime', 'openvino')
PRECISIONS = ('auto', 'fp32', 'bf16', 'fp16')


@expects('FRAME:x,y,w,h or FRAME:x,y,w,h:ID, such as 250:204,151,17,50')
def parse_start(text: str) -> tuple[int, int | None, list[float]]:
    """Read FRAME:x,y,w,h or FRAME:x,y,w,h:ID -> frame, id, xyxy."""
    frame, _, rest = text.partition(':')
    box, _, id_ = rest.partition(':')
    if not frame.isdecimal() or not (id_ or '1').isdecimal():
        raise ValueError
    return int(frame), int(id_) if id_ else None, parse_bbox(box)


@expects(f'some of {",".join(FORMATS)}')
def parse_formats(text: str) -> list[str]:
    """Read names of formats between commas."""
    names = list(dict.fromkeys(filter(None, text.split(','))))
    if not names or set(names) - set(FORMATS):
        raise ValueError
    return names


def parse_device(text: str) -> str:
    """Check that there is such a device, before anything else is done."""
    import torch

    try:
        torch.zeros(1, device=text)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split('\n')[0]
        raise BadValue(
            f'found {text!r}, expected a device that works here, such as cpu '
            f'or cuda:0 ({reason})'
        ) from None
    return text


OPTIONS = {
    '--box x,y,w,h': 'Target in the first frame, in pixels. Repeat it for '
    'more targets; with several sources, give one box for each.',
    '--box-at FRAME:x,y,w,h[:ID]': 'Start a target in a later frame. With '
    'the number of a target that is followed already, start that one anew.',
    '--model NAME': 'Name (see `mmsimtrack models`) or config file.  '
    f'[default: that of --weights, or {DEFAULT_MODEL}]',
    '--weights FILE': 'Checkpoint.  [default: of the model]',
    '--start FRAME': 'First frame.',
    '--end FRAME': 'Frame to stop before.',
    '--step N': 'Take each N-th frame.',
    '--out-dir DIR': 'For NAME_tracked.*; nothing of yours is replaced.',
    '--format LIST': f'Some of {",".join(FORMATS)}.',
    '--device NAME': 'cpu, cuda:0 and so on.  [default: choose]',
    '--backend NAME': 'What runs the network on a CPU: torch, onnxruntime, '
    'openvino, or auto: the fastest that is installed and gives the boxes of '
    'torch, for long videos and for models that were exported before.',
    '--precision NAME': 'fp32, bf16, fp16, or auto: bf16 where the hardware '
    'computes with it, else fp32.',
    '--show': 'Show the frames in a window.',
    '--no-video': 'Write no video.',
    '--no-sheet': 'Write no contact sheet.',
    '--overwrite': 'Replace results of an earlier run, which are numbered '
    'otherwise.',
    '--quiet': 'Show no progress.',
    '--trust-checkpoint': 'Allow Python objects in --weights; loading them '
    'can run code.',
}
KINDS = {
    'box': {'type': parse_bbox, 'multiple': True},
    'box_at': {'type': parse_start, 'multiple': True},
    'start': {'type': click.IntRange(0), 'default': 0},
    'end': {'type': click.IntRange(1)},
    'step': {'type': click.IntRange(1), 'default': 1},
    'out_dir': {'default': 'work_dirs/track'},
    'format': {'type': parse_formats, 'default': 'csv', 'name': 'formats'},
    'device': {'type': parse_device},
    'backend': {'type': click.Choice(BACKENDS), 'default': 'auto'},
    'precision': {'type': click.Choice(PRECISIONS), 'default': 'auto'},
}


@click.command(short_help='Follow targets in videos, cameras, streams.')
@click.argument('sources', metavar='SOURCE...', nargs=-1, required=True)
@click_options(OPTIONS, **KINDS)
def track(sources, box, box_at, start, end, step, show, **options) -> int:
    """Follow targets from frame to frame, and write their boxes.

    SOURCE is a video, a folder or pattern of frames ('dir/*.jpg',
    dir/frame%d.jpg), the number of a camera, the address of a stream
    (rtsp://...), or - for a video from standard input. Results are
    NAME_tracked.csv (frame,time,id,x,y,w,h,score,lost), .mp4 and
    .png.
    """
    sources = [each for text in sources for each in expand(text)]
    sources = unite(sources) if len(sources) > 1 else sources
    starts = share_boxes(sources, box, box_at)
    if show and not has_display():
        raise click.UsageError(
            '--show needs a display, and an OpenCV with windows (package '
            'opencv-python, not opencv-python-headless). Leave it out.'
        )
    draw = None if all(starts) else choose_drawing()
    gc.disable()  # else a fifth of the time of these imports
    try:
        from mmsimtrack.apis.follow import Job
        from mmsimtrack.apis.sources import Footage
    finally:
        gc.enable()
    jobs = [
        Job(Footage(source, start, end, step), own)
        for source, own in zip(sources, starts)
    ]
    for job in jobs:
        if not job.starts:
            boxes = draw(job.footage.peek())
            job.starts = [(0, i, box) for i, box in enumerate(boxes, 1)]
    return Run(jobs, show, options.pop('quiet'))(**options)


def expand(text: str) -> list[str | int]:
    """Replace a pattern of videos by the videos."""
    if any(c in text for c in '*?[') and not Path(text).exists():
        from mmsimtrack.datasets.frames import ENDINGS

        found = sorted(glob.glob(text, recursive=True))
        if found and not any(f.lower().endswith(ENDINGS) for f in found):
            return found
    return [parse_source(text)]


def unite(sources: list) -> list:
    """Make one source of images, into which shells expand `dir/*.jpg`.

    Results of earlier runs are left out, and 2.jpg comes before 10.jpg.
    """
    from mmsimtrack.apis.sources import is_clip, written_names
    from mmsimtrack.datasets.frames import list_frames

    if not is_clip(sources):
        return sources
    folder = Path(sources[0]).parent
    ours, places = written_names(folder), list_frames(folder)
    places = {name: place for place, name in enumerate(places)}
    files = [file for file in sources if Path(file).name not in ours]
    return [sorted(files, key=lambda f: places.get(Path(f).name, -1))]


def share_boxes(sources: list, boxes: tuple, starts: tuple) -> list[list]:
    """Choose and number the targets of each source.

    Returns:
        For each source, the frame, the id and the box of each start.

    Raises:
        click.UsageError: If the boxes cannot be shared.
    """
    groups = [boxes] * len(sources)
    if len(sources) > 1:
        if len(boxes) not in (0, 1, len(sources)) or starts:
            raise click.UsageError(
                f'found {len(boxes)} --box{" and --box-at" * bool(starts)} '
                f'for {len(sources)} sources, expected one --box for all, or '
                'one for each. For several targets, give one source at a time.'
            )
        groups = [[box] for box in boxes] if len(boxes) > 1 else groups
    groups = [[(0, i + 1, box) for i, box in enumerate(g)] for g in groups]
    for frame, id_, box in starts:
        free = max((other for _, other, _ in groups[0]), default=0) + 1
        groups[0].append((frame, id_ or free, box))
    return groups


def has_display() -> bool:
    """Tell whether OpenCV can show windows; Qt aborts without a display."""
    displays = os.environ.get('DISPLAY'), os.environ.get('WAYLAND_DISPLAY')
    if sys.platform.startswith('linux') and not any(displays):
        return False
    import cv2

    try:
        cv2.namedWindow('mmsimtrack')
        cv2.destroyWindow('mmsimtrack')
    except cv2.error:
        return False
    return True


def choose_drawing() -> Callable[[np.ndarray], list]:
    """Choose where the user draws boxes: in a window, else in a browser.

    Raises:
        click.UsageError: If there is no user at a terminal either.
    """
    if has_display():
        return select_boxes
    if sys.stdin.isatty():
        return draw_boxes
    raise click.UsageError(
        'there is no display to draw a box in. Give the target in '
        'the first frame: --box x,y,w,h in pixels.'
    )


def select_boxes(frame) -> list[list[float]]:
    """Let the user draw a box in a window -> one box, xyxy.

    Raises:
        click.UsageError: If none was drawn.
    """
    import cv2

    title = 'Draw the target, then press Enter'
    x, y, w, h = cv2.selectROI(title, frame[..., ::-1])
    cv2.destroyWindow(title)
    if not w or not h:
        raise click.UsageError('no box was drawn. Draw one, or give --box.')
    return [[x, y, x + w, y + h]]


def check_weights(model: str) -> None:
    """Refuse a model without weights, which would track at random.

    Raises:
        click.UsageError: If the package has none.
    """
    from mmsimtrack.apis.zoo import describe_weights, find_model

    where = ''
    if not model.endswith('.py'):
        if find_model(model)[1]:
            return
        where = ' ' + describe_weights(model)
    raise click.UsageError(
        f'{model} comes without weights.{where} Give --weights FILE, or the '
        'name of a model that has some: see `mmsimtrack models --weights`.'
    )


def choose_precision(name: str, device: str):
    """Choose the context to track in; see `--precision`."""
    import torch

    from mmsimtrack.engine.autocast import has_native_bfloat16

    if name == 'auto':
        fast = has_native_bfloat16()
        if device == 'cuda':
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        name = 'bf16' if fast else 'fp32'
    types = {'bf16': torch.bfloat16, 'fp16': torch.float16}
    return torch.autocast(device, types.get(name), enabled=name in types)


class Run:
    """One call of the command: it follows, and says what has become of it."""

    def __init__(self, jobs: list, show: bool, quiet: bool) -> None:
        self.jobs, self.show, self.quiet = jobs, show, quiet
        self.live = any(job.footage.reader.live for job in jobs)
        self.waiting = list(jobs)  # to be reported
        self.signal = None
        self.problems = []
        self.tasks = {}  # of the progress bar, by job

    def __call__(self, **options) -> int:
        """Follow all targets; the exit status."""
        numbers = signal.SIGINT, signal.SIGTERM
        former = {n: signal.signal(n, self._stop) for n in numbers}
        try:
            self._follow(**options)
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
        for problem in self.problems:
            click.echo(f'mmsimtrack: {problem}', err=True)
        if self.signal and not (self.live and self.signal == signal.SIGINT):
            return 128 + self.signal
        tracked = any(job.outputs.num_frames for job in self.jobs)
        return (1 if tracked else 2) if self.problems else 0

    def _stop(self, number: int, _) -> None:
        """End after this frame; a second signal ends at once."""
        self.signal = number
        signal.signal(number, signal.SIG_DFL)
        for job in self.jobs:
            job.footage.stop()

    def _follow(
        self,
        model,
        weights,
        device,
        backend,
        precision,
        trust_checkpoint,
        **writing,
    ) -> None:
        from rich.console import Console
        from rich.progress import Progress

        from mmsimtrack.apis.follow import follow
        from mmsimtrack.apis.sinks import write_all
        from mmsimtrack.apis.sot_inferencer import init_model, show_frame

        if weights is None:
            model = model or DEFAULT_MODEL
            check_weights(model)
        write_all(self.jobs, model=model or weights, **writing)
        trust = {'trust_checkpoint': trust_checkpoint}
        if backend in ('onnxruntime', 'openvino'):
            device = device or 'cpu'
        tracker = init_model(model, weights, device, **trust)
        device = next(tracker.parameters()).device.type
        console = Console(stderr=True)
        hidden = self.quiet or not console.is_terminal
        # live sources cannot wait for each other
        steps = follow(tracker, self.jobs, len(self.jobs) if self.live else 1)
        try:
            with (
                Progress(console=console, disable=hidden) as bar,
                choose_precision(precision, device),
                closing(steps),
            ):
                if backend != 'torch':
                    from mmsimtrack.deployment.fastest import accelerate

                    total = sum(job.footage.total or 0 for job in self.jobs)
                    total *= not self.live  # a camera does not wait
                    options = backend, precision, total, self._say
                    accelerate(tracker, *options)
                for job, step in steps:
                    if step is None:
                        self._report(job)
                        continue
                    self._show_progress(bar, job, step)
                    if self.show and not show_frame(step.drawn):
                        self._stop(signal.SIGINT, None)
        finally:
            for job in list(self.waiting):
                self._report(job)

    def _say(self, text: str) -> None:
        """Tell what is done."""
        if not self.quiet:
            click.echo(f'mmsimtrack: {text}', err=True)

    def _show_progress(self, bar, job, step) -> None:
        """Count a frame of a source, on a terminal."""
        footage, reader = job.footage, job.footage.reader
        if job not in self.tasks:
            self.tasks[job] = bar.add_task(footage.name, total=footage.total)
        number, speed = footage.num_given, bar.tasks[self.tasks[job]].speed
        text = f'{footage.name}: {number} frames, {speed or 0:.1f}/s'
        if reader.live:
            late = 1000 * (time.monotonic() - reader.started - step.time)
            text += f', {late:.0f} ms late, {reader.num_dropped} dropped'
        bar.update(self.tasks[job], completed=number, description=text)

    def _report(self, job) -> None:
        """Say what has become of a source, and note what went wrong."""
        self.waiting.remove(job)
        source, reader = job.footage.source, job.footage.reader
        count = f'{job.outputs.num_frames} frames'
        if job.error is not None:
            self.problems.append(str(job.error))
        if not job.outputs.num_frames:
            return
        if job.error or self.signal:
            why = 'an error'
            if job.error is None:
                why = signal.Signals(self.signal).name
            self.problems.append(
                f'{source}: stopped by {why} after {count}, whose results '
                'are kept.'
            )
        if reader.live:
            count += (
                f' of {reader.num_received} ({reader.num_dropped} dropped, '
                f'{reader.num_reconnects} reconnects)'
            )
        if not self.quiet:
            files = dict.fromkeys(map(str, job.outputs.files.values()))
            click.echo(f'{source}: {count} -> {", ".join(files)}')
