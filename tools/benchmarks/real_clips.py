"""Track short real clips: success AUC, precision and frames per second.

CLIPS is a folder with clips in any of the layouts of OTB, LaSOT, GOT-10k
(frames, in `img` or beside the annotation) and UAV123 (`data_seq`, `anno`).
The model is a config with a checkpoint, or a folder of result files
(`<clip>.txt`, x,y,w,h). Two baselines are measured beside it: the first box
kept still, and OpenCV's trackers where `--opencv` has their model files.

Success AUC: 21 thresholds from 0 to 1, overlap above the threshold, first
frame included; frames without a box (NaN) count as missed.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config, DictAction

from mmsimtrack.apis import SOTInferencer
from mmsimtrack.datasets.frames import list_frames, read_frame
from mmsimtrack.fileio import read_bboxes_xywh, replace_atomically
from mmsimtrack.structures import aligned_iou, xywh_to_xyxy, xyxy_to_xywh

Tracker = Callable[[list[np.ndarray], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Clip:
    """Frames of a clip, (H, W, 3) RGB uint8, and boxes (T, 4) xyxy."""

    name: str
    frames: list[np.ndarray]
    bboxes: np.ndarray


def find_clips(root: Path) -> Iterator[Clip]:
    """Read all clips below a folder, in the order of their paths."""
    for file in sorted(root.rglob('*.txt')):
        folder = file.parent
        if folder.parent.name == 'anno':  # UAV123
            data = folder.parent.parent / 'data_seq' / folder.name / file.stem
        elif file.stem in ('groundtruth', 'groundtruth_rect'):
            data = folder / 'img' if (folder / 'img').is_dir() else folder
        else:
            continue
        paths = [data / name for name in list_frames(data)]
        bboxes = xywh_to_xyxy(read_bboxes_xywh(file))
        if len(paths) != len(bboxes):
            raise ValueError(
                f'{file} has {len(bboxes)} boxes, but {data} has '
                f'{len(paths)} frames. Expected one box per frame.'
            )
        name = file.stem if data.parent.parent.name == 'data_seq' else None
        frames = [read_frame(str(path)) for path in paths]
        yield Clip(name or folder.name, frames, bboxes)


def mirrored(clip: Clip) -> Clip:
    """Left and right exchanged."""
    width = clip.frames[0].shape[1]
    bboxes = clip.bboxes[:, [2, 1, 0, 3]] * (-1, 1, -1, 1)
    frames = [np.ascontiguousarray(f[:, ::-1]) for f in clip.frames]
    return replace(clip, frames=frames, bboxes=bboxes + (width, 0, width, 0))


def reversed_(clip: Clip) -> Clip:
    """From the last frame with a box to the first."""
    last = np.flatnonzero(np.isfinite(clip.bboxes).all(-1))[-1]
    order = slice(last, None, -1)
    return replace(clip, frames=clip.frames[order], bboxes=clip.bboxes[order])


def halved(clip: Clip) -> Clip:
    """Every second frame."""
    return replace(clip, frames=clip.frames[::2], bboxes=clip.bboxes[::2])


def darkened(clip: Clip) -> Clip:
    """Gamma 2."""
    table = np.uint8((np.arange(256) / 255) ** 2 * 255)
    return replace(clip, frames=[cv2.LUT(f, table) for f in clip.frames])


VARIANTS = {
    'mirrored': mirrored,
    'reversed': reversed_,
    'halved': halved,
    'darkened': darkened,
}


def success_auc(overlaps: np.ndarray) -> float:
    """Mean of the success curve in percent; NaN overlaps are misses."""
    thresholds = np.linspace(0, 1, 21)
    return 100 * (overlaps[:, None] > thresholds).mean()


def score(clip: Clip, pred: np.ndarray) -> dict[str, float]:
    """Success AUC and precision at 20 px, in percent."""
    if len(pred) != len(clip.bboxes):
        raise ValueError(
            f'{clip.name}: {len(pred)} boxes for {len(clip.bboxes)} frames. '
            'Expected one box per frame; track the clip again.'
        )
    present = np.isfinite(clip.bboxes).all(-1)
    overlaps = np.where(present, aligned_iou(pred, clip.bboxes), np.nan)
    error = (pred - clip.bboxes).reshape(-1, 2, 2).mean(1)
    distance = np.linalg.norm(error, axis=-1)
    return {
        'auc': success_auc(overlaps),
        'precision': 100 * float((distance <= 20).mean()),
    }


def model_tracker(args: argparse.Namespace) -> Tracker:
    """A tracker that runs the network of the command line."""
    cfg = Config.fromfile(args.model)
    cfg.merge_from_dict(args.cfg_options or {})
    model = SOTInferencer(cfg, args.weights, 'cpu').model

    def track(frames: list[np.ndarray], bbox: np.ndarray) -> np.ndarray:
        state = model.init([frames[0]], [bbox])
        bboxes = [bbox]
        for frame in frames[1:]:
            state = model.track([frame], state)
            bboxes.append(state.bboxes[0].numpy())
        return np.array(bboxes)

    return track


def opencv_trackers(folder: Path) -> dict[str, Tracker]:
    """OpenCV's NanoTrack and VitTrack, if their ONNX files are there."""
    found = {}
    nano = [folder / f'nanotrack_{part}.onnx' for part in ('backbone', 'head')]
    vit = folder / 'vittrack.onnx'
    if all(path.is_file() for path in nano):
        params = cv2.TrackerNano_Params()
        params.backbone, params.neckhead = map(str, nano)
        found['TrackerNano'] = lambda: cv2.TrackerNano_create(params)
    if vit.is_file():
        params_vit = cv2.TrackerVit_Params()
        params_vit.net = str(vit)
        found['TrackerVit'] = lambda: cv2.TrackerVit_create(params_vit)

    def run(create, frames, bbox):
        tracker, bboxes = create(), [bbox]
        box = np.round(xyxy_to_xywh(bbox)).astype(int)
        tracker.init(frames[0][..., ::-1].copy(), tuple(box.tolist()))
        for frame in frames[1:]:
            ok, box = tracker.update(frame[..., ::-1].copy())
            bboxes.append(xywh_to_xyxy(box) if ok else bboxes[-1])
        return np.array(bboxes)

    return {
        name: lambda frames, bbox, create=create: run(create, frames, bbox)
        for name, create in found.items()
    }


def write_sheet(path: Path, clip: Clip, pred: np.ndarray) -> None:
    """Write 16 frames with the prediction (green) and the truth (white)."""
    tiles = []
    for t in np.linspace(0, len(clip.frames) - 1, 16).round().astype(int):
        frame = clip.frames[t].copy()
        for bbox, color in (
            (clip.bboxes[t], (255, 255, 255)),
            (pred[t], (0, 255, 0)),
        ):
            if np.isfinite(bbox).all():
                corner, opposite = np.round(bbox).astype(int).reshape(2, 2)
                cv2.rectangle(
                    frame, corner.tolist(), opposite.tolist(), color, 2
                )
        frame = cv2.resize(frame, (320, 240), interpolation=cv2.INTER_AREA)
        cv2.putText(frame, f'#{t}', (4, 18), 0, 0.6, (255, 255, 0), 2)
        tiles.append(frame)
    rows = [np.hstack(tiles[i : i + 4]) for i in range(0, 16, 4)]
    with replace_atomically(path) as temporary:
        cv2.imwrite(str(temporary), np.vstack(rows)[..., ::-1])


def measure(tracker: Tracker, clips: list[Clip]) -> tuple[dict, list]:
    """Scores of each clip and on average, and the boxes of each clip."""
    rows, boxes, seconds, frames = {}, [], 0.0, 0
    for clip in clips:
        start = time.perf_counter()
        pred = tracker(clip.frames, clip.bboxes[0])
        seconds += time.perf_counter() - start
        frames += len(clip.frames)
        rows[clip.name] = score(clip, pred)
        boxes.append(pred)
    mean = {
        key: float(np.mean([row[key] for row in rows.values()]))
        for key in ('auc', 'precision')
    }
    return {'mean': mean, 'fps': frames / seconds, 'clips': rows}, boxes


def parse_args(argv=None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('clips', type=Path, help='folder with clips')
    parser.add_argument('model', help='config, or folder of result files')
    parser.add_argument('weights', nargs='?', help='checkpoint of a config')
    parser.add_argument(
        '--variants', action='store_true', help=f'also {", ".join(VARIANTS)}'
    )
    parser.add_argument(
        '--baselines', action='store_true', help='also measure the baselines'
    )
    parser.add_argument(
        '--opencv', type=Path, help="folder of OpenCV's model files"
    )
    parser.add_argument('--threads', type=int, help='of torch and OpenCV')
    parser.add_argument('--out', type=Path, help='JSON file for the scores')
    parser.add_argument(
        '--sheets', type=Path, help='folder for a contact sheet of each clip'
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Measure, print a table and write what is asked for."""
    args = parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
        cv2.setNumThreads(args.threads)
    clips = list(find_clips(args.clips))
    if not clips:
        raise SystemExit(f'{args.clips} holds no clip with a ground truth.')
    if Path(args.model).is_dir():
        names = iter(clips)
        trackers = {
            'results': lambda frames, bbox: xywh_to_xyxy(
                read_bboxes_xywh(Path(args.model) / f'{next(names).name}.txt')
            )
        }
    else:
        trackers = {'model': model_tracker(args)}
    if args.baselines:
        trackers['first box'] = lambda frames, bbox: np.tile(
            bbox, (len(frames), 1)
        )
    if args.opencv:
        trackers.update(opencv_trackers(args.opencv))
    report = {}
    for name, tracker in trackers.items():
        report[name], boxes = measure(tracker, clips)
        if args.sheets and name in ('model', 'results'):
            args.sheets.mkdir(parents=True, exist_ok=True)
            for clip, pred in zip(clips, boxes):
                write_sheet(args.sheets / f'{clip.name}.jpg', clip, pred)
        if args.variants and name != 'results':
            for kind, change in VARIANTS.items():
                changed = list(map(change, clips))
                report[f'{name}, {kind}'] = measure(tracker, changed)[0]
    names = [clip.name for clip in clips]
    print(f'{"success AUC":<22}', *(f'{n[:10]:>10}' for n in names), end='')
    print(f'{"mean":>8}{"prec.":>8}{"fps":>8}')
    for name, row in report.items():
        cells = (f'{row["clips"][n]["auc"]:10.1f}' for n in names)
        mean, precision = row['mean'].values()
        print(f'{name:<22}', *cells, end='')
        print(f'{mean:8.1f}{precision:8.1f}{row["fps"]:8.1f}')
    if args.out:
        with replace_atomically(args.out) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    main()
