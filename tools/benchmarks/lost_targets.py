"""Hide the targets of short clips: is it noticed, and are they found again?

CLIPS is a folder with clips, see real_clips.py, and MODEL the name of a model
of the zoo, or a config with a checkpoint, that has a rule for lost targets
(`model.test_cfg.lost`). Each clip is cut to 45 frames. From the 17th on, its
target is away for 12 frames: `vanish` pastes the background beside it over
it, `occlude` slides a frame of another clip over it for six frames and away
for six; a target of which two thirds are covered counts as gone. It is found
again in the first frame afterwards with an overlap above 0.4. Alarms of the
clips as they are, which are false where there is a target, are counted too.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from measuring import use_threads
from real_clips import Clip, find_clips, open_tracker

from mmsimtrack import fileio
from mmsimtrack.apis import Tracker
from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import add_cfg_options, make_parser
from mmsimtrack.evaluation.functional import ope
from mmsimtrack.evaluation.reports import markdown_table
from mmsimtrack.structures import xyxy_to_xywh

NUM_FRAMES, AWAY, MARGIN = 45, range(16, 28), 0.15


def vanish(frame: np.ndarray, area: tuple, step: int) -> bool:
    """Paste what is beside an area over it, in place.

    Args:
        frame: (H, W, 3).
        area: x1, y1, x2, y2 in whole pixels.
        step: How long the target is away, in frames.

    Returns:
        Whether the target is gone.

    Raises:
        ValueError: If the frame has no room for that.
    """
    x1, y1, x2, y2 = area
    w, h = x2 - x1, y2 - y1
    corners = (x2, y1), (x1 - w, y1), (x1, y2), (x1, y1 - h)
    for x, y in corners:
        beside = frame[max(y, 0) : y + h, max(x, 0) : x + w]
        if beside.shape[:2] == (h, w):
            frame[y1:y2, x1:x2] = beside
            return True
    raise ValueError(f'Nothing as large as {area} is beside it in the frame.')


def occlude(
    frame: np.ndarray, area: tuple, step: int, picture: np.ndarray
) -> bool:
    """Slide a picture over an area from the right, then to the left.

    See `vanish`.
    """
    x1, y1, x2, y2 = area
    w, h = x2 - x1, y2 - y1
    half = len(AWAY) // 2
    shift = (half - 1 - step) / half
    start = x1 + round(shift * w)
    left, right = max(start, 0), min(start + w, frame.shape[1])
    if left < right:
        piece = cv2.resize(picture, (w, h))[:, left - start : right - start]
        frame[y1:y2, left:right] = piece
    return abs(shift) < 0.35


def hide(clip: Clip, cover: Callable) -> tuple[Clip, np.ndarray]:
    """Cut a clip and hide its target; also returns (T,) where it is gone.

    Raises:
        ValueError: If the clip is too short.
    """
    if len(clip.frames) < NUM_FRAMES:
        raise ValueError(
            f'{clip.name} has {len(clip.frames)} frames, expected '
            f'{NUM_FRAMES} or more. Leave it out.'
        )
    frames = [frame.copy() for frame in clip.frames[:NUM_FRAMES]]
    gone = np.zeros(NUM_FRAMES, bool)
    for step, t in enumerate(AWAY):
        bbox, (height, width) = clip.bboxes[t], frames[t].shape[:2]
        if np.isfinite(bbox).all():
            grow = MARGIN * np.tile(bbox[2:] - bbox[:2], 2) * (-1, -1, 1, 1)
            most = np.tile((width, height), 2)
            area = (bbox + grow).clip(0, most).astype(int).tolist()
            gone[t] = cover(frames[t], area, step)
    return replace(clip, frames=frames, bboxes=clip.bboxes[:NUM_FRAMES]), gone


def track(tracker: Tracker, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Track: overlaps with the truth (T,), and where the target is lost."""
    bboxes, lost = [clip.bboxes[0]], [False]
    tracker.init(clip.frames[0], bboxes[0])
    for frame in clip.frames[1:]:
        is_seen, bbox, _ = tracker.update(frame)
        bboxes.append(bbox)
        lost.append(not is_seen)
    pair = map(xyxy_to_xywh, (np.array(bboxes), clip.bboxes))
    return ope.overlaps(*pair), np.array(lost)


def measure(tracker: Tracker, hidden: list) -> dict[str, float]:
    """Measure what a tracker does about hidden targets of `hide`."""
    noticed, found, shares, overlaps = [], [], [], []
    for clip, gone in hidden:
        overlap, lost = track(tracker, clip)
        shares.extend(lost[gone])
        noticed.extend(np.flatnonzero(lost[gone])[:1])
        later = overlap[AWAY.stop :]
        later = later[np.isfinite(later)]
        found.extend(np.flatnonzero(later > 0.4)[:1])
        overlaps.append(later.mean())
    return {
        'clips with an alarm': len(noticed),
        'frames until it': float(np.median(noticed or [np.nan])),
        'lost, %': 100 * float(np.mean(shares)),
        'found again': len(found),
        'frames until then': float(np.median(found or [np.nan])),
        'overlap afterwards': float(np.mean(overlaps)),
    }


def parse_args(argv=None) -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('clips', type=Path, help='folder with clips')
    add('model', help='name of a model, or config')
    add('weights', nargs='?', help='checkpoint of a config')
    add('--threads', type=int, help='threads of torch and OpenCV')
    add('--out', type=Path, help='JSON file for the numbers')
    add_cfg_options(parser)
    return parser.parse_args(argv)


def main(argv=None) -> None:
    """Measure with the rule for lost targets and without it."""
    args = parse_args(argv)
    use_threads(args.threads)
    tracker = open_tracker(args)
    rules = tracker.model.rules
    if not rules.lost:
        raise ValueError(
            f'{args.model} has no rule for lost targets, expected numbers in '
            'model.test_cfg.lost. Add them to the config.'
        )
    clips = find_clips(args.clips)
    alarms = np.concatenate([track(tracker, clip)[1] for clip in clips])
    boxes = np.concatenate([clip.bboxes for clip in clips])
    shown = np.isfinite(boxes).all(-1)
    report = {
        'false alarms': int(alarms[shown].sum()),
        'frames with a target': int(shown.sum()),
        'alarms without a target': int(alarms[~shown].sum()),
        'frames without a target': int((~shown).sum()),
    }
    print(', '.join(f'{name} {number}' for name, number in report.items()))
    rows, pictures = [], [clip.frames[0] for clip in clips[1:] + clips[:1]]
    hidden = {
        'vanish': [hide(clip, vanish) for clip in clips],
        'occlude': [
            hide(clip, partial(occlude, picture=picture))
            for clip, picture in zip(clips, pictures)
        ],
    }
    for kind, clips in hidden.items():
        for lost in (rules.lost, None):
            tracker.model.rules = replace(rules, lost=lost)
            name = kind if lost else f'{kind}, without the rule'
            report[name] = measure(tracker, clips)
            rows.append([name, *(f'{n:.4g}' for n in report[name].values())])
    print(markdown_table([f'{len(clips)} clips', *report['vanish']], rows))
    if args.out:
        fileio.write_json(args.out, report)


if __name__ == '__main__':
    run_tool(main)
