"""Test a tracker on a benchmark."""

import sys

from mmsimtrack.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['test', *sys.argv[1:]]))
