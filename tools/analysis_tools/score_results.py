"""Score result files of any tracker: `results.py score`."""

import sys

from results import main as run


def main(arguments: list[str] | None = None) -> int:
    """Score and return the exit status."""
    return run(['score', *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == '__main__':
    sys.exit(main())
