"""Measure how fast a tracker is, in one video and in many at once.

    python tools/analysis_tools/benchmark_speed.py CONFIG [CHECKPOINT]

Frames are generated, or taken from a folder. docs/en/speed.md says what the
numbers mean.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from benchmark_dataloader import describe_machine
from benchmark_frames import QUALITY, noise
from mmengine.config import Config, DictAction
from speed_timing import STAGES, Subject, time_latency, time_throughput

from mmsimtrack.apis import SOTInferencer
from mmsimtrack.apis.sources import IMAGE_ENDINGS
from mmsimtrack.datasets import read_frame
from mmsimtrack.engine.hooks import CompileHook
from mmsimtrack.fileio import replace_atomically
from mmsimtrack.structures import xywh_to_xyxy

DTYPES = {'fp32': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}
SIDE = 120  # of the default target, in pixels
GENERATED = 8  # frames


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Measure a tracker.')
    add = parser.add_argument
    add('config', help='config file')
    add('checkpoint', nargs='?', help='its weights (default: random ones)')
    add('--device', help='such as cpu or cuda:0 (default: what there is)')
    add(
        '--precision',
        nargs='+',
        choices=DTYPES,
        default=['fp32'],
        help='fp32, or autocast to bf16 or fp16 (default: fp32)',
    )
    add(
        '--mode',
        nargs='+',
        choices=['eager', 'compiled'],
        default=['eager'],
        help='without or with torch.compile (default: eager)',
    )
    add('--slots', nargs='+', type=int, default=[1, 4, 16], metavar='N')
    add(
        '--num-frames',
        type=int,
        default=100,
        help='frames per measurement; with N slots a N-th of that in '
        'batches, but at least 5 (default: 100)',
    )
    add('--warm-up', type=int, default=10, help='batches before (default: 10)')
    add('--video', type=Path, help='folder of frames (default: generated)')
    add(
        '--bbox-xywh',
        nargs=4,
        type=float,
        metavar=tuple('xywh'),
        help=f'target in the first frame (default: {SIDE} px in its middle)',
    )
    add('--out', help='JSON file to write')
    add('--trust-checkpoint', action='store_true', help='see tools/test.py')
    add('--cfg-options', nargs='+', action=DictAction, help='key=value')
    return parser.parse_args()


def find_frames(folder: Path | None, root: Path) -> list[str]:
    """Frames of a video, or generated ones.

    Args:
        folder: Of the video; None to generate.
        root: Where generated frames go.

    Raises:
        FileNotFoundError: If there is no frame in the folder.
    """
    if folder is not None:
        paths = [
            path
            for path in folder.glob('*')
            if path.suffix.lower() in IMAGE_ENDINGS
        ]
        if not paths:
            raise FileNotFoundError(
                f'--video: no frame in {folder}, expected files ending in '
                f'{", ".join(IMAGE_ENDINGS)}.'
            )
        return sorted(map(str, paths))
    rng = np.random.default_rng(0)
    paths = [str(root / f'{i}.jpg') for i in range(GENERATED)]
    for path in paths:
        frame = noise(rng)
        cv2.imwrite(path, frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return paths


def make_subject(args: argparse.Namespace, paths: list[str]) -> Subject:
    """The tracker of the command line, and what it tracks."""
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    model = SOTInferencer(
        cfg, args.checkpoint, args.device, args.trust_checkpoint
    ).model
    height, width = read_frame(paths[0]).shape[:2]
    bbox_xywh = args.bbox_xywh or (
        (width - SIDE) / 2,
        (height - SIDE) / 2,
        SIDE,
        SIDE,
    )
    bbox = xywh_to_xyxy(np.array(bbox_xywh))
    return Subject(model, contextlib.nullcontext, paths, bbox)


def measure(subject: Subject, args: argparse.Namespace) -> list[dict]:
    """All combinations of mode and precision."""
    device = next(subject.model.parameters()).device.type
    rows = []
    for mode in sorted(args.mode, key=['eager', 'compiled'].index):
        if mode == 'compiled':  # and it stays so
            CompileHook().before_test(SimpleNamespace(model=subject.model))
        for precision in args.precision:
            dtype = DTYPES[precision]
            subject.precision = functools.partial(
                torch.autocast, device, dtype, enabled=dtype is not None
            )
            latency = time_latency(subject, args.num_frames, args.warm_up)
            throughput = {
                slots: time_throughput(
                    subject,
                    slots,
                    max(args.num_frames // slots, 5),
                    args.warm_up,
                )
                for slots in args.slots
            }
            rows.append(
                dict(
                    mode=mode,
                    precision=precision,
                    latency_ms=latency,
                    throughput=throughput,
                )
            )
    return rows


def describe(subject: Subject, args: argparse.Namespace) -> dict:
    """What was measured, and on what."""
    device = next(subject.model.parameters()).device
    machine = f'{describe_machine()}, {torch.get_num_threads()} threads'
    if device.type == 'cuda':
        machine = f'{torch.cuda.get_device_name(device)}; {machine}'
    height, width = read_frame(subject.paths[0]).shape[:2]
    return {
        'config': str(args.config),
        'checkpoint': args.checkpoint,
        'device': str(device),
        'machine': machine,
        'matmul_precision': torch.get_float32_matmul_precision(),
        'frames': f'{args.video or "generated"}, {width}x{height}',
        'bbox_xyxy': subject.bbox.tolist(),
        'num_frames': args.num_frames,
    }


def report(settings: dict, rows: list[dict]) -> str:
    """Tables in Markdown."""
    lines = [
        f'{settings["config"]} on {settings["device"]}: '
        f'{settings["machine"]}; frames: {settings["frames"]}',
        '',
        'One video, one frame after the other, milliseconds:',
        '',
        '| mode | precision | median | p95 | ' + ' | '.join(STAGES) + ' |',
        '|---|---|' + '---:|' * (2 + len(STAGES)),
    ]
    for row in rows:
        latency = row['latency_ms']
        times = [latency['median'], latency['p95']]
        times += latency['stages'].values()
        cells = [row['mode'], row['precision'], *(f'{t:.1f}' for t in times)]
        lines.append(f'| {" | ".join(cells)} |')
    lines += [
        '',
        'Many videos at once, with reading ahead:',
        '',
        '| mode | precision | slots | frames/s | CPU ms per frame |',
        '|---|---|---:|---:|---:|',
    ]
    lines += [
        f'| {row["mode"]} | {row["precision"]} | {slots} | '
        f'{found["frames_per_s"]:.1f} | {found["cpu_ms"]:.1f} |'
        for row in rows
        for slots, found in row['throughput'].items()
    ]
    return '\n'.join(lines)


def main() -> None:
    """Measure, print tables and write them."""
    args = parse_args()
    cv2.setNumThreads(0)  # as in a test
    with tempfile.TemporaryDirectory() as root:
        paths = find_frames(args.video, Path(root))
        subject = make_subject(args, paths)
        settings = describe(subject, args)
        rows = measure(subject, args)
    print(report(settings, rows))
    if args.out:
        with replace_atomically(args.out) as temporary:
            content = {**settings, 'measurements': rows}
            temporary.write_text(json.dumps(content, indent=2) + '\n')


if __name__ == '__main__':
    main()
