"""Options of the command line that several tools have, and their types.

Nothing heavy is imported before an option needs it.
"""

import argparse
import math
from pathlib import Path

# names of settings that are paths
PATHS = 'data_root work_dir load_from ann_file data_prefix list_file frames'
PATHS = (*PATHS.split(), 'boxes', 'checkpoint', 'results_dir', 'out_dir')


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing have in common."""
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what starts the processes',
    )
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

    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Settings,
        default={},
        help='change settings of the config: key=value, nested keys with '
        "dots, lists as key='[a,b]'",
    )


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    """Add the option of everything that reads checkpoints."""
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='allow Python objects in checkpoints; loading them can run code '
        'in the file',
    )


def parse_bbox(text: str) -> list[float]:
    """Read four numbers x,y,w,h in pixels -> xyxy."""
    try:
        x, y, w, h = (float(value) for value in text.split(','))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'found {text!r}, expected four numbers x,y,w,h in pixels, such '
            'as 204,150,17,50'
        ) from None
    if not all(map(math.isfinite, (x, y, w, h))) or w <= 0 or h <= 0:
        raise argparse.ArgumentTypeError(
            f'found {text!r}, expected finite numbers x,y,w,h with a width '
            'and a height above 0'
        )
    return [x, y, x + w, y + h]


def parse_source(text: str) -> str | int:
    """Read a number as a camera, unless a file or folder has that name."""
    return int(text) if text.isdigit() and not Path(text).exists() else text


def parse_image(text: str) -> str:
    """Check that OpenCV can write images with the ending of a path."""
    import cv2

    if not cv2.haveImageWriter(text):
        raise argparse.ArgumentTypeError(
            f'found {text!r}, expected an image file such as attention.png'
        )
    return text


def parse_numbers(text: str) -> list[int]:
    """Read whole numbers between commas."""
    try:
        return [int(number) for number in text.split(',')]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'found {text!r}, expected whole numbers between commas, such as '
            '2,4,6'
        ) from None
