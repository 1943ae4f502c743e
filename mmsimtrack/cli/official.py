"""The command line of converters between an official code and ours."""

import argparse
from collections.abc import Callable

from mmsimtrack.cli.options import add_options, add_trust_option
from mmsimtrack.models.weights import trust_checkpoints
from mmsimtrack.models.weights.simtrack import convert_file

OPTIONS = {
    'src': 'checkpoint to read',
    'dst': 'checkpoint to write',
    '--reverse': 'from mmsimtrack to official',
    '--rename OLD=NEW': 'names in SRC that begin with OLD begin with NEW; '
    'repeatable',
}


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
    rename = {'action': 'append', 'default': []}
    add_options(parser, OPTIONS, rename=rename)
    add_trust_option(parser)
    args = parser.parse_args()
    names = to_ours, to_official
    with trust_checkpoints(args.trust_checkpoint):
        convert_file(args.src, args.dst, args.reverse, args.rename, names)
