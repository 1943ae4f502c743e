r"""Draw where the search image attends to the target, as in Fig. 4 and 5.

    python tools/analysis_tools/visualize_attention.py CONFIG CHECKPOINT \
        SOURCE --bbox x,y,w,h

SOURCE is a video file or a folder of frames. The model tracks through it, so
that search crops lie where the tracker looks; a row is drawn per chosen frame.
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from mmsimtrack.apis import SOTInferencer, open_source
from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import (
    add_cfg_options,
    add_trust_option,
    make_parser,
    parse_bbox,
    parse_image,
    parse_numbers,
)
from mmsimtrack.cli.settings import read_settings
from mmsimtrack.visualization import attention_row, draw_attention, write_image
from mmsimtrack.visualization.attention import attention_layers


def choose_frames(
    num_frames: int, wanted: list[int] | None = None, source: str = ''
) -> list[int]:
    """Choose the frames to draw, counted from 0.

    Args:
        num_frames: How many the video has.
        wanted: None takes four, evenly spread, that end with the last.
        source: Name of the video, for errors.

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
) -> list[np.ndarray]:
    """Track, then look again at the chosen frames: a picture of each."""
    stop = None if args.frames is None else max(args.frames) + 1
    tracked = islice(inferencer.stream(args.source, args.bbox), stop)
    bboxes = np.stack([one.bbox for one in tracked])
    numbers = choose_frames(len(bboxes), args.frames, args.source)
    video = islice(open_source(args.source), max(numbers) + 1)
    frames = {i: f for i, f in enumerate(video) if i in (0, *numbers)}
    return [
        attention_row(
            inferencer.model,
            (frames[0], frames[i]),
            bboxes[[0, i - 1, i]],
            args.layers,
            f'{name} #{i}',
        )
        for i in numbers
    ]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('config', help='config file')
    add('checkpoint', help='checkpoint file')
    add('source', help='video file or folder of frames')
    text = 'target in the first frame: x,y,w,h in pixels'
    add('--bbox', type=parse_bbox, required=True, help=text)
    text = 'such as 10,40,80, counted from 0 (default: four, evenly spread)'
    add('--frames', type=parse_numbers, help=f'frames to draw, {text}')
    text = 'such as 2,4,6, counted from 1 (default: six, evenly spread)'
    add('--layers', type=parse_numbers, help=f'layers to draw, {text}')
    names = ('CONFIG', 'CHECKPOINT')
    other = dict(nargs=2, action='append', default=[], metavar=names)
    text = 'another model, drawn below the first; may be repeated'
    add('--compare', **other, help=text)
    name = 'attention.png'
    add('--out', type=parse_image, default=name, help='picture to write')
    add('--device', help='such as cpu or cuda:0 (default: what there is)')
    add_cfg_options(parser)
    add_trust_option(parser)
    args = parser.parse_args()
    if '://' in args.source:
        parser.error(
            f'found the stream {args.source!r}, expected a video file or a '
            'folder of frames, which can be read twice. Record the stream to '
            'a file'
        )
    return args


def main() -> None:
    """Write the picture."""
    args = parse_args()
    by_model = []
    for config, checkpoint in [(args.config, args.checkpoint), *args.compare]:
        cfg = read_settings(config, args.cfg_options)
        inferencer = SOTInferencer(
            cfg, checkpoint, args.device, args.trust_checkpoint
        )
        # refuse before the video is tracked
        attention_layers(inferencer.model.backbone, args.layers)
        by_model.append(look(inferencer, args, Path(config).stem))
    # as in Fig. 5: the models one below the other, frame by frame
    rows = [row for of_frame in zip(*by_model) for row in of_frame]
    write_image(args.out, draw_attention(rows))
    print(f'Drew {len(rows)} rows to {args.out}.')


if __name__ == '__main__':
    run_tool(main)
