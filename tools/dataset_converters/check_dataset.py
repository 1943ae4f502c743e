r"""Check every file of a data set, or of all data sets of a config.

Reports every missing, empty, truncated or mismatching file with its path, and
goes on. The exit code is 1 if there is any. Examples:

    python tools/dataset_converters/check_dataset.py CONFIG
    python tools/dataset_converters/check_dataset.py --type LaSOTDataset \
        --data-root data/lasot --split train
"""

import argparse
import os.path as osp
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import numpy as np
from mmengine.config import Config
from mmengine.utils import track_iter_progress

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.cli.main import main as command
from mmsimtrack.cli.options import add_cfg_options, at_least, make_parser
from mmsimtrack.cli.settings import datasets_of, read_settings
from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.datasets.archive import is_file, is_folder
from mmsimtrack.datasets.frames import (
    check_frame,
    image_shape,
    missing_frame,
    read_strictly,
)
from mmsimtrack.datasets.index import AnnotationIndex
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.registry import DATASETS
from mmsimtrack.structures import check_first_box, xywh_to_xyxy
from mmsimtrack.structures.bbox import MOST_FRAMES, is_huge

# Sequences of the complete sets that are no benchmarks; those with a fixed
# list are not here.
COMPLETE = {
    ('Got10kDataset', 'train'): 9335,
    ('Got10kDataset', 'val'): 180,
    ('TrackingNetDataset', 'train'): 2511,  # per chunk
    ('TNL2KDataset', None): 1300,
    ('VastTrackDataset', None): 47110,
}
IMAGES_AT_ONCE = 500  # of COCO; a step of the progress bar
BOXES = 100  # of a sequence, and ten times as many of images, to compare


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('config', nargs='?', help='config file')
    add('--type', help='class of a data set, instead of a config')
    add('--data-root', help='folder of the data set')
    add('--split', help='split of the data set, if it has any')
    add('--workers', type=at_least(1), default=8, help='threads (default: 8)')
    text = 'decode every frame, JPEGs strictly if simplejpeg is installed;\n'
    text += 'else only end markers are checked'
    add('--decode', action='store_true', help=text)
    add_cfg_options(parser)  # without a config, those of the data set
    args = parser.parse_args(argv)
    if (args.config is None) == (args.type is None):
        parser.error('give a config, or --type and --data-root')
    if args.type and not args.data_root:
        parser.error('--type needs --data-root')
    return args


def find_datasets(args: argparse.Namespace) -> list[dict]:
    """List the configs of all data sets to check, each once."""
    if args.type:
        found = dict(type=args.type, data_root=args.data_root)
        found |= {'split': args.split} if args.split else {}
        cfg = Config(found)
        cfg.merge_from_dict(args.cfg_options)
        return [cfg.to_dict()]
    cfg = read_settings(args.config, args.cfg_options)
    stages = ('train', 'val', 'test')
    found = [each for stage in stages for each in datasets_of(cfg, stage)]
    return [each for i, each in enumerate(found) if each not in found[:i]]


class Problems(list):
    """A list of the messages of errors, and what else was found.

    Attributes:
        num_frames: How many frames were read.
        boxes: Arrays of some boxes; see `place_boxes`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_frames, self.boxes = 0, []

    def attempt(self, function: Callable, *args):
        """Return what the function returns; note its error, if it fails."""
        try:
            return function(*args)
        except (OSError, ValueError) as error:
            self.append(str(error))
        return None

    def add(self, other: 'Problems') -> None:
        """Add what was found elsewhere, and print its messages at once."""
        self += other
        self.num_frames += other.num_frames
        self.boxes += other.boxes
        for problem in other:
            print(problem, flush=True)


def open_unchecked(cfg: dict) -> SequenceDataset:
    """Build a data set that has read nothing yet."""
    cfg = dict(cfg)
    class_ = DATASETS.get(name := cfg.pop('type'))
    if class_ is None or not issubclass(class_, SequenceDataset):
        raise ValueError(
            f'{name} is no data set of sequences. Expected a name as in the '
            'configs, such as LaSOTDataset.'
        )
    try:
        return class_(**cfg, lazy_init=True)
    except TypeError as error:
        raise ValueError(
            f'{error}. Give --split where the data set has splits, and '
            'correct its other settings in the config or in --cfg-options.'
        ) from error


def list_checks(dataset: SequenceDataset, read: Callable) -> list[Callable]:
    """List functions that return `Problems`."""
    dataset.check_root()
    infos, _ = dataset.find_sources()
    if not dataset.single_frame:
        return [partial(check_sequence, dataset, read, i) for i in infos]
    index = AnnotationIndex(dataset.parse(infos))
    paths = sorted({index[i].frame_path(0) for i in range(len(index))})
    some = range(0, len(index), len(index) // (10 * BOXES) + 1)
    return [
        partial(check_frames, paths[i : i + IMAGES_AT_ONCE], read)
        for i in range(0, len(paths), IMAGES_AT_ONCE)
    ] + [partial(find_boxes, [index[i] for i in some])]


def check_frames(paths: list[str], read: Callable) -> Problems:
    """Find problems of frames."""
    problems = Problems()
    problems.num_frames = len(paths)
    for path in paths:
        problems.attempt(read, path)
    return problems


def find_boxes(images: list[VideoSequence]) -> Problems:
    """Find no problems, but boxes; see `place_boxes`."""
    found = Problems()
    for image in images:
        with suppress(OSError, ValueError):  # `check_frames` says so
            place = image.bboxes_xywh, image.frame_path(0)
            found.boxes.append(place_boxes(*place))
    return found


def place_boxes(bboxes_xywh: np.ndarray, path: str) -> np.ndarray:
    """Take some boxes, with the size of the frame: (N, 6) x y w h W H."""
    some = bboxes_xywh[:: len(bboxes_xywh) // BOXES + 1]
    size = image_shape(path)[::-1]
    return np.hstack([some, np.tile(size, (len(some), 1))])


def guess_format(boxes: np.ndarray) -> str:
    """Say what numbers seem to be, if not x, y, w, h in pixels.

    Such boxes stay within their frames, but for some at each of the four
    borders. Read so, corners and centers lie beyond the right or the lower
    border; but no box begins after it ends, or nearer to the left border
    than half of its width.

    Args:
        boxes: (N, 6), see `place_boxes`.

    Returns:
        A few words; empty if nothing looks wrong, or there are few boxes.
    """
    boxes = boxes[np.isfinite(boxes).all(1) & (boxes[:, 2:4] > 0).all(1)]
    if len(boxes) < 10:
        return ''
    begin, size, frame = boxes[:, :2], boxes[:, 2:4], boxes[:, 4:]
    if (boxes[:, :4] < 1.01).all():
        return 'fractions of the frame'
    beyond = (begin + 0.9 * size > frame).any(1).mean()
    if beyond > 0.1 and (size > begin).all(1).mean() > 0.99:
        return 'x1, y1, x2, y2'
    if beyond > 10 * (begin < 0.45 * size).any(1).mean() + 0.01:
        return 'center x, center y, width, height'
    return ''


def check_sequence(
    dataset: SequenceDataset, read: Callable, info: dict
) -> Problems:
    """Find all problems of a sequence.

    Args:
        dataset: The data set that it belongs to.
        read: Checks a frame, and raises what is wrong with it.
        info: An entry of `load_data_list`.
    """
    problems = Problems()
    folder = osp.dirname(info['frame_template'])
    if not is_folder(folder):
        problems.attempt(dataset.list_frames, info)  # says so
        if not is_folder(osp.dirname(info['annotation'])):
            return problems  # nothing is there of this sequence
    bboxes_xywh = problems.attempt(dataset.load_bboxes, info)
    if bboxes_xywh is not None:
        for path in dataset.find_labels(info).values():
            if is_file(path) or not dataset.labels_optional:
                problems.attempt(dataset.load_label, path, len(bboxes_xywh))
    if not is_folder(folder):
        return problems
    names, missing = problems.attempt(dataset.match_frames, info) or ([], [])
    problems += [str(missing_frame(path)) for path in missing]
    if bboxes_xywh is not None and not missing:
        problems.attempt(dataset.fit_frames, info, len(bboxes_xywh), names)
    paths, before = [osp.join(folder, name) for name in names], len(problems)
    problems.num_frames = len(paths)
    frames = (problems.attempt(read, path) for path in paths)
    # of those that were decoded
    sizes = {f'{f.shape[1]} x {f.shape[0]}' for f in frames if f is not None}
    if len(sizes) > 1:
        problems.append(
            f'{folder} holds frames of {" and ".join(sorted(sizes))} px, '
            'expected one size. Boxes are in the pixels of each frame; check '
            'the sequence.'
        )
    if bboxes_xywh is None or not paths or len(problems) > before:
        return problems
    boxes = problems.attempt(place_boxes, bboxes_xywh, paths[0])
    if boxes is None:
        return problems
    problems.boxes.append(boxes)
    huge = np.flatnonzero(is_huge(bboxes_xywh[:, 2:], boxes[0, 4:]))
    if len(huge):
        problems.append(
            f'{info["annotation"]}: {len(huge)} boxes are over {MOST_FRAMES} '
            'times as large as the frame, first that of frame '
            f'{huge[0] + 1}. Correct them.'
        )
    if dataset.test_mode:
        what = f'{type(dataset).__name__}: sequence {info["name"]}'
        first = xywh_to_xyxy(bboxes_xywh)[0]
        problems.attempt(check_first_box, first, boxes[0, :3:-1], what)
    return problems


def check_dataset(cfg: dict, workers: int, decode: bool) -> int:
    """Check one data set and print what is wrong.

    Returns:
        How many problems it has.
    """
    split = cfg.get('split')
    name = ' '.join(filter(None, (cfg['type'], split)))
    print(f'{name} in {cfg["data_root"]}:', flush=True)
    opening, total, checks = Problems(), Problems(), None
    dataset = opening.attempt(open_unchecked, cfg)
    if dataset is not None:
        read = read_strictly if decode else check_frame
        checks = opening.attempt(list_checks, dataset, read)
    total.add(opening)
    checks = checks or []
    with ThreadPoolExecutor(workers) as pool:
        done = pool.map(lambda check: check(), checks), len(checks)
        for found in track_iter_progress(done, file=sys.stderr):
            total.add(found)
    images = dataset is not None and dataset.single_frame
    sequences = '' if images else f'{len(checks)} sequences, '
    frames = f'{total.num_frames} frames, {len(total)} problems'
    print(f'  {sequences}{frames}')
    boxes = total.boxes
    if boxes and (words := guess_format(np.concatenate(boxes))):
        print(
            f'  Note: the boxes look like {words}. Expected x, y, width, '
            'height in pixels of the frame; convert them if they are not.'
        )
    numbers = [COMPLETE.get((cfg['type'], split))] + [
        row.num_sequences
        for row in BENCHMARKS.values()
        if row.dataset['type'] == cfg['type']
        and split in (None, row.dataset.get('split'))
    ]
    factor = len(getattr(dataset, 'folders', '1'))  # chunks of TrackingNet
    numbers = [number * factor for number in numbers if number]
    if numbers and len(checks) not in numbers and 'indices' not in cfg:
        expected = ' or '.join(map(str, numbers))
        print(
            f'  Note: the complete set has {expected} sequences. Unpack the '
            'rest, or ignore this if you want a part.'
        )
    return len(total)


def main() -> int:
    """Check all data sets and return the exit code."""
    args = parse_args()
    datasets = find_datasets(args)
    num_problems = sum(
        check_dataset(cfg, args.workers, args.decode) for cfg in datasets
    )
    return int(num_problems > 0)


if __name__ == '__main__':
    sys.exit(command(['check', *sys.argv[1:]]))
