"""Write synthetic tracking sequences with exact boxes.

A data set generator for people without data: textured targets on moving
backgrounds, with distractors, occluders and changes of illumination, in
the layout of GOT-10k. With `--photos` the textures come from photographs,
with `--coco` the targets are segments cut from them. Example:

    python tools/dataset_converters/generate_sequences.py data/synthetic
"""

import argparse
import json
import multiprocessing
import os
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from mmengine.utils import track_iter_progress
from synthetic.looks import Textures
from synthetic.photos import PhotoTextures, describe_photos, digest
from synthetic.scene import Scene, ScenePainter

from mmsimtrack import fileio
from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import at_least, make_parser
from mmsimtrack.structures import xyxy_to_xywh

VERSION = 3  # raised when the same options give other sequences
SETTINGS = 'generated.json'
SPLITS = ('train', 'val')
QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 90)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line; exit with a message if it does not fit."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('out', type=Path, help='folder to write')
    for name, value, least, text in (
        ('--num-train', 600, 0, 'sequences to train on'),
        ('--train-frames', 16, 2, 'frames of each of them'),
        ('--num-val', 24, 0, 'sequences to test on'),
        ('--val-frames', 60, 2, 'frames of each of them'),
        ('--seed', 0, 0, 'seed, from which everything follows'),
        ('--jobs', os.cpu_count(), 0, 'processes'),
    ):
        text = f'{text} (default: {value})'
        add(name, type=at_least(least), default=value, help=text)
    size = dict(type=at_least(64), nargs=2, metavar=('WIDTH', 'HEIGHT'))
    text = 'size of the frames (default: 320 240)'
    add('--size', **size, default=[320, 240], help=text)
    add('--photos', type=Path, help='folder of photographs to cut textures of')
    add('--coco', type=Path, help='COCO file of segments of these photographs')
    text = 'replace what an earlier run wrote to OUT'
    add('--overwrite', action='store_true', help=text)
    args = parser.parse_args(argv)
    if args.coco and not args.photos:
        parser.error(
            '--coco names segments of photos: add --photos DIR, the folder of '
            'the images in this file'
        )
    return args


def make_settings(args: argparse.Namespace) -> dict:
    """Collect everything that the pixels depend on."""
    settings = {'version': VERSION, **vars(args)}
    for name in ('out', 'jobs', 'overwrite'):
        del settings[name]
    if args.photos:
        settings['photos'] = describe_photos(args.photos)
    if args.coco:
        settings['coco'] = digest(args.coco.read_bytes())
    return settings


def prepare(out: Path, settings: dict, overwrite: bool) -> None:
    """Make sure that the folder holds only what these options make.

    Raises:
        FileExistsError: If it holds other files, or sequences of other
            options.
        ValueError: If the record of the options cannot be read.
    """
    path = out / SETTINGS
    if path.exists():
        if not overwrite:
            check_settings(path, settings)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(
            f'{out} exists and has no {SETTINGS}, so this tool did not write '
            'it. Choose another or an empty folder.'
        )
    for split in SPLITS:
        # a killed run leaves hidden folders behind
        pattern = '*Synthetic_*' if overwrite else '.Synthetic_*'
        for old in (out / split).glob(pattern):
            fileio.remove(old)
        if overwrite:
            fileio.remove(out / split / 'list.txt')
        (out / split).mkdir(parents=True, exist_ok=True)
    fileio.write_json(path, settings)


def check_settings(path: Path, settings: dict) -> None:
    """Compare recorded settings with the present ones; see `prepare`."""
    advice = 'Choose another folder or add --overwrite.'
    try:
        recorded = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is not JSON ({error}). {advice}') from error
    differences = [
        f'{key}: recorded {recorded.get(key)!r}, now {settings.get(key)!r}'
        for key in sorted({*recorded, *settings})
        if recorded.get(key) != settings.get(key)
    ]
    if differences:
        raise FileExistsError(
            f'{path.parent} was generated with other options '
            f'({"; ".join(differences)}). {advice}'
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
    exact = scene.target.bboxes
    bboxes = np.clip(exact, 0, (*scene.size, *scene.size))
    labels = {
        'absence': scene.visible == 0,
        'cover': np.round(8 * scene.visible),
        'cut_by_image': np.abs(bboxes - exact).max(axis=1) > 0.5,
    }
    about = f"""[METAINFO]
object_class: synthetic
resolution: {scene.size}
distractors: {scene.count('distractor', 'twin')}
own_texture_distractors: {scene.count('twin')}
occluders: {scene.count('occluder')}
seed: {args.seed}
"""
    with fileio.replace_atomically(folder, is_folder=True) as temporary:
        for t in range(len(bboxes)):
            path, frame = temporary / f'{t + 1:08d}.jpg', scene.render(t)
            if not cv2.imwrite(str(path), frame[..., ::-1], QUALITY):
                raise OSError(f'OpenCV could not write {folder}. Is it full?')
        fileio.write_bboxes_xywh(
            temporary / 'groundtruth.txt', xyxy_to_xywh(bboxes)
        )
        for name, values in labels.items():
            np.savetxt(temporary / f'{name}.label', values, '%d')
        (temporary / 'meta_info.ini').write_text(about)


def write_all(args: argparse.Namespace, jobs: list) -> None:
    """Write sequences in several processes, showing progress."""
    work, num = partial(write_sequence, args), min(args.jobs, len(jobs))
    if num <= 1:
        list(track_iter_progress((map(work, jobs), len(jobs))))
        return
    # spawn: a forked child would inherit OpenCV's locked threads
    context = multiprocessing.get_context('spawn')
    with context.Pool(num, cv2.setNumThreads, (1,)) as pool:
        done = pool.imap_unordered(work, jobs)
        list(track_iter_progress((done, len(jobs))))


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
    num, left = len(jobs), len(missing)
    if missing:
        text = f'{num - left} of {num} sequences exist, generating {left}'
        print(f'{args.out}: {text}', flush=True)
        write_all(args, missing)
    else:
        print(f'reusing {args.out}: all {num} sequences exist')
    for split in SPLITS:
        names = [f'{f.name}\n' for _, f in jobs if f.parent.name == split]
        fileio.write_text(args.out / split / 'list.txt', ''.join(names))


if __name__ == '__main__':
    run_tool(main)
