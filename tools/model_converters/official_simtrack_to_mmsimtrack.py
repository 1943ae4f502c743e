"""Convert weights between the official SimTrack code and mmsimtrack.

    python tools/model_converters/official_simtrack_to_mmsimtrack.py \
        SRC.pth DST.pth [--reverse] [--rename OLD=NEW]

Every key must map and none may be missing: a file with a key too many or too
few is refused by name. CLIP's output projection has no place in our model; it
is kept under `meta['unused']` and restored by `--reverse`.
"""

import sys

from mmsimtrack.cli.main import main as command
from mmsimtrack.cli.official import convert_official
from mmsimtrack.models.weights.official import SIMTRACK


def main() -> None:
    """Convert one file."""
    convert_official(__doc__, SIMTRACK)


if __name__ == '__main__':
    sys.exit(command(['convert', 'official', *sys.argv[1:]]))
