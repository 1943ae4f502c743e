"""The command of the light distribution: `mmsimtrack-light track`."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from .backends import BACKENDS
from .tracker import Tracker

MODEL = Path(__file__).parents[1] / 'model'  # in the light distribution


def read_frames(source: str) -> Iterator[np.ndarray]:
    """Read frames (H, W, 3) RGB uint8 of a video or a folder of images.

    Raises:
        FileNotFoundError: If there is nothing of that name.
        ValueError: If OpenCV reads no frame of it.
    """
    path = Path(source)
    if not path.exists() and '://' not in source:
        raise FileNotFoundError(
            f'{source} is missing, expected a video or a folder of images.'
        )
    found = False
    for frame in _read_bgr(path, source):
        found = True
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    if not found:
        raise ValueError(
            f'OpenCV reads no frame of {source}. Expected a video that it can '
            'decode, or a folder of images.'
        )


def _read_bgr(path: Path, source: str) -> Iterator[np.ndarray]:
    """Read frames as OpenCV has them."""
    if path.is_dir():
        files = [f for f in path.iterdir() if not f.name.startswith('.')]
        images = filter(cv2.haveImageWriter, map(str, files))  # by ending
        for image in sorted(images, key=lambda name: (len(name), name)):
            if (frame := cv2.imread(image)) is None:
                raise ValueError(f'{image} is truncated or no image.')
            yield frame
        return
    video = cv2.VideoCapture(source)
    try:
        while (read := video.read())[0]:
            yield read[1]
    finally:
        video.release()


def parse_box(text: str) -> list[float]:
    """Read x,y,w,h in pixels -> xyxy."""
    try:
        x, y, w, h = map(float, text.split(','))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'found {text!r}, expected four numbers x,y,w,h in pixels, such '
            'as 204,150,17,50'
        ) from None
    return [x, y, x + w, y + h]


def track(args: argparse.Namespace) -> None:
    """Track through a source; write a row per frame and target."""
    if args.out and args.out.exists():
        raise FileExistsError(f'{args.out} exists. Give another --out.')
    tracker = Tracker(args.model, args.backend, args.threads)
    start, number, file = time.perf_counter(), 0, sys.stdout
    with ExitStack() as closing:
        for number, frame in enumerate(read_frames(args.source)):
            if number:
                seen, bboxes, scores = tracker.update(frame)
            else:
                tracker.init(frame, args.box)
                bboxes, scores = np.array(args.box), np.ones(len(args.box))
                seen = scores > 0
                if args.out:
                    args.out.parent.mkdir(parents=True, exist_ok=True)
                    file = closing.enter_context(args.out.open('x', 1))
                print('frame,target,x,y,w,h,score,lost', file=file)
            for target, (x1, y1, x2, y2) in enumerate(bboxes, 1):
                box = f'{x1:.4f},{y1:.4f},{x2 - x1:.4f},{y2 - y1:.4f}'
                rest = f'{scores[target - 1]:.4f},{not seen[target - 1]:d}'
                print(f'{number},{target},{box},{rest}', file=file)
    speed = (number + 1) / (time.perf_counter() - start)
    print(
        f'{number + 1} frames, {speed:.1f} frames/s, {tracker.backend}',
        file=sys.stderr,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit status is 2 for an error of the user."""
    parser = argparse.ArgumentParser(
        'mmsimtrack-light', description='Follow targets without torch.'
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    add = commands.add_parser('track', help=track.__doc__).add_argument
    add('source', help='video, stream, or folder of images')
    add(
        '--box',
        type=parse_box,
        action='append',
        required=True,
        metavar='X,Y,W,H',
        help='target in the first frame; repeat it for more targets',
    )
    add('--model', type=Path, default=MODEL, help='folder of an export')
    backends = sorted({name for able in BACKENDS.values() for name in able})
    add('--backend', choices=['auto', *backends], default='auto')
    add('--threads', type=int, help='threads of the backend')
    add('--out', type=Path, help='CSV file (default: standard output)')
    try:
        track(parser.parse_args(argv))
    except (ImportError, OSError, ValueError) as error:
        print(f'mmsimtrack-light: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
