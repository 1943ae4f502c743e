"""Train a tracker."""

import sys

from mmsimtrack.cli.train import main

if __name__ == '__main__':
    sys.exit(main())
