"""Write synthetic tracking sequences with exact boxes.

A data set generator for people without data: textured targets on moving
backgrounds, with distractors, occluders and changes of illumination, in
the layout of GOT-10k. With `--photos` the textures come from photographs,
with `--coco` the targets are segments cut from them. Example:

    python tools/dataset_converters/generate_sequences.py data/synthetic
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterable
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from synthetic.photos import PhotoTextures, describe_photos
from synthetic.scene import Scene, ScenePainter
from synthetic.textures import Textures

from mmsimtrack.fileio import replace_atomically
from mmsimtrack.structures import xyxy_to_xywh

VERSION = 2  # raised when the same options give other sequences
SETTINGS = 'generated.json'
SPLITS = ('train', 'val')
JPEG_QUALITY = 90
META_INFO = """[METAINFO]
object_class: synthetic
resolution: {size}
distractors: {distractors}
own_texture_distractors: {twins}
occluders: {occluders}
seed: {seed}
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line; exit with a message if it does not fit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add('out', type=Path, help='folder to write')
    for name, value in (
        ('--num-train', 600),
        ('--train-frames', 16),
        ('--num-val', 24),
        ('--val-frames', 60),
        ('--seed', 0),
    ):
        add(name, type=int, default=value, help=f'default: {value}')
    add(
        '--size',
        type=int,
        nargs=2,
        default=[320, 240],
        metavar=('WIDTH', 'HEIGHT'),
        help='of the frames, default: 320 240',
    )
    add('--photos', type=Path, help='folder of photographs to cut textures of')
    add('--coco', type=Path, help='COCO file of segments of these photographs')
    add('--jobs', type=int, default=os.cpu_count(), help='processes')
    add(
        '--overwrite',
        action='store_true',
        help='replace what an earlier run wrote to OUT',
    )
    args = parser.parse_args(argv)
    if min(args.num_train, args.num_val, args.seed, args.jobs) < 0:
        parser.error('found a negative number, expected 0 or more')
    if args.coco and not args.photos:
        parser.error(
            '--coco names segments of photos: add --photos DIR, the folder '
            'of the images in this file'
        )
    if min(args.size) < 64:
        width, height = args.size
        parser.error(
            f'--size {width} {height} is too small: use 64 64 or more'
        )
    if min(args.train_frames, args.val_frames) < 2:
        parser.error('--train-frames and --val-frames must be 2 or more')
    return args


def make_settings(args: argparse.Namespace) -> dict:
    """Collect everything that the pixels depend on."""
    settings = {'version': VERSION, **vars(args)}
    for name in ('out', 'jobs', 'overwrite'):
        del settings[name]
    settings['photos'] = args.photos and describe_photos(args.photos)
    settings['coco'] = (
        args.coco and hashlib.sha256(args.coco.read_bytes()).hexdigest()[:16]
    )
    return settings


def prepare(out: Path, settings: dict, overwrite: bool) -> None:
    """Make sure that the folder holds only what these options make.

    Raises:
        FileExistsError: If it holds other files, or sequences of other
            options.
        ValueError: If the record of the options cannot be read.
    """
    path = out / SETTINGS
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise FileExistsError(
                f'{out} exists and has no {SETTINGS}, so this tool did not '
                'write it. Choose another or an empty folder.'
            )
    elif not overwrite:
        check_settings(path, settings)
    for split in SPLITS:
        # a killed run leaves hidden folders behind
        old = '*Synthetic_*' if overwrite else '.Synthetic_*'
        for folder in (out / split).glob(old):
            shutil.rmtree(folder)
        if overwrite:
            (out / split / 'list.txt').unlink(missing_ok=True)
        (out / split).mkdir(parents=True, exist_ok=True)
    with replace_atomically(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + '\n')


def check_settings(path: Path, settings: dict) -> None:
    """Compare recorded settings with the present ones; see `prepare`."""
    try:
        recorded = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{path} is not JSON ({error}). Choose another folder or add '
            '--overwrite.'
        ) from error
    differences = [
        f'{key}: recorded {recorded.get(key)!r}, now {settings.get(key)!r}'
        for key in sorted({*recorded, *settings})
        if recorded.get(key) != settings.get(key)
    ]
    if differences:
        raise FileExistsError(
            f'{path.parent} was generated with other options '
            f'({"; ".join(differences)}). Choose another folder or add '
            '--overwrite.'
        )


@lru_cache(maxsize=4)
def make_source(
    photos: Path | None, coco: Path | None, split: str, seed: int
) -> Textures:
    """Open the textures of a split; splits share no photo."""
    if not photos:
        return Textures()
    return PhotoTextures(photos, coco, split == 'val', seed)


def draw_sequence(args: argparse.Namespace, split: str, index: int) -> Scene:
    """Draw the scene of a sequence, a pure function of seed and number."""
    source = make_source(args.photos, args.coco, split, args.seed)
    rng = np.random.default_rng([args.seed, SPLITS.index(split), index])
    num_frames = getattr(args, f'{split}_frames')
    return ScenePainter(rng, source, args.size, num_frames).draw_scene()


def write_sequence(args: argparse.Namespace, job: tuple[int, Path]) -> None:
    """Write frames and labels; the folder appears complete or not at all."""
    index, folder = job
    scene = draw_sequence(args, folder.parent.name, index)
    exact, limits = scene.target.bboxes, (*scene.size, *scene.size)
    bboxes = np.clip(exact, 0, limits)
    labels = {
        'absence': scene.visible == 0,
        'cover': np.round(8 * scene.visible),
        'cut_by_image': np.abs(bboxes - exact).max(axis=1) > 0.5,
    }
    with replace_atomically(folder) as temporary:
        temporary.mkdir()
        for t in range(len(bboxes)):
            path = str(temporary / f'{t + 1:08d}.jpg')
            flags = (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)
            cv2.imwrite(path, scene.render(t)[..., ::-1], flags)
        rows = xyxy_to_xywh(bboxes)
        np.savetxt(temporary / 'groundtruth.txt', rows, '%.4f', ',')
        for name, values in labels.items():
            np.savetxt(temporary / f'{name}.label', values, '%d')
        text = META_INFO.format(
            size=scene.size,
            distractors=scene.count('distractor', 'twin'),
            twins=scene.count('twin'),
            occluders=scene.count('occluder'),
            seed=args.seed,
        )
        (temporary / 'meta_info.ini').write_text(text)


def write_all(args: argparse.Namespace, jobs: list) -> None:
    """Write sequences in several processes, showing progress."""
    work = partial(write_sequence, args)
    if args.jobs <= 1 or len(jobs) == 1:
        show_progress(map(work, jobs), len(jobs))
        return
    # spawn: a forked child would inherit OpenCV's locked threads
    context = multiprocessing.get_context('spawn')
    num_processes = min(args.jobs, len(jobs))
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
    jobs = [
        (i, args.out / split / f'Synthetic_{split.capitalize()}_{i + 1:06d}')
        for split in SPLITS
        for i in range(getattr(args, f'num_{split}'))
    ]
    missing = [job for job in jobs if not job[1].is_dir()]
    if missing:
        print(
            f'{args.out}: {len(jobs) - len(missing)} of {len(jobs)} '
            f'sequences exist, generating {len(missing)}',
            flush=True,
        )
        write_all(args, missing)
    else:
        print(f'reusing {args.out}: all {len(jobs)} sequences exist')
    for split in SPLITS:
        names = [f.name for _, f in jobs if f.parent.name == split]
        with replace_atomically(args.out / split / 'list.txt') as temporary:
            temporary.write_text(''.join(f'{name}\n' for name in names))


if __name__ == '__main__':
    try:
        main()
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        sys.exit(f'{type(error).__name__}: {error}')
