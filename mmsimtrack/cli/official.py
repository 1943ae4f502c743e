"""The command line of converters between an official code and ours."""

import argparse

from mmsimtrack.cli.options import add_options, add_trust_option
from mmsimtrack.models.weights import trust_checkpoints
from mmsimtrack.models.weights.official import Official

OPTIONS = {
    'src': 'checkpoint to read',
    'dst': 'checkpoint to write',
    '--reverse': 'from mmsimtrack to official',
    '--rename OLD=NEW': 'names in SRC that begin with OLD begin with NEW; '
    'repeatable',
}


def convert_official(about: str, official: Official) -> None:
    """Convert one file, as the command line says.

    Args:
        about: Its first line is the description in `--help`.
        official: The code that the file comes from, or is for.
    """
    parser = argparse.ArgumentParser(description=about.split('\n')[0])
    rename = {'action': 'append', 'default': []}
    add_options(parser, OPTIONS, rename=rename)
    add_trust_option(parser)
    args = parser.parse_args()
    with trust_checkpoints(args.trust_checkpoint):
        official.convert_file(args.src, args.dst, args.reverse, args.rename)
