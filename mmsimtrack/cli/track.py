"""`mmsimtrack track`: follow targets in videos, folders, cameras, streams."""

from __future__ import annotations

import argparse
import contextlib
import glob
import os
import signal
import sys
import time
from pathlib import Path

import click

from mmsimtrack.cli.options import parse_bbox, parse_source

DEFAULT_MODEL = 'sim_s16-6l_real'
FORMATS = ('csv', 'json', 'mot', 'coco', 'txt')


class _Parsed(click.ParamType):
    """A type of a function that raises `argparse.ArgumentTypeError`."""

    def __init__(self, name: str, function) -> None:
        self.name, self.function = name, function

    def convert(self, value, param, ctx):
        """Read the text."""
        if not isinstance(value, str):
            return value
        try:
            return self.function(value)
        except argparse.ArgumentTypeError as error:
            self.fail(str(error), param, ctx)


def parse_start(text: str) -> tuple[int, int | None, list[float]]:
    """Read FRAME:x,y,w,h or FRAME:x,y,w,h:ID -> frame, id, xyxy."""
    frame, _, rest = text.partition(':')
    box, _, id_ = rest.partition(':')
    if not frame.isdecimal() or not (id_ or '1').isdecimal():
        raise argparse.ArgumentTypeError(
            f'found {text!r}, expected FRAME:x,y,w,h or FRAME:x,y,w,h:ID, '
            'such as 250:204,150,17,50'
        )
    return int(frame), int(id_) if id_ else None, parse_bbox(box)


def parse_formats(text: str) -> list[str]:
    """Read names of formats between commas."""
    names = list(dict.fromkeys(filter(None, text.split(','))))
    if not names or set(names) - set(FORMATS):
        raise argparse.ArgumentTypeError(
            f'found {text!r}, expected some of {",".join(FORMATS)}'
        )
    return names


def parse_device(text: str) -> str:
    """Check that there is such a device, before anything else is done."""
    import torch

    try:
        torch.zeros(1, device=text)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).split('\n')[0]
        raise argparse.ArgumentTypeError(
            f'found {text!r}, expected a device that works here, such as cpu '
            f'or cuda:0 ({reason})'
        ) from None
    return text


# flag, what becomes of its text, and its help
OPTIONS = (
    (
        '--model',
        None,
        'Name (see `mmsimtrack models`) or config file.  '
        f'[default: that of --weights, or {DEFAULT_MODEL}]',
    ),
    ('--weights', None, 'Checkpoint.  [default: of the model]'),
    ('--start', click.IntRange(0), 'First frame.  [default: 0]'),
    ('--end', click.IntRange(1), 'Frame to stop before.'),
    ('--step', click.IntRange(1), 'Take each step-th frame.  [default: 1]'),
    (
        '--device',
        _Parsed('device', parse_device),
        'cpu, cuda:0 and so on.  [default: choose]',
    ),
)
FLAGS = {
    '--show': 'Show the frames in a window.',
    '--no-video': 'Write no video.',
    '--no-sheet': 'Write no contact sheet.',
    '--overwrite': 'Replace results of an earlier run, which are numbered '
    'otherwise.',
    '--quiet': 'Show no progress.',
    '--trust-checkpoint': 'Allow Python objects in --weights; loading them '
    'can run code.',
}


def _options(function):
    """Add the options of both tables to a command."""
    for flag, type_, help_ in reversed(OPTIONS):
        function = click.option(flag, type=type_, help=help_)(function)
    for flag, help_ in reversed(FLAGS.items()):
        function = click.option(flag, is_flag=True, help=help_)(function)
    return function


@click.command(short_help='Follow targets in videos, cameras, streams.')
@click.argument('sources', metavar='SOURCE...', nargs=-1, required=True)
@click.option(
    '--box',
    'boxes',
    multiple=True,
    type=_Parsed('x,y,w,h', parse_bbox),
    help='Target in the first frame, in pixels. Repeat it for more targets; '
    'with several sources, give one box for each.',
)
@click.option(
    '--box-at',
    'starts',
    multiple=True,
    type=_Parsed('frame:x,y,w,h[:id]', parse_start),
    help='Start a target in a later frame. With the number of a target that '
    'is followed already, start that one anew.',
)
@click.option(
    '--out-dir',
    default='work_dirs/track',
    show_default=True,
    help='Folder for NAME_tracked.*; nothing of yours is replaced.',
)
@click.option(
    '--format',
    'formats',
    default='csv',
    show_default=True,
    type=_Parsed('list', parse_formats),
    help=f'Some of {",".join(FORMATS)}.',
)
@click.option(
    '--precision',
    type=click.Choice(['auto', 'fp32', 'bf16', 'fp16']),
    default='auto',
    show_default=True,
    help='auto is bf16 where the hardware computes with it, else fp32.',
)
@_options
def track(sources, boxes, starts, quiet, **options) -> int:
    """Follow targets from frame to frame, and write their boxes.

    SOURCE is a video, a folder or pattern of frames ('dir/*.jpg',
    dir/frame%d.jpg), the number of a camera, the address of a stream
    (rtsp://...), or - for a video from standard input. Results are
    NAME_tracked.csv (frame,time,id,x,y,w,h,score), .mp4 and .png.
    """
    sources = [each for text in sources for each in expand(text)]
    boxes = share_boxes(sources, boxes, starts)
    run = Run(sources, boxes, starts, quiet, **options)
    return run()


def expand(text: str) -> list[str | int]:
    """Replace a pattern of videos by the videos."""
    if any(c in text for c in '*?[') and not Path(text).exists():
        from mmsimtrack.datasets.frames import ENDINGS

        found = sorted(glob.glob(text, recursive=True))
        if found and not any(f.lower().endswith(ENDINGS) for f in found):
            return found
    return [parse_source(text)]


def share_boxes(sources: list, boxes: tuple, starts: tuple) -> list[list]:
    """Choose the boxes of each source.

    Raises:
        click.UsageError: If they cannot be shared.
    """
    if len(sources) == 1:
        return [list(boxes)]
    if len(boxes) not in (0, 1, len(sources)) or starts:
        raise click.UsageError(
            f'found {len(boxes)} --box{" and --box-at" if starts else ""} for '
            f'{len(sources)} sources, expected one --box for all, or one for '
            'each. For several targets, give one source at a time.'
        )
    if len(boxes) < 2:
        return [list(boxes) for _ in sources]
    return [[box] for box in boxes]


def has_display() -> bool:
    """Whether OpenCV can show windows; Qt would abort without a display."""
    if sys.platform.startswith('linux') and not (
        os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
    ):
        return False
    import cv2

    try:
        cv2.namedWindow('mmsimtrack')
        cv2.destroyWindow('mmsimtrack')
    except cv2.error:
        return False
    return True


class Run:
    """One call of the command."""

    def __init__(
        self, sources: list, boxes: list, starts: tuple, quiet: bool, **options
    ) -> None:
        self.quiet, self.options = quiet, options
        self.signal = None
        self.problems, self.incomplete = [], False
        if options['show'] and not has_display():
            raise click.UsageError(
                '--show needs a display, and an OpenCV with windows (package '
                'opencv-python, not opencv-python-headless). Leave it out.'
            )
        if not (all(boxes) or starts or has_display()):
            raise click.UsageError(
                'there is no display to draw a box in. Give the target in '
                'the first frame: --box x,y,w,h in pixels.'
            )
        from mmsimtrack.apis.follow import Job
        from mmsimtrack.apis.sources import Footage

        span = options['start'] or 0, options['end'], options['step'] or 1
        self.jobs = [
            Job(Footage(source, *span), self._plan(own, starts))
            for source, own in zip(sources, boxes)
        ]
        self.live = any(job.footage.reader.live for job in self.jobs)
        for job in self.jobs:
            if not job.starts:
                job.starts = [(0, 1, select_box(job.footage.peek()))]

    @staticmethod
    def _plan(boxes: list, starts: tuple) -> list[tuple]:
        plan = [(0, i + 1, box) for i, box in enumerate(boxes)]
        for frame, id_, box in starts:
            used = [start[1] for start in plan]
            plan.append((frame, id_ or max(used, default=0) + 1, box))
        return plan

    def __call__(self) -> int:
        """Follow all targets; the exit status."""
        former = {
            each: signal.signal(each, self._stop)
            for each in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            self._follow()
        finally:
            for each, handler in former.items():
                signal.signal(each, handler)
            for job in self.jobs:
                self._close(job)
        for problem in self.problems:
            click.echo(f'mmsimtrack: {problem}', err=True)
        if self.signal and not (self.live and self.signal == signal.SIGINT):
            return 128 + self.signal
        if self.problems and not self.incomplete:
            return 2  # nothing was tracked
        return int(bool(self.problems))

    def _stop(self, number: int, _) -> None:
        """End after this frame; a second signal ends at once."""
        self.signal = number
        signal.signal(number, signal.SIG_DFL)
        for job in self.jobs:
            job.footage.stop()

    def _follow(self) -> None:
        from mmsimtrack.apis.follow import follow
        from mmsimtrack.apis.sinks import outputs_of
        from mmsimtrack.apis.sot_inferencer import init_model, show_frame

        options = self.options
        name = options['model']
        if name is None and options['weights'] is None:
            name = DEFAULT_MODEL
        writing = {
            'out_dir': options['out_dir'],
            'formats': options['formats'],
            'video': not options['no_video'],
            'sheet': not options['no_sheet'],
            'overwrite': options['overwrite'],
            'model': name or options['weights'],
            'taken': set(),
        }
        model = init_model(
            name,
            options['weights'],
            options['device'],
            trust_checkpoint=options['trust_checkpoint'],
        )
        # live sources cannot wait for each other
        batch_size = len(self.jobs) if self.live else 1
        device = next(model.parameters()).device.type
        with Progress(self.quiet) as progress, self._precision(device):
            for job, step in follow(model, self.jobs, batch_size):
                if step is None:
                    self._close(job)
                    continue
                try:
                    drawn = outputs_of(job, **writing).add(step)
                except OSError as error:
                    job.error = error
                    job.footage.stop()
                    continue
                progress.show(job.footage, step)
                if options['show'] and not show_frame(
                    step.frame if drawn is None else drawn
                ):
                    self._stop(signal.SIGINT, None)

    def _precision(self, device: str):
        import torch

        from mmsimtrack.engine.autocast import has_native_bfloat16

        name = self.options['precision']
        if name == 'auto':
            fast = has_native_bfloat16()
            if device == 'cuda':
                fast = torch.cuda.is_bf16_supported(including_emulation=False)
            name = 'bf16' if fast else 'fp32'
        if name == 'fp32':
            return contextlib.nullcontext()
        types = {'bf16': torch.bfloat16, 'fp16': torch.float16}
        return torch.autocast(device, types[name])

    def _close(self, job) -> None:
        """Complete the files of a source, once, and say where they are."""
        outputs, job.outputs = job.outputs, None
        num_frames = 0
        if outputs is not None:
            num_frames = outputs.num_frames
            try:
                outputs.close()
            except OSError as error:
                job.error = job.error or error
        error, job.error = job.error, None
        if error is not None:
            self.problems.append(str(error))
        if num_frames and (error or self.signal):
            why = 'an error' if error else signal.Signals(self.signal).name
            self.incomplete = True
            self.problems.append(
                f'{job.footage.source}: stopped by {why} after {num_frames} '
                'frames, whose results are kept.'
            )
        if num_frames and not self.quiet:
            files = dict.fromkeys(map(str, outputs.files.values()))
            click.echo(
                f'{job.footage.source}: {num_frames} frames{lateness(job)} -> '
                + ', '.join(files)
            )


def lateness(job) -> str:
    """What a live source lost, for the report."""
    reader = job.footage.reader
    if not reader.live:
        return ''
    return (
        f' of {reader.num_received} ({reader.num_dropped} dropped, '
        f'{reader.num_reconnects} reconnects)'
    )


def select_box(frame) -> list[float]:
    """Let the user draw a box in a window -> xyxy.

    Raises:
        click.UsageError: If none was drawn.
    """
    import cv2

    title = 'Draw the target, then press Enter'
    x, y, w, h = cv2.selectROI(title, frame[..., ::-1])
    cv2.destroyWindow(title)
    if not w or not h:
        raise click.UsageError('no box was drawn. Draw one, or give --box.')
    return [x, y, x + w, y + h]


class Progress:
    """Shows how far a source is, on a terminal.

    Args:
        quiet: Show nothing.
    """

    def __init__(self, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        disable = quiet or not console.is_terminal
        self._bar = Bar(console=console, disable=disable)
        self._tasks = {}

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *exception) -> None:
        self._bar.stop()

    def show(self, footage, step) -> None:
        """Count a frame."""
        now, num, reader = time.monotonic(), footage.num_given, footage.reader
        if footage not in self._tasks:
            task = self._bar.add_task(footage.name, total=footage.total)
            self._tasks[footage] = task, now
        task, began = self._tasks[footage]
        text = f'{footage.name}: {num} frames'
        if now > began:
            text += f', {(num - 1) / (now - began):.1f}/s'
        if reader.live:
            late = 1000 * (now - reader.started - step.time)
            text += f', {late:.0f} ms late, {reader.num_dropped} dropped'
        self._bar.update(task, completed=num, description=text)
