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
    '--model',
    help='Name (see `mmsimtrack models`) or config file.  '
    f'[default: that of --weights, or {DEFAULT_MODEL}]',
)
@click.option('--weights', help='Checkpoint.  [default: of the model]')
@click.option(
    '--start', type=click.IntRange(0), default=0, help='First frame.'
)
@click.option('--end', type=click.IntRange(1), help='Frame to stop before.')
@click.option('--step', type=click.IntRange(1), default=1, help='Stride.')
@click.option('--show', is_flag=True, help='Show the frames in a window.')
@click.option('--no-video', is_flag=True, help='Write no video.')
@click.option('--no-sheet', is_flag=True, help='Write no contact sheet.')
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
    '--overwrite',
    is_flag=True,
    help='Replace results of an earlier run, which are numbered otherwise.',
)
@click.option(
    '--device',
    type=_Parsed('device', parse_device),
    help='cpu, cuda:0 and so on.  [default: choose]',
)
@click.option(
    '--precision',
    type=click.Choice(['auto', 'fp32', 'bf16', 'fp16']),
    default='auto',
    show_default=True,
    help='auto is bf16 where the hardware computes with it, else fp32.',
)
@click.option('--quiet', is_flag=True, help='Show no progress.')
@click.option(
    '--trust-checkpoint',
    is_flag=True,
    help='Allow Python objects in --weights; loading them can run code.',
)
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
        self.outputs, self.problems, self.taken = {}, [], set()
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

        span = [options[name] for name in ('start', 'end', 'step')]
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
        if any(isinstance(each, UserProblem) for each in self.problems):
            return 2
        return int(bool(self.problems))

    def _stop(self, number: int, _) -> None:
        """End after this frame; a second signal ends at once."""
        self.signal = number
        signal.signal(number, signal.SIG_DFL)
        for job in self.jobs:
            job.footage.stop()

    def _follow(self) -> None:
        from mmsimtrack.apis.follow import follow
        from mmsimtrack.apis.sot_inferencer import init_model, show_frame

        options = self.options
        name = options['model']
        if name is None and options['weights'] is None:
            name = DEFAULT_MODEL
        self.name = name or options['weights']
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
                    drawn = self._outputs(job).add(step)
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

    def _outputs(self, job):
        from mmsimtrack.apis.sinks import Outputs

        if id(job) not in self.outputs:
            ids = sorted({start[1] for start in job.starts} | set(job.ids))
            self.outputs[id(job)] = Outputs(
                job.footage,
                ids,
                self.options['out_dir'],
                self.options['formats'],
                not self.options['no_video'],
                not self.options['no_sheet'],
                self.options['overwrite'],
                self.name,
                taken=self.taken,
            )
        return self.outputs[id(job)]

    def _close(self, job) -> None:
        """Complete the files of a source, once, and say where they are."""
        outputs = self.outputs.get(id(job))
        if outputs is None and job.error is None:
            return
        closed, self.outputs[id(job)] = outputs, None
        if closed is not None:
            try:
                closed.close()
            except OSError as error:
                job.error = job.error or error
        error, job.error = job.error, None
        num_frames = closed.num_frames if closed else 0
        if error is not None:
            kind = UserProblem
            if num_frames:
                error = f'{error}\n{job.footage.source}: stopped after '
                error += f'{num_frames} frames, whose results are kept.'
                kind = str
            self.problems.append(kind(error))
        elif self.signal:
            name = signal.Signals(self.signal).name
            self.problems.append(
                f'{job.footage.source}: stopped by {name} after {num_frames} '
                'frames, whose results are kept.'
            )
        if num_frames and not self.quiet:
            files = dict.fromkeys(map(str, closed.files.values()))
            click.echo(
                f'{job.footage.source}: {num_frames} frames{lateness(job)} -> '
                + ', '.join(files)
            )


class UserProblem(str):
    """A problem that kept a source from being tracked at all."""


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
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        self._bar = Bar(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('{task.fields[note]}'),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._tasks = {}

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *exception) -> None:
        self._bar.stop()

    def show(self, footage, step) -> None:
        """Count a frame."""
        now = time.monotonic()
        if id(footage) not in self._tasks:
            task = self._bar.add_task(
                footage.name, total=footage.total, note=''
            )
            self._tasks[id(footage)] = task, now
        task, began = self._tasks[id(footage)]
        note = ''
        if now > began:
            note = f'{(footage.num_given - 1) / (now - began):.1f} frames/s'
        if footage.reader.live:
            late = now - footage.reader.started - step.time
            note += f', {1000 * late:.0f} ms late, '
            note += f'{footage.reader.num_dropped} dropped'
        self._bar.update(task, advance=1, note=note)
