"""Convert weights between the official SimTrack code and mmsimtrack.

    python tools/model_converters/official_simtrack_to_mmsimtrack.py \
        SRC.pth DST.pth [--reverse] [--rename OLD=NEW]

Every key must map and none may be missing: a file with a key too many or too
few is refused by name. CLIP's output projection has no place in our model; it
is kept under `meta['unused']` and restored by `--reverse`.
"""

import argparse

from mmsimtrack.cli.options import add_trust_option
from mmsimtrack.models.weights import trust_checkpoints
from mmsimtrack.models.weights.simtrack import convert_file


def main() -> None:
    """Convert one file."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('src', help='checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    text = 'from mmsimtrack to official'
    parser.add_argument('--reverse', action='store_true', help=text)
    text = 'names in SRC that begin with OLD begin with NEW; repeatable'
    rename = dict(action='append', default=[], metavar='OLD=NEW')
    parser.add_argument('--rename', **rename, help=text)
    add_trust_option(parser)
    args = parser.parse_args()
    with trust_checkpoints(args.trust_checkpoint):
        convert_file(args.src, args.dst, args.reverse, args.rename)


if __name__ == '__main__':
    main()
