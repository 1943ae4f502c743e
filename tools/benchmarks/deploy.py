"""Measure the formats and runtimes that docs/en/deploy.md compares.

    OMP_NUM_THREADS=1 python tools/benchmarks/deploy.py CLIPS MODEL [MODEL ...]

CLIPS is a folder as real_clips.py takes it; a MODEL is a name of the model
zoo or a config. Exports go to a temporary folder. CPU ms are those of all
threads, without the decoding of frames. Prints tables in Markdown.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import real_clips
import torch
from measuring import describe_machine
from real_clips import Clip, find_clips, track

from mmsimtrack.apis import Tracker as TorchTracker
from mmsimtrack.apis import init_model
from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import make_parser
from mmsimtrack.deployment.export import export
from mmsimtrack.evaluation.reports import markdown_table
from mmsimtrack.runtime import Tracker
from mmsimtrack.structures import aligned_iou

ROWS = (  # format, precision, backend
    ('onnx', 'fp32', 'onnxruntime'),
    ('onnx', 'fp32', 'openvino'),
    ('onnx', 'fp16', 'onnxruntime'),
    ('onnx', 'int8', 'onnxruntime'),
    ('openvino', 'fp32', 'openvino'),
    ('openvino', 'fp16', 'openvino'),
    ('openvino', 'bf16', 'openvino'),
    ('openvino', 'int8', 'openvino'),
)
HEADER = (
    'format, runtime',
    'MB',
    'CPU ms a frame',
    'largest difference from torch, px',
    'overlap with torch',
    'mean AUC',
)


def measure(tracker, clips: list[Clip], expected: list | None = None):
    """Track all clips: numbers of the table, and the boxes of each clip."""
    found, bboxes = real_clips.measure(partial(track, tracker), clips)
    numbers = [f'{found["cpu_ms"]:.1f}', '', '']
    if expected is not None:
        # the first box of a clip is given
        ours, theirs = (
            np.concatenate([each[1:] for each in all_])
            for all_ in (bboxes, expected)
        )
        numbers[1] = f'{abs(ours - theirs).max():.2g}'
        numbers[2] = f'{aligned_iou(ours, theirs).mean():.4f}'
    return [*numbers, f'{found["mean"]["auc"]:.1f}'], bboxes


def compare(
    name: str, clips: list[Clip], root: Path, wanted: list
) -> Iterator:
    """Yield the rows of the table of a model, the first one of torch."""
    model = init_model(name, device='cpu')
    numbers, expected = measure(TorchTracker(model, device='cpu'), clips)
    yield ['torch', '', *numbers]
    for format_, precision, backend in wanted:
        folder = root / f'{Path(name).stem}-{format_}-{precision}'
        if not folder.exists():
            export(model, folder, format_, precision, max_loss=1)
        size = sum(f.stat().st_size for f in folder.iterdir()) / 1e6
        tracker = Tracker(folder, backend, torch.get_num_threads())
        numbers, _ = measure(tracker, clips, expected)
        title = f'{format_} {precision}'
        title += f', {backend}' * (format_ == 'onnx')
        yield [title, f'{size:.1f}', *numbers]


def start(code: str) -> list[str]:
    """Run code in a process of its own: seconds of CPU, and MB at most."""
    # not ru_maxrss, which begins with the memory of this process
    code += "\nprint(open('/proc/self/status').read())"
    command = [sys.executable, '-c', code]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    told = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f'The process failed: {code}')
    cpu = usage.ru_utime + usage.ru_stime
    (peak,) = re.findall(r'VmHWM:\s*(\d+) kB', told)
    return [f'{cpu:.2f}', f'{int(peak) / 1024:.0f}']


def main() -> None:
    """Measure, and print the tables."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('clips', type=Path, help='folder with clips')
    add('models', nargs='+', metavar='MODEL', help='names or configs')
    add('--frames', type=int, help='of each clip (default: all)')
    add('--rows', type=int, nargs='+', help=f'some of 0 to {len(ROWS) - 1}')
    args = parser.parse_args()
    threads = torch.get_num_threads()
    cv2.setNumThreads(threads)
    first = slice(args.frames)
    clips = [
        replace(clip, frames=clip.frames[first], bboxes=clip.bboxes[first])
        for clip in find_clips(args.clips)
    ]
    wanted = [ROWS[i] for i in args.rows or range(len(ROWS))]
    wanted = [row for row in wanted if find_spec(row[2])]
    num_frames = sum(len(clip.frames) for clip in clips)
    print(f'{describe_machine()}, {threads} threads')
    print(f'{len(clips)} clips, {num_frames} frames\n')
    with tempfile.TemporaryDirectory() as root:
        for name in args.models:
            rows = []
            for row in compare(name, clips, Path(root), wanted):
                rows.append(row)
                print(*row, file=sys.stderr, flush=True)
            print(f'{name}:\n\n{markdown_table(HEADER, rows)}')
        first = '-'.join([Path(args.models[0]).stem, *wanted[0][:2]])
        starts = {
            'torch': 'from mmsimtrack.apis import Tracker; '
            f'Tracker({args.models[0]!r}, device="cpu")',
            'without torch': 'from mmsimtrack.runtime import Tracker; '
            f'Tracker({str(Path(root, first))!r})',
        }
        rows = [[name, *start(code)] for name, code in starts.items()]
    header = ['to the loaded tracker', 'CPU s', 'MB of memory at most']
    print(markdown_table(header, rows))


if __name__ == '__main__':
    run_tool(main)
