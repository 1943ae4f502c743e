"""Draw the training pairs of a config, as the network will see them.

    python tools/analysis_tools/browse_pairs.py CONFIG

Exemplar and search crop of each pair, augmented and not yet normalized, with
the boxes that belong to them.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmsimtrack.cli.main import run_tool
from mmsimtrack.cli.options import (
    add_cfg_options,
    at_least,
    make_parser,
    parse_image,
)
from mmsimtrack.cli.settings import read_settings
from mmsimtrack.datasets import PairDataset, fill_pairs
from mmsimtrack.registry import DATASETS, MODELS
from mmsimtrack.visualization import SOTVisualizer, contact_sheet, write_image
from mmsimtrack.visualization.attention import draw_exemplar, text_bar

GAP = 6  # white, right of and below a pair, in pixels
OUTLINE = (255, 0, 255)
LEGEND = (
    'green: target (left: input, right: ground truth); yellow: foveal window; '
    'magenta: its outline; frames count from 0'
)


def build_pairs(cfg: Config) -> PairDataset:
    """Build the training pairs of a config, but do not pack them.

    Raises:
        KeyError: If it has none.
    """
    dataset = cfg.get('train_dataloader', {}).get('dataset', {})
    if dataset.get('type') != 'PairDataset':
        raise KeyError(
            f'{cfg.filename}: train_dataloader.dataset.type is '
            f'{dataset.get("type")!r}, expected PairDataset. Give a config '
            'that trains.'
        )
    pairs = DATASETS.build(fill_pairs(dataset, cfg.model))
    pairs.transforms.pop()
    return pairs


def draw_pair(pair: dict, backbone: nn.Module, side: int) -> np.ndarray:
    """Draw one pair, with a line of text above.

    Args:
        pair: What `PairDataset` gives, not packed yet.
        backbone: Backbone of the model; it knows the foveal window.
        side: Side of a crop in the picture, in pixels.

    Returns:
        (side + 18 + 6, 2 * (side + 6), 3) RGB uint8.
    """
    bbox = pair['exemplar_bbox']
    exemplar = draw_exemplar(pair['exemplar'], bbox, backbone, side)
    search = cv2.resize(pair['search'], (side, side))
    gt = pair['search_bbox'] * side
    search = SOTVisualizer.draw_frame(search, gt_bbox=gt)
    polygons = [np.round(side * p) for p in pair.get('search_outline', ())]
    polygons = [polygon.astype(np.int32) for polygon in polygons]
    cv2.polylines(search, polygons, True, OUTLINE)
    first, second = pair['frames']
    about = f'{pair["folder"]}: {pair["sequence"]}  frames {first}, {second}'
    bar = text_bar(f'{about}  key {pair["key"]}', 2 * (side + GAP))
    views = np.stack([exemplar, search])
    border = ((0, 0), (0, GAP), (0, GAP), (0, 0))
    views = np.pad(views, border, constant_values=255)
    return np.concatenate([bar, np.hstack(views)])


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add('config', help='config file')
    for name, value, text in (
        ('--num', 16, 'how many pairs'),
        ('--side', 224, 'side of a crop in the picture'),
        ('--columns', 3, 'pairs in a row'),
    ):
        text = f'{text} (default: {value})'
        add(name, type=at_least(1), default=value, help=text)
    text = (
        'draw the pairs (seed, K), (seed, K + 1), ...; the seed is that of '
        'the config (default: 0, the first of the training)'
    )
    add('--first-key', type=int, default=0, metavar='K', help=text)
    text = 'picture to write (default: pairs.png)'
    add('--out', type=parse_image, default='pairs.png', help=text)
    text = 'write a picture per pair to this folder instead: <k>.png'
    add('--show-dir', type=Path, help=text)
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    """Write the pictures."""
    args = parse_args()
    cfg = read_settings(args.config, args.cfg_options)
    init_default_scope('mmsimtrack')
    pairs = build_pairs(cfg)
    backbone = MODELS.build(cfg.model.backbone)  # loads no weights
    pictures = {}
    for k in range(args.first_key, args.first_key + args.num):
        pair = pairs[cfg.randomness.seed, k]
        pictures[k] = draw_pair(pair, backbone, args.side)
    if args.show_dir is None:
        columns, width = min(args.columns, args.num), 2 * (args.side + GAP)
        sheet = contact_sheet(pictures.values(), columns, width)
        bar = text_bar(LEGEND, sheet.shape[1])
        write_image(args.out, np.concatenate([sheet, bar]))
    else:
        for k, picture in pictures.items():
            write_image(args.show_dir / f'{k}.png', picture)
    print(f'Drew {args.num} pairs to {args.show_dir or args.out}.')


if __name__ == '__main__':
    run_tool(main)
