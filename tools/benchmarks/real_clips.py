"""Track short real clips: success AUC, precision and frames per second.

CLIPS is a folder with clips in any of the layouts of OTB, LaSOT, GOT-10k
(frames, in `img` or beside the annotation) and UAV123 (`data_seq`, `anno`).
The model is a name of the model zoo, a config with a checkpoint, a folder that
`mmsimtrack export` wrote, or a folder of result files (`<clip>.txt`,
x,y,w,h). Two baselines are measured beside it: the first box kept still, and
OpenCV's trackers where `--opencv` has their model files.

Success AUC: 21 thresholds from 0 to 1, overlap above the threshold, first
frame included; frames without a box (NaN) count as missed.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from measuring import elapsed, use_threads

from mmsimtrack import fileio
from mmsimtrack.apis import Tracker as TorchTracker
from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import add_cfg_options, make_parser
from mmsimtrack.cli.settings import read_settings
from mmsimtrack.datasets.frames import list_frames, read_frame
from mmsimtrack.deployment.export import follow
from mmsimtrack.evaluation.functional import ope
from mmsimtrack.evaluation.reports import markdown_table
from mmsimtrack.runtime import Tracker as ExportedTracker
from mmsimtrack.structures import xywh_to_xyxy, xyxy_to_xywh
from mmsimtrack.visualization import SOTVisualizer, contact_sheet, write_image

Tracker = Callable[['Clip'], np.ndarray]
THRESHOLDS = np.arange(21) * 0.05  # of the overlap, as the kits have them
# OpenCV's trackers: the files of their networks
OPENCV = {
    'TrackerNano': {
        'backbone': 'nanotrack_backbone.onnx',
        'neckhead': 'nanotrack_head.onnx',
    },
    'TrackerVit': {'net': 'vittrack.onnx'},
}


@dataclass(frozen=True)
class Clip:
    """A clip: T frames (H, W, 3) RGB uint8, and boxes (T, 4) xyxy."""

    name: str
    frames: list[np.ndarray]
    bboxes: np.ndarray


def find_clips(root: Path) -> list[Clip]:
    """Read all clips below a folder, in the order of their paths.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If a clip has not as many boxes as frames.
    """
    clips = []
    for file in sorted(root.rglob('*.txt')):
        folder, name = file.parent, file.parent.name
        if folder.parent.name == 'anno':  # UAV123
            data = folder.parent.parent / 'data_seq' / name / file.stem
            name = file.stem
        elif file.stem in ('groundtruth', 'groundtruth_rect'):
            data = folder / 'img' if (folder / 'img').is_dir() else folder
        else:
            continue
        frames = [read_frame(str(data / frame)) for frame in list_frames(data)]
        clips.append(check(Clip(name, frames, read_bboxes(file)), file))
    if not clips:
        raise FileNotFoundError(f'{root} holds no clip with a ground truth.')
    return clips


def read_bboxes(file: Path) -> np.ndarray:
    """Read boxes x,y,w,h: (T, 4) xyxy."""
    return xywh_to_xyxy(fileio.read_bboxes_xywh(file))


def check(clip: Clip, what: str | Path) -> Clip:
    """Return a clip that has as many boxes as frames; `what` has them."""
    if len(clip.bboxes) != len(clip.frames):
        raise ValueError(
            f'{clip.name}: {what} has {len(clip.bboxes)} boxes for '
            f'{len(clip.frames)} frames. Expected one box per frame; correct '
            'the file, or track the clip again.'
        )
    return clip


def mirrored(clip: Clip) -> Clip:
    """Exchange left and right."""
    width = clip.frames[0].shape[1]
    bboxes = clip.bboxes[:, [2, 1, 0, 3]] * (-1, 1, -1, 1)
    frames = [np.ascontiguousarray(f[:, ::-1]) for f in clip.frames]
    return replace(clip, frames=frames, bboxes=bboxes + (width, 0, width, 0))


def reversed_(clip: Clip) -> Clip:
    """Play from the last frame with a box to the first."""
    last = np.flatnonzero(np.isfinite(clip.bboxes).all(-1))[-1]
    order = slice(last, None, -1)
    return replace(clip, frames=clip.frames[order], bboxes=clip.bboxes[order])


def halved(clip: Clip) -> Clip:
    """Take every second frame."""
    return replace(clip, frames=clip.frames[::2], bboxes=clip.bboxes[::2])


def darkened(clip: Clip) -> Clip:
    """Darken by a gamma of 2."""
    table = np.uint8((np.arange(256) / 255) ** 2 * 255)
    return replace(clip, frames=[cv2.LUT(f, table) for f in clip.frames])


VARIANTS = {
    'mirrored': mirrored,
    'reversed': reversed_,
    'halved': halved,
    'darkened': darkened,
}


def write_clip(folder: Path, clip: Clip) -> None:
    """Write frames without loss, and their boxes, as OTB has them."""
    for t, frame in enumerate(clip.frames, 1):
        write_image(folder / f'img/{t:04d}.png', frame)
    boxes = xyxy_to_xywh(clip.bboxes)
    fileio.write_bboxes_xywh(folder / 'groundtruth_rect.txt', boxes)


def score(clip: Clip, pred: np.ndarray) -> dict[str, float]:
    """Compute success AUC and precision at 20 px, in percent."""
    check(replace(clip, bboxes=pred), 'the result')
    pred, gt = xyxy_to_xywh(pred), xyxy_to_xywh(clip.bboxes)
    hits = ope.overlaps(pred, gt)[:, None] > THRESHOLDS  # NaN is a miss
    near = ope.center_errors(pred, gt) <= 20
    shares = {'auc': hits.mean(), 'precision': near.mean()}
    return {key: 100 * float(share) for key, share in shares.items()}


def make_trackers(args: argparse.Namespace) -> dict[str, Tracker]:
    """Make the tracker of the command line, and its baselines, by name."""
    model, folder = args.model, Path(args.model)
    if (folder / 'tracker.json').is_file():
        tracker = ExportedTracker(model, args.backend, args.threads)
        found = {'model': partial(track, tracker)}
    elif folder.is_dir():
        found = {'results': lambda c: read_bboxes(folder / f'{c.name}.txt')}
    else:
        found = {'model': partial(track, open_tracker(args))}
    if args.baselines:
        found['first box'] = lambda c: c.bboxes[[0] * len(c.frames)]
    for name, files in OPENCV.items() if args.opencv else ():
        paths = {key: args.opencv / file for key, file in files.items()}
        if all(path.is_file() for path in paths.values()):
            params = getattr(cv2, f'{name}_Params')()
            for key, path in paths.items():
                setattr(params, key, str(path))
            create = getattr(cv2, f'{name}_create')
            found[name] = partial(track_with_opencv, create, params)
    return found


def open_tracker(args: argparse.Namespace) -> TorchTracker:
    """Make the tracker in torch of the command line."""
    model = args.model
    if model.endswith('.py'):
        model = read_settings(model, args.cfg_options)
    return TorchTracker(model, args.weights, 'cpu')


def track(tracker, clip: Clip) -> np.ndarray:
    """Track with one of our trackers: (T, 4) xyxy."""
    first = clip.bboxes[:1]
    return np.vstack([first, follow(tracker, clip.frames, first[0])])


def track_with_opencv(create: Callable, params, clip: Clip) -> np.ndarray:
    """Track with one of OpenCV's trackers: (T, 4) xyxy."""
    tracker = create(params)
    box = np.round(xyxy_to_xywh(clip.bboxes[0])).astype(int)
    tracker.init(clip.frames[0][..., ::-1].copy(), tuple(box.tolist()))
    bboxes = [clip.bboxes[0]]
    for frame in clip.frames[1:]:
        ok, box = tracker.update(frame[..., ::-1].copy())
        bboxes.append(xywh_to_xyxy(box) if ok else bboxes[-1])
    return np.array(bboxes)


def write_sheet(path: Path, clip: Clip, pred: np.ndarray) -> None:
    """Write 16 frames with the prediction (red) and the truth (green)."""
    times = np.linspace(0, len(clip.frames) - 1, 16).round().astype(int)
    draw, (frames, gt) = SOTVisualizer.draw_frame, (clip.frames, clip.bboxes)
    tiles = [draw(frames[t], pred[t], gt[t], f'#{t}') for t in times]
    write_image(path, contact_sheet(tiles))


def measure(tracker: Tracker, clips: list[Clip]) -> tuple[dict, list]:
    """Score each clip and the mean of them; also returns the boxes."""
    wall, cpu, boxes = elapsed(lambda: list(map(tracker, clips)))
    rows = {c.name: score(c, pred) for c, pred in zip(clips, boxes)}
    mean = {
        key: float(np.mean([row[key] for row in rows.values()]))
        for key in ('auc', 'precision')
    }
    num = sum(map(len, boxes))
    about = {'fps': num / wall, 'cpu_ms': 1000 * cpu / num}
    return {'mean': mean, **about, 'clips': rows}, boxes


def parse_args(argv=None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('clips', type=Path, help='folder with clips')
    text = 'name of a model, config, or folder of an export or of results'
    add('model', help=text)
    add('weights', nargs='?', help='checkpoint of a config')
    add('--variants', action='store_true', help=f'also {", ".join(VARIANTS)}')
    text = 'folder to write the changed clips to, as OTB has them'
    add('--save-variants', type=Path, metavar='DIR', help=text)
    text = 'measure the first box kept still, too'
    add('--baselines', action='store_true', help=text)
    add('--opencv', type=Path, help="folder of OpenCV's model files")
    add('--threads', type=int, help='threads of torch and OpenCV')
    add(
        '--backend', default='auto', help='what runs the networks of an export'
    )
    add('--out', type=Path, help='JSON file for the scores')
    add('--sheets', type=Path, help='folder for a contact sheet of each clip')
    add_cfg_options(parser)
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Measure, print a table and write what is asked for."""
    args = parse_args(argv)
    use_threads(args.threads)
    clips = find_clips(args.clips)
    report, variants = {}, VARIANTS if args.variants else {}
    for name, tracker in make_trackers(args).items():
        report[name], boxes = measure(tracker, clips)
        if args.sheets and name in ('model', 'results'):
            for clip, pred in zip(clips, boxes):
                write_sheet(args.sheets / f'{clip.name}.jpg', clip, pred)
        for kind, change in variants.items() if name != 'results' else ():
            changed = list(map(change, clips))
            report[f'{name}, {kind}'], _ = measure(tracker, changed)
    for kind, change in VARIANTS.items() if args.save_variants else ():
        for clip in clips:
            write_clip(args.save_variants / kind / clip.name, change(clip))
    names = [clip.name for clip in clips]
    rows = []
    for name, row in report.items():
        aucs = [row['clips'][clip]['auc'] for clip in names]
        numbers = [*aucs, *row['mean'].values(), row['fps']]
        rows.append([name, *(f'{number:.1f}' for number in numbers)])
    header = ['success AUC', *names, 'mean', 'precision', 'frames/s']
    print(markdown_table(header, rows))
    if args.out:
        fileio.write_json(args.out, report)


if __name__ == '__main__':
    run_tool(main)
