r"""A page of the sequences that a tracker does worst on, with pictures.

    python tools/analysis_tools/worst_sequences.py CONFIG WORK_DIR \
        --out-dir worst

The frames come from the test set of the config, the scores from
WORK_DIR/metrics.json and the boxes from WORK_DIR/results, as tools/test.py
writes them; of another tracker, give its metrics.json and --results. Open
worst/index.html. Frames are spread evenly, but for one, from which on the
target is lost for the longest time.
"""

import argparse
import html
import sys
from pathlib import Path
from urllib.parse import quote

import numpy as np
from config_sequences import load_test_set
from mmengine.config import DictAction

from mmsimtrack.datasets import VideoSequence
from mmsimtrack.evaluation.read_reports import read_reports, report_file
from mmsimtrack.evaluation.reports import main_score, worst_sequences
from mmsimtrack.evaluation.sequence_files import find_results
from mmsimtrack.fileio import read_bboxes_xywh, replace_atomically
from mmsimtrack.structures import aligned_iou, xywh_to_xyxy
from mmsimtrack.visualization import (
    SOTVisualizer,
    contact_sheet,
    plot_overlaps,
    write_image,
)

LOST = 0.1  # a target is lost where the overlap is below

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; max-width: 1320px; margin: 2em auto }}
img {{ display: block; max-width: 100% }}
</style></head><body>
<h1>{title}</h1>
<p>Green: annotation. Red: prediction. Below the frames: overlap in each frame
of the sequence; gray: target not visible; lines: the frames above.</p>
{body}
</body></html>
"""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add('config', help='config file of the test')
    add('report', metavar='WORK_DIR', help='metrics.json, or its folder')
    add('--out-dir', type=Path, required=True, help='folder for the page')
    add('--num-sequences', type=int, default=10, help='(default: 10)')
    add('--num-frames', type=int, default=8, help='of each (default: 8)')
    add('--results', type=Path, help='of the tracker (default: beside it)')
    add(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='settings that the test had: key=value',
    )
    args = parser.parse_args(arguments)
    for name, least in (('sequences', 1), ('frames', 2)):
        value = getattr(args, f'num_{name}')
        if value < least:
            parser.error(f'--num-{name} {value}: expected >= {least}')
    return args


def main(arguments: list[str] | None = None) -> int:
    """Write the page; the exit status."""
    args = parse(arguments)
    try:
        ((name, report),) = read_reports([args.report]).items()
        names = worst_sequences(report, args.num_sequences)
        sequences = load_sequences(args.config, args.cfg_options, names)
        folder = args.results or report_file(args.report).parent / 'results'
        bboxes = [read_result(folder, sequence) for sequence in sequences]
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    key = main_score(report)
    parts = []
    for sequence, pred in zip(sequences, bboxes):
        score = report['per_sequence'][sequence.name][key]
        heading = f'{sequence.name}: {key} {score:.4g}'
        parts.append(draw(sequence, pred, heading, args))
        print(heading)
    title = html.escape(f'{name}: lowest {key}')
    page = PAGE.format(title=title, body='\n'.join(parts))
    with replace_atomically(args.out_dir / 'index.html') as temporary:
        temporary.write_text(page, encoding='utf-8')
    print(args.out_dir / 'index.html')
    return 0


def load_sequences(
    config: str, options: dict | None, names: list[str]
) -> list[VideoSequence]:
    """Sequences of the test set of a config, by name.

    Raises:
        OSError: If the config or data are missing.
        ValueError: If the config has no test set, or no such sequence.
    """
    cfg, sequences = load_test_set(config, options)
    found = {sequence.name: sequence for sequence in sequences}
    for name in names:
        if name not in found:
            root = cfg.test_dataloader.dataset.data_root
            raise ValueError(
                f'{name} is in the report, but not in {root}. '
                'Give the config, and --cfg-options, of the test.'
            )
    return [found[name] for name in names]


def read_result(folder: Path, sequence: VideoSequence) -> np.ndarray:
    """(T, 4) xyxy in frame pixels; of several runs, the first.

    Raises:
        ValueError: If the result is missing, or it or the annotation has not
            one box per frame.
    """
    path = find_results(folder, sequence.name)[0]
    bboxes = xywh_to_xyxy(read_bboxes_xywh(path))
    for what, found in ((path, bboxes), (sequence.name, sequence.bboxes)):
        if len(found) != len(sequence):
            raise ValueError(
                f'{what} has {len(found)} boxes, expected {len(sequence)}, '
                'one per frame. Track the sequence again; test sets of which '
                'only the first box is public have no scores.'
            )
    return bboxes


def draw(
    sequence: VideoSequence,
    pred: np.ndarray,
    heading: str,
    args: argparse.Namespace,
) -> str:
    """Write the pictures of a sequence; its part of the page."""
    iou, visible = aligned_iou(pred, sequence.bboxes), sequence.visible
    lost_at, lost_for = longest_loss(iou, visible)
    numbers = choose_frames(
        len(sequence), args.num_frames, lost_at if lost_for else None
    )
    visualizer = SOTVisualizer()
    frames = [
        visualizer.draw_frame(
            sequence.read_frame(t),
            pred[t],
            sequence.bboxes[t] if visible[t] else None,
            f'#{t}  {iou[t]:.2f}' if visible[t] else f'#{t}',
        )
        for t in numbers
    ]
    files = f'{sequence.name}.jpg', f'{sequence.name}_overlap.png'
    write_image(args.out_dir / files[0], contact_sheet(frames))
    plot_overlaps(iou, visible, args.out_dir / files[1], numbers)
    text = f'{len(sequence)} frames'
    if lost_for:
        text += f'; overlap below {LOST} from #{lost_at} on, {lost_for} frames'
    images = ''.join(
        f'<img src="{quote(file)}" alt="{html.escape(file)}">'
        for file in files
    )
    return f'<h2>{html.escape(heading)}</h2>\n<p>{text}</p>\n{images}'


def longest_loss(overlaps: np.ndarray, visible: np.ndarray) -> tuple[int, int]:
    """Where the target is lost for the longest time, and for how long.

    Args:
        overlaps: (T,).
        visible: (T,) bool; other frames do not count.

    Returns:
        First frame of it, and number of frames; 0 and 0 if it is never lost.
    """
    frames = np.flatnonzero(visible)
    best, start, length = 0, 0, 0
    for i, frame in enumerate(frames):
        if overlaps[frame] >= LOST:
            start = i + 1
        elif i + 1 - start > length:
            best, length = frames[start], i + 1 - start
    return int(best), length


def choose_frames(
    num_frames: int, number: int, extra: int | None
) -> list[int]:
    """At most `number` frames: spread evenly, and one in particular."""
    if extra is not None:
        number -= 1
    spread = np.linspace(0, num_frames - 1, number).round().astype(int)
    return sorted({*spread.tolist(), *([] if extra is None else [extra])})


if __name__ == '__main__':
    sys.exit(main())
