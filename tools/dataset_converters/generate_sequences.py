"""Write synthetic tracking sequences with exact boxes.

A data set generator for people without data: textured targets on moving
backgrounds, with distractors, occluders and changes of illumination, in
the layout of GOT-10k. With `--photos` the textures come from photographs,
with `--coco` the targets are segments cut from them. Example:

    python tools/dataset_converters/generate_sequences.py data/synthetic
"""

import argparse
import hashlib
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from synthetic.drawing import draw_scene
from synthetic.folder import write_sequence
from synthetic.photos import PhotoTextures, describe_photos
from synthetic.render import render_scene
from synthetic.scene import Scene
from synthetic.settings import SPLITS, prepare, write_atomically
from synthetic.textures import ProceduralTextures

VERSION = 1  # raised when the same options give other sequences


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('out', type=Path, help='folder to write')
    for name, value in (
        ('--num-train', 600),
        ('--train-frames', 16),
        ('--num-val', 24),
        ('--val-frames', 60),
        ('--seed', 0),
    ):
        parser.add_argument(
            name, type=_natural, default=value, help=f'default: {value}'
        )
    parser.add_argument(
        '--size',
        type=_natural,
        nargs=2,
        default=[320, 240],
        metavar=('WIDTH', 'HEIGHT'),
        help='of the frames, default: 320 240',
    )
    parser.add_argument(
        '--photos',
        type=Path,
        metavar='DIR',
        help='photographs for backgrounds and textures',
    )
    parser.add_argument(
        '--coco',
        type=Path,
        metavar='ANN.json',
        help='segments of the photos in DIR, used as objects',
    )
    parser.add_argument(
        '--jobs', type=_natural, default=os.cpu_count(), help='processes'
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace what an earlier run wrote to OUT',
    )
    args = parser.parse_args(argv)
    check_args(parser, args)
    return args


def check_args(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> None:
    """Exit with a message if arguments do not fit together."""
    if args.coco and not args.photos:
        parser.error(
            '--coco names segments of photos: add --photos DIR, '
            'the folder of the images in ANN.json'
        )
    if min(args.size) < 64:
        parser.error(
            f'--size {args.size[0]} {args.size[1]} is too small: '
            'use 64 64 or more'
        )
    if min(args.train_frames, args.val_frames) < 2:
        parser.error('--train-frames and --val-frames must be 2 or more')


def _natural(text: str) -> int:
    """A whole number >= 0, for argparse."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f'{value} is negative')
    return value


def make_settings(args: argparse.Namespace) -> dict:
    """Everything that the pixels depend on."""
    settings = {
        name: getattr(args, name)
        for name in (
            'num_train',
            'train_frames',
            'num_val',
            'val_frames',
            'size',
            'seed',
        )
    }
    settings['photos'] = args.photos and describe_photos(args.photos)
    settings['coco'] = (
        args.coco and hashlib.sha256(args.coco.read_bytes()).hexdigest()[:16]
    )
    return dict(version=VERSION, **settings)


@lru_cache(maxsize=4)
def make_source(
    photos: Path | None, coco: Path | None, split: str, seed: int
) -> ProceduralTextures | PhotoTextures:
    """Textures of a split, once per process; splits share no photo."""
    if not photos:
        return ProceduralTextures()
    return PhotoTextures(photos, coco, split == 'val', seed)


def draw_sequence(
    seed: int,
    split: str,
    index: int,
    source,
    size: tuple[int, int],
    num_frames: int,
) -> Scene:
    """Draw the scene of a sequence, a pure function of its arguments."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    return draw_scene(rng, source, tuple(size), num_frames)


def sequence_name(split: str, index: int) -> str:
    """Name of a sequence; `index` counts from 0."""
    return f'Synthetic_{split.capitalize()}_{index + 1:06d}'


def list_jobs(args: argparse.Namespace) -> list[tuple[str, int, int]]:
    """(split, index, number of frames) of every sequence."""
    counts = {
        'train': (args.num_train, args.train_frames),
        'val': (args.num_val, args.val_frames),
    }
    return [
        (split, index, counts[split][1])
        for split in SPLITS
        for index in range(counts[split][0])
    ]


def job_folder(out: Path, job: tuple[str, int, int]) -> Path:
    """Folder of a sequence."""
    return out / job[0] / sequence_name(job[0], job[1])


def run_job(args: argparse.Namespace, job: tuple[str, int, int]) -> None:
    """Generate and write one sequence."""
    split, index, num_frames = job
    source = make_source(args.photos, args.coco, split, args.seed)
    scene = draw_sequence(
        args.seed, split, index, source, args.size, num_frames
    )
    write_sequence(
        job_folder(args.out, job),
        scene,
        render_scene(scene, source),
        args.seed,
    )


def run_all(args: argparse.Namespace, jobs: list) -> None:
    """Generate sequences in `args.jobs` processes, showing progress."""
    work = partial(run_job, args)
    num_processes = min(args.jobs, len(jobs))
    if num_processes <= 1:
        show_progress(map(work, jobs), len(jobs))
        return
    # spawn: a forked child would inherit OpenCV's locked threads
    context = multiprocessing.get_context('spawn')
    with context.Pool(num_processes, cv2.setNumThreads, (1,)) as pool:
        show_progress(pool.imap_unordered(work, jobs), len(jobs))


def show_progress(results: Iterable, total: int) -> None:
    """Consume results and print a line every two seconds."""
    start = shown = time.monotonic()
    for done, _ in enumerate(results, start=1):
        now = time.monotonic()
        if now - shown > 2 or done == total:
            shown = now
            left = (now - start) / done * (total - done)
            print(
                f'{done}/{total} sequences, {now - start:.0f} s, '
                f'{left:.0f} s left',
                flush=True,
            )


def main(argv: list[str] | None = None) -> None:
    """Generate what is missing, then write the lists."""
    args = parse_args(argv)
    for split in SPLITS:  # wrong photos fail before anything is written
        make_source(args.photos, args.coco, split, args.seed)
    prepare(args.out, make_settings(args), args.overwrite)
    jobs = list_jobs(args)
    missing = [job for job in jobs if not job_folder(args.out, job).is_dir()]
    if missing:
        print(
            f'{args.out}: {len(jobs) - len(missing)} of {len(jobs)} '
            f'sequences exist, generating {len(missing)}',
            flush=True,
        )
        run_all(args, missing)
    else:
        print(f'reusing {args.out}: all {len(jobs)} sequences exist')
    for split in SPLITS:
        names = [sequence_name(*job[:2]) for job in jobs if job[0] == split]
        (args.out / split).mkdir(exist_ok=True)
        write_atomically(
            args.out / split / 'list.txt',
            ''.join(f'{name}\n' for name in names),
        )


if __name__ == '__main__':
    try:
        main()
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        sys.exit(f'{type(error).__name__}: {error}')
