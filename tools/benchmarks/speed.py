"""Measure how fast a tracker is, in one video and in many at once.

    python tools/benchmarks/speed.py CONFIG [CHECKPOINT]

Frames are generated, or taken from a folder. docs/en/speed.md says what the
numbers mean.
"""

import argparse
import contextlib
import functools
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from measuring import StageClock, describe_machine, elapsed, write_frames

from mmsimtrack.apis import SOTInferencer
from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import (
    add_cfg_options,
    add_trust_option,
    make_parser,
)
from mmsimtrack.cli.settings import read_settings
from mmsimtrack.datasets import FrameReader, read_frame
from mmsimtrack.datasets.frames import ENDINGS, list_frames
from mmsimtrack.deployment.fastest import accelerate
from mmsimtrack.engine.hooks import CompileHook
from mmsimtrack.engine.loops.sequence_batch import (
    open_sequences,
    track_together,
)
from mmsimtrack.evaluation.reports import markdown_table
from mmsimtrack.fileio import write_json
from mmsimtrack.models import SimTrack, TrackState
from mmsimtrack.structures import CropWindow, SOTDataSample, xywh_to_xyxy

STAGES = ('decode', 'crop', 'copy', 'network', 'rest')
# options of `torch.compile`; graph: the calls are recorded by the device
MODES = {'eager': None, 'compiled': {}, 'graph': {'mode': 'reduce-overhead'}}
DTYPES = {'fp32': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}
SIDE = 120  # of the default target, in pixels


@dataclass
class Subject:
    """A tracker that is timed, with frames and the box of its target.

    The box is put back after each frame, so that windows keep their size
    whatever the weights.

    Attributes:
        model: The tracker, on its device.
        paths: Image files, taken again and again.
        bbox: (4,) xyxy of the target in frame pixels.
        precision: Makes the context in which the tracker runs.
        device: Type of the device of the tracker.
    """

    model: SimTrack
    paths: list[str]
    bbox: np.ndarray
    precision: Callable[[], AbstractContextManager] = contextlib.nullcontext
    device: str = 'cpu'

    def synchronize(self) -> None:
        """Wait until the device has done all it was told to do."""
        if self.device != 'cpu':
            torch.accelerator.synchronize()

    def now(self) -> float:
        """Tell the seconds on the wall, the work of the device included."""
        self.synchronize()
        return time.perf_counter()

    def start(self, frames: list, samples: list) -> TrackState:
        """Make the first state of as many videos as frames."""
        with self.precision():
            bboxes = np.stack([self.bbox] * len(frames))
            state = self.model.init(frames, bboxes)
        # a recorded graph writes to the same place again
        memory = tuple(each.clone() for each in state.memory)
        return replace(state, memory=memory)

    def track(self, frames: list, state: TrackState) -> TrackState:
        """Make the next state, with the boxes of the one before."""
        with self.precision():
            found = self.model.track(frames, state)
        self.synchronize()
        return replace(found, bboxes=state.bboxes)


def time_latency(
    subject: Subject, num_frames: int, warm_up: int
) -> dict[str, float]:
    """Track in one video, one frame after the other, nothing overlaps.

    Args:
        subject: What is timed.
        num_frames: Frames to measure, once as a whole and once by stages.
        warm_up: Frames before.

    Returns:
        Milliseconds: `median` and `p95` from the file to the box, `least_cpu`
        of all cores in the fastest frame, and the median of each stage in a
        second pass, which waits for the device at the border of each.
    """
    clock = StageClock(subject.now)
    decode = clock.wrap('decode', read_frame)
    state = subject.start([read_frame(subject.paths[0])], [])

    def time_frame(i: int, read: Callable) -> tuple[float, float]:
        path = subject.paths[i % len(subject.paths)]
        track = subject.track
        return elapsed(lambda: track([read(path)], state))[:2]

    numbers = range(warm_up + num_frames)
    whole = [time_frame(i, read_frame) for i in numbers]
    stages = [
        (CropWindow, 'cut', 'crop'),
        (subject.model.data_preprocessor, 'normalize', 'copy'),
        (subject.model.backbone, 'forward', 'network'),
        (subject.model.head, 'predict', 'network'),
    ]
    rows = []
    with clock.running(stages):
        for i in numbers:
            clock.seconds.clear()
            total, _ = time_frame(i, decode)
            found = [clock.seconds[stage] for stage in STAGES[:-1]]
            rows.append([*found, total - sum(found)])
    medians = 1000 * np.median(rows[warm_up:], axis=0)
    wall, cpu = 1000 * np.array(whole[warm_up:]).T
    return {
        'median': np.median(wall),
        'p95': np.quantile(wall, 0.95),
        'least_cpu': cpu.min(),
        'stages': dict(zip(STAGES, medians.tolist())),
    }


def time_throughput(
    subject: Subject, num_slots: int, num_steps: int, warm_up: int
) -> dict[str, float]:
    """Track in many videos at once, as the test loop does.

    Frames are read from files and decoded ahead, in threads.

    Args:
        subject: What is timed.
        num_slots: Videos.
        num_steps: Batches to measure.
        warm_up: Batches before, the first frames among them.

    Returns:
        `frames_per_s`, and `cpu_ms`, the time of all cores per frame.
    """
    length = warm_up + num_steps
    paths = (subject.paths * length)[:length]
    readers = (FrameReader(paths) for _ in range(num_slots))
    videos = [dict(inputs=r, data_samples=SOTDataSample()) for r in readers]
    opened = open_sequences(videos, range(num_slots), num_slots)
    batches = track_together(opened, num_slots, subject.start, subject.track)
    for _ in range(warm_up):
        next(batches)
    wall, cpu, num = elapsed(lambda: sum(size for size, _ in batches))
    return {'frames_per_s': num / wall, 'cpu_ms': 1000 * cpu / num}


def find_frames(folder: Path | None, root: Path) -> list[str]:
    """Find the frames of a video, or generate eight in `root`.

    Raises:
        FileNotFoundError: If there is no frame in the folder.
    """
    if folder is None:
        return write_frames(root, range(8), np.random.default_rng(0), [])
    paths = [str(folder / name) for name in list_frames(folder)]
    if not paths:
        raise FileNotFoundError(
            f'--video: no frame in {folder}, expected files ending in '
            f'{", ".join(ENDINGS)}.'
        )
    return paths


def measure(subject: Subject, args: argparse.Namespace) -> list[dict]:
    """Measure all combinations of mode and precision."""
    device = subject.device
    rows = []
    for mode in sorted(args.mode, key=list(MODES).index):
        if mode != 'eager':  # and it stays so
            hook = CompileHook(**MODES[mode])
            hook.before_test(SimpleNamespace(model=subject.model))
        for precision in args.precision:
            dtype = DTYPES[precision]
            subject.precision = functools.partial(
                torch.autocast, device, dtype, enabled=dtype is not None
            )
            num, warm_up = args.num_frames, args.warm_up
            latency = time_latency(subject, num, warm_up)
            row = {'mode': mode, 'precision': precision, 'throughput': {}}
            for slots in args.slots:
                steps = max(num // slots, 5)
                found = time_throughput(subject, slots, steps, warm_up)
                row['throughput'][slots] = found
            rows.append(row | {'latency_ms': latency})
    return rows


def report(rows: list[dict]) -> str:
    """Make the tables in Markdown."""
    one, many = [], []
    for row in rows:
        name, latency = f'{row["mode"]}, {row["precision"]}', row['latency_ms']
        times = *list(latency.values())[:-1], *latency['stages'].values()
        one.append([name, *(f'{t:.1f}' for t in times)])
        for slots, found in row['throughput'].items():
            many.append([name, slots, *(f'{n:.1f}' for n in found.values())])
    mode = 'mode, precision'
    header = [mode, 'median', 'p95', 'least CPU', *STAGES]
    one = markdown_table(header, one)
    header = [mode, 'slots', 'frames/s', 'CPU ms per frame']
    return (
        f'One video, one frame after the other, milliseconds:\n\n{one}\n'
        'Many videos at once, with reading ahead:\n\n'
        f'{markdown_table(header, many)}'
    )


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('config', help='config file')
    add('checkpoint', nargs='?', help='its weights (default: random ones)')
    add('--device', help='such as cpu or cuda:0 (default: what there is)')
    backends = ['torch', 'onnxruntime', 'openvino']
    text = 'what runs the network on a CPU (default: torch); no autocast then'
    add('--backend', choices=backends, default='torch', help=text)
    text = 'fp32, or autocast to bf16 or fp16 (default: fp32)'
    add('--precision', nargs='+', choices=DTYPES, default=['fp32'], help=text)
    text = (
        'without or with torch.compile, or with CUDA graphs as well (default:'
        '\neager); compiled and graph need a call each'
    )
    add('--mode', nargs='+', choices=MODES, default=['eager'], help=text)
    text = 'numbers of videos at once (default: 1 4 16)'
    add('--slots', nargs='+', type=int, default=[1, 4, 16], help=text)
    text = 'frames to measure, in N slots a N-th of that each, at least 5'
    add('--num-frames', type=int, default=100, help=text)
    add('--warm-up', type=int, default=10, help='batches before (default: 10)')
    add('--video', type=Path, help='folder of frames (default: generated)')
    text = f'target in the first frame (default: {SIDE} px in its middle)'
    box = tuple('xywh')
    add('--bbox-xywh', nargs=4, type=float, metavar=box, help=text)
    add('--out', help='JSON file to write')
    add_trust_option(parser)
    add_cfg_options(parser)
    args = parser.parse_args()
    if {'compiled', 'graph'} <= {*args.mode}:
        parser.error('--mode: found compiled and graph. Call it for each.')
    return args


def main() -> None:
    """Measure, print tables and write them."""
    args = parse_args()
    cv2.setNumThreads(0)  # as in a test
    cfg = read_settings(args.config, args.cfg_options)
    model = SOTInferencer(
        cfg, args.checkpoint, args.device, args.trust_checkpoint
    ).model
    device = next(model.parameters()).device
    if args.backend != 'torch':
        accelerate(model, args.backend)
    machine = f'{describe_machine()}, {torch.get_num_threads()} threads'
    if device.type == 'cuda':
        machine = f'{torch.cuda.get_device_name(device)}; {machine}'
    with tempfile.TemporaryDirectory() as root:
        paths = find_frames(args.video, Path(root))
        height, width = read_frame(paths[0]).shape[:2]
        middle = (width - SIDE) / 2, (height - SIDE) / 2, SIDE, SIDE
        bbox = xywh_to_xyxy(args.bbox_xywh or middle)
        rows = measure(Subject(model, paths, bbox, device=device.type), args)
    content = {
        'config': str(args.config),
        'checkpoint': args.checkpoint,
        'device': str(device),
        'backend': args.backend,
        'machine': machine,
        'frames': f'{args.video or "generated"}, {width}x{height}',
        'bbox_xyxy': bbox.tolist(),
        'num_frames': args.num_frames,
        'measurements': rows,
    }
    keys = ('config', 'device', 'backend', 'machine', 'frames')
    print(*(f'{key}: {content[key]}' for key in keys), sep='\n')
    print(f'\n{report(rows)}')
    if args.out:
        write_json(args.out, content)


if __name__ == '__main__':
    run_tool(main)
