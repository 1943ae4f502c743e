"""Convert pre-trained weights of a backbone to the names of mmsimtrack.

    python tools/model_converters/backbone_to_mmsimtrack.py FORMAT SRC DST.pth

SRC is a path or an https:// address. Configs need no conversion, since
`init_cfg=dict(type='Pretrained', checkpoint='FORMAT+SRC')` does the same; DST
is for machines where they cannot, and loads with `checkpoint='DST.pth'`.
"""

import argparse
import sys

from mmsimtrack.cli.main import main as command
from mmsimtrack.cli.options import add_trust_option
from mmsimtrack.models.weights import FORMATS, load_weights, trust_checkpoints
from mmsimtrack.models.weights.load import write_checkpoint


def main() -> None:
    """Convert one file."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('format', choices=FORMATS, help='who made SRC')
    parser.add_argument('src', help='checkpoint to read: path or address')
    parser.add_argument('dst', help='checkpoint to write')
    add_trust_option(parser)
    args = parser.parse_args()
    with trust_checkpoints(args.trust_checkpoint):
        weights = load_weights(args.format, args.src)
    # views would take the tensors that they are part of along
    weights = {name: tensor.clone() for name, tensor in weights.items()}
    write_checkpoint({'state_dict': weights}, args.dst)
    print(f'Converted {len(weights)} tensors: {args.src} -> {args.dst}')


if __name__ == '__main__':
    sys.exit(command(['convert', *sys.argv[1:]]))
