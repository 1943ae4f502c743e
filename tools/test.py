"""Test a tracker on a benchmark."""

import sys

from mmsimtrack.cli.test import main

if __name__ == '__main__':
    sys.exit(main())
