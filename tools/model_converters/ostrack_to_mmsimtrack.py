"""Convert weights between the official OSTrack code and mmsimtrack.

    python tools/model_converters/ostrack_to_mmsimtrack.py \
        SRC.pth.tar DST.pth [--reverse] [--rename OLD=NEW]

Every key must map and none may be missing. Class token and positions of the
pre-trained ViT, which OSTrack keeps in its files and never uses, have no place
in our model; they are kept under `meta['unused']` and restored by `--reverse`.
Loading SRC.pth.tar straight into a config needs no conversion.
"""

import sys

from mmsimtrack.cli.main import main as command
from mmsimtrack.cli.official import convert_official
from mmsimtrack.models.weights.official import OSTRACK


def main() -> None:
    """Convert one file."""
    convert_official(__doc__, OSTRACK)


if __name__ == '__main__':
    sys.exit(command(['convert', 'ostrack', *sys.argv[1:]]))
