"""The command line of converters between an official code and ours."""

import argparse
from collections.abc import Callable

from mmsimtrack.cli.options import add_trust_option
from mmsimtrack.models.weights import trust_checkpoints
from mmsimtrack.models.weights.simtrack import convert_file


def convert_official(
    about: str, to_ours: Callable, to_official: Callable
) -> None:
    """Convert one file, as the command line says.

    Args:
        about: Its first line is the description in `--help`.
        to_ours: See `convert_file`.
        to_official: See `convert_file`.
    """
    parser = argparse.ArgumentParser(description=about.split('\n')[0])
    parser.add_argument('src', help='checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument(
        '--reverse', action='store_true', help='from mmsimtrack to official'
    )
    parser.add_argument(
        '--rename',
        action='append',
        default=[],
        metavar='OLD=NEW',
        help='names in SRC that begin with OLD begin with NEW; repeatable',
    )
    add_trust_option(parser)
    args = parser.parse_args()
    with trust_checkpoints(args.trust_checkpoint):
        convert_file(
            args.src,
            args.dst,
            args.reverse,
            args.rename,
            (to_ours, to_official),
        )
