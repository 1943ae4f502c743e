"""`python -m mmsimtrack` is the command `mmsimtrack`."""

import sys

from mmsimtrack.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
