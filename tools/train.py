"""Train a tracker."""

import sys

from mmsimtrack.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['train', *sys.argv[1:]]))
