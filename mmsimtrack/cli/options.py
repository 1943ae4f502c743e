"""Options of the command line that several tools have, and their types.

Nothing heavy is imported before an option needs it.
"""

import argparse
import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click

# names of settings that are paths
PATHS = 'data_root work_dir load_from ann_file data_prefix list_file frames'
PATHS = (*PATHS.split(), 'boxes', 'checkpoint', 'results_dir', 'out_dir')


class BadValue(click.BadParameter, argparse.ArgumentTypeError):
    """A value that an option refuses, whichever library reads the option."""


def make_parser(description: str) -> argparse.ArgumentParser:
    """Make the parser of a tool; `--help` shows the text as it is."""
    return argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawTextHelpFormatter,
    )


def add_options(
    parser: argparse.ArgumentParser, options: dict[str, str], **about: dict
) -> None:
    """Add arguments that a table describes.

    Args:
        parser: Parser, or group of one, to add to.
        options: Help by flag and name of the value, such as `--work-dir DIR`;
            an option without a value is a switch.
        **about: What else `add_argument` should know, by name.
    """
    for text, help_ in options.items():
        flag, _, metavar = text.partition(' ')
        kind = about.get(flag.strip('-').replace('-', '_'), {})
        if metavar:
            kind = {'metavar': metavar, **kind}
        elif flag[0] == '-':
            kind = kind or {'action': 'store_true'}
        parser.add_argument(flag, help=help_, **kind)


def click_options(options: dict[str, str], **about: dict) -> Callable:
    """Add options that a table describes to a command of click.

    Args:
        options: See `add_options`. A switch `--no-x` turns `x` off.
        **about: What else `click.option` should know, by name; `name` is
            another name of the argument of the command.
    """

    def add(command: Callable) -> Callable:
        for text, help_ in reversed(options.items()):
            flag, _, metavar = text.partition(' ')
            name = flag[2:].replace('-', '_')
            kind = {'metavar': metavar} if metavar else {'is_flag': True}
            if flag.startswith('--no-'):
                kind = {'name': name[3:], 'flag_value': False, 'default': True}
            kind |= {'help': help_, **about.get(name, {})}
            kind.setdefault(
                'show_default', 'default' in kind and bool(metavar)
            )
            option = click.option(flag, kind.pop('name', name), **kind)
            command = option(command)
        return command

    return add


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing have in common."""
    add_cfg_options(parser)
    kind = {'choices': ['none', 'pytorch', 'slurm', 'mpi'], 'default': 'none'}
    parser.add_argument('--launcher', help='what starts processes', **kind)
    add_trust_option(parser)
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='only check the config, and that the data sets are there',
    )
    # what older versions of torch's launcher pass
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add the option of everything that reads a config."""
    from mmengine.config import DictAction

    class Settings(DictAction):
        def __call__(self, parser, namespace, values, option=None) -> None:
            for value in values:
                if not value.partition('=')[0] or '=' not in value:
                    parser.error(f'{option}: found {value!r}, not key=value')
            super().__call__(parser, namespace, values, option)
            found = getattr(namespace, self.dest)
            for key, _, text in (value.partition('=') for value in values):
                # a path is one text, with commas or digits alone
                if key.rpartition('.')[2] in PATHS and found[key] is not None:
                    found[key] = text.strip('\'"')

    text = 'change settings of the config: key=value, nested keys with dots, '
    kind = {'nargs': '+', 'action': Settings, 'default': {}}
    add_options(
        parser,
        {'--cfg-options KEY=VALUE': text + "lists as key='[a,b]'"},
        cfg_options=kind,
    )


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    """Add the option of everything that reads checkpoints."""
    text = 'allow Python objects in checkpoints; loading them can run code in '
    add_options(parser, {'--trust-checkpoint': text + 'the file'})


def expects(expected: str) -> Callable:
    """Let a function that reads an option say what it expects.

    Its `ValueError` becomes a `BadValue`.
    """

    def decorate(read: Callable) -> Callable:
        @wraps(read)
        def parse(text: str):
            try:
                return read(text)
            except ValueError:
                message = f'found {text!r}, expected {expected}'
                raise BadValue(message) from None

        return parse

    return decorate


@expects('four numbers x,y,w,h in pixels, such as 204,150,17,50')
def parse_bbox(text: str) -> list[float]:
    """Read finite numbers x,y,w,h in pixels, w and h above 0 -> xyxy."""
    x, y, w, h = map(float, text.split(','))
    if not all(map(math.isfinite, (x, y, w, h))) or w <= 0 or h <= 0:
        raise BadValue(
            f'found {text!r}, expected finite numbers x,y,w,h with a width '
            'and a height above 0'
        )
    return [x, y, x + w, y + h]


def parse_source(text: str) -> str | int:
    """Read a number as a camera, unless a file or folder has that name."""
    return int(text) if text.isdigit() and not Path(text).exists() else text


@expects('an image file such as attention.png')
def parse_image(text: str) -> str:
    """Check that OpenCV can write images with the ending of a path."""
    import cv2

    if not cv2.haveImageWriter(text):
        raise ValueError
    return text


@expects('whole numbers between commas, such as 2,4,6')
def parse_numbers(text: str) -> list[int]:
    """Read whole numbers between commas."""
    return [int(number) for number in text.split(',')]


def at_least(
    least: float, below: float = math.inf, kind: type = int
) -> Callable[[str], float]:
    """Make the type of an option: a number from `least` on."""

    @expects(f'a {"whole " * (kind is int)}number >= {least}')
    def parse(text: str) -> float:
        if not least <= kind(text) < below:
            limit = f' and < {below}' if below < math.inf else ''
            raise BadValue(f'found {text}, expected >= {least}{limit}')
        return kind(text)

    return parse
