"""Draw where the search image attends to the target, as in Fig. 4 and 5.

    python tools/analysis_tools/visualize_attention.py CONFIG CHECKPOINT \
SOURCE --bbox x,y,w,h

SOURCE is a video file or a folder of frames. The model tracks through it, so
that search crops lie where the tracker looks; a row is drawn per chosen frame.
"""

import argparse
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config, DictAction

sys.path.insert(0, str(Path(__file__).parents[1]))  # tools/
from launch import add_trust_option  # noqa: E402
from track import parse_bbox  # noqa: E402

from mmsimtrack.apis import SOTInferencer, open_source  # noqa: E402
from mmsimtrack.visualization import (  # noqa: E402
    AttentionRow,
    attention_layers,
    attention_row,
    draw_attention,
    write_image,
)


def parse_numbers(text: str) -> list[int]:
    """Whole numbers between commas."""
    try:
        return [int(number) for number in text.split(',')]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'found {text!r}, expected whole numbers between commas, such as '
            '2,4,6'
        ) from None


def parse_video(text: str) -> str:
    """A source that can be read twice."""
    if '://' in text:
        raise argparse.ArgumentTypeError(
            f'found the stream {text!r}, expected a video file or a folder of '
            'frames, which can be read twice. Record the stream to a file'
        )
    return text


def parse_image(text: str) -> str:
    """A path whose ending OpenCV can write."""
    if not cv2.haveImageWriter(text):
        raise argparse.ArgumentTypeError(
            f'found {text!r}, expected an image file such as attention.png'
        )
    return text


def choose_frames(
    num_frames: int, wanted: list[int] | None = None, source: str = ''
) -> list[int]:
    """Numbers of the frames to draw, counted from 0.

    Args:
        num_frames: In the video.
        wanted: None takes four, evenly spread, that end with the last.
        source: Named in errors.

    Raises:
        ValueError: If the video has no such frame, or only one.
    """
    last = num_frames - 1
    if last < 1:
        raise ValueError(
            f'{source} holds one frame, in which the target is given. There '
            'is attention from the second one on: give a longer video.'
        )
    if wanted is None:
        return sorted({round(last * i / 4) for i in range(1, 5)} - {0})
    wrong = [number for number in wanted if not 1 <= number <= last]
    if wrong:
        raise ValueError(
            f'--frames: found {", ".join(map(str, wrong))}, expected numbers '
            f'from 1 to {last}: {source} holds {num_frames} frames, counted '
            'from 0, and frame 0, in which the target is given, has no search '
            'crop.'
        )
    return wanted


def look(
    inferencer: SOTInferencer, args: argparse.Namespace, name: str
) -> list[AttentionRow]:
    """Track, then look again at the chosen frames."""
    stop = None if args.frames is None else max(args.frames) + 1
    tracked = islice(inferencer.stream(args.source, args.bbox), stop)
    bboxes = np.stack([one.bbox for one in tracked])
    numbers = choose_frames(len(bboxes), args.frames, args.source)
    rows = {}
    for i, frame in enumerate(open_source(args.source)):
        if i == 0:
            first = frame
        if i in numbers:
            rows[i] = attention_row(
                inferencer.model,
                (first, frame),
                bboxes[[0, i - 1, i]],
                args.layers,
                f'{name} #{i}',
            )
        if i == max(numbers):
            break
    return [rows[i] for i in numbers]


def parse_args() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        'source', type=parse_video, help='video file or folder of frames'
    )
    parser.add_argument(
        '--bbox',
        type=parse_bbox,
        required=True,
        help='target in the first frame: x,y,w,h in pixels',
    )
    parser.add_argument(
        '--frames',
        type=parse_numbers,
        help='frames to draw, such as 10,40,80, counted from 0 (default: '
        'four, evenly spread)',
    )
    parser.add_argument(
        '--layers',
        type=parse_numbers,
        help='layers to draw, such as 2,4,6, counted from 1 (default: six, '
        'evenly spread)',
    )
    parser.add_argument(
        '--compare',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='another model, drawn below the first; may be repeated',
    )
    parser.add_argument(
        '--out',
        type=parse_image,
        default='attention.png',
        help='picture to write',
    )
    parser.add_argument('--device', help='cpu, cuda:0 ... (default: choose)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        help='change settings of the configs: key=value, nested keys with '
        'dots',
    )
    add_trust_option(parser)
    return parser.parse_args()


def main() -> None:
    """Write the picture."""
    args = parse_args()
    by_model = []
    for config, checkpoint in [(args.config, args.checkpoint), *args.compare]:
        cfg = Config.fromfile(config)
        cfg.merge_from_dict(args.cfg_options)
        inferencer = SOTInferencer(
            cfg, checkpoint, args.device, args.trust_checkpoint
        )
        # before the video is tracked
        probes = inferencer.model.backbone.attention_probes()
        attention_layers(len(probes), args.layers)
        by_model.append(look(inferencer, args, Path(config).stem))
    # as in Fig. 5: the models one below the other, frame by frame
    rows = [row for of_frame in zip(*by_model) for row in of_frame]
    write_image(args.out, draw_attention(rows))
    print(f'Drew {len(rows)} rows to {args.out}.')


if __name__ == '__main__':
    main()
