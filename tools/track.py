"""Track a target in your own video.

    python tools/track.py MODEL SOURCE --bbox x,y,w,h
    python tools/track.py CONFIG CHECKPOINT SOURCE --bbox x,y,w,h

MODEL is a name of the model zoo whose weights come with the package, such as
sim_s16-6l_real. SOURCE is a video file, a folder of frames or the number of a
camera. `mmsimtrack track` has more options.
"""

import sys

from mmsimtrack.cli.options import (
    add_trust_option,
    make_parser,
    parse_bbox,
    parse_source,
)


def main(argv: list[str] | None = None) -> int:
    """Track, and say where the results are; the exit status."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('config', help='name of a model, or config file')
    add('checkpoint', nargs='?', help='checkpoint file')
    add('source', type=parse_source, help='what to track in')
    bbox = dict(type=parse_bbox, action='append', required=True)
    text = 'target in the first frame, in pixels; repeat it for more targets'
    add('--bbox', **bbox, metavar='x,y,w,h', help=text)
    text = 'folder for the results (default: work_dirs/track)'
    add('--out-dir', default='work_dirs/track', metavar='DIR', help=text)
    text = 'cpu, cuda:0 ... (default: choose)'
    add('--device', metavar='NAME', help=text)
    add_trust_option(parser)
    args = parser.parse_args(argv)
    from mmsimtrack.apis import SOTInferencer

    inferencer = SOTInferencer(
        args.config, args.checkpoint, args.device, args.trust_checkpoint
    )
    bboxes = args.bbox if len(args.bbox) > 1 else args.bbox[0]
    result = inferencer(args.source, bboxes, args.out_dir)
    print(
        f'Tracked {len(result["bboxes"])} frames, mean score '
        f'{result["scores"].mean():.2f}. Boxes, video and contact sheet are '
        f'in {args.out_dir}.'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
