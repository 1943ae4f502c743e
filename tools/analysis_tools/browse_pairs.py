"""Draw the training pairs of a config, as the network will see them.

    python tools/analysis_tools/browse_pairs.py CONFIG

Exemplar and search crop of each pair, augmented and not yet normalized, with
the boxes that belong to them.
"""

import argparse
import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmsimtrack.cli.options import (
    add_cfg_options,
    at_least,
    make_parser,
    parse_image,
)
from mmsimtrack.cli.settings import read_settings
from mmsimtrack.datasets import PairDataset, VideoSequence, fill_pairs
from mmsimtrack.models.tokenizers import patch_boxes, target_ratio
from mmsimtrack.registry import MODELS
from mmsimtrack.visualization import SOTVisualizer, contact_sheet, write_image
from mmsimtrack.visualization.attention import draw_exemplar, text_bar

GAP = 6  # white, right of and below a pair, in pixels
SHADE = (64, 160, 255)
OUTLINE = (255, 0, 255)
LEGEND = (
    'green: target (left: input, right: ground truth); yellow: foveal window; '
    'magenta: its outline; frames count from 0'
)
LEGEND_PATCHES = '; blue: share R of a patch that the target covers, Eq. (7)'


class WatchedPairs(PairDataset):
    """A `PairDataset` that remembers where its last pair came from."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.transforms.insert(-1, self.remember)  # before it is packed

    def remember(self, pair: dict) -> dict:
        """Keep the outline of the target, if it has one."""
        self.last_outline = pair.get('search_outline', ())
        return pair

    def cut(self, sequence: VideoSequence, *args) -> dict | None:
        """Cut as `PairDataset` does."""
        self.last_sequence = sequence
        return super().cut(sequence, *args)

    def last_dataset(self) -> str:
        """Name the data set that the last pair came from."""
        path = self.last_sequence.frame_template
        roots = {osp.join(x.data_root, ''): x for x in self.datasets}
        # of nested folders, the inner one
        inner = max(filter(path.startswith, roots), key=len, default=None)
        if inner is None:
            return ''
        return type(roots[inner]).__name__.removesuffix('Dataset')


def build_pairs(cfg: Config) -> WatchedPairs:
    """Build the training pairs of a config.

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
    arguments = dict(fill_pairs(dataset, cfg.model))
    arguments.pop('type')
    return WatchedPairs(**arguments)


def shade_patches(
    exemplar: np.ndarray, bbox: torch.Tensor, patch: int
) -> np.ndarray:
    """Draw the patches of an exemplar, the bluer the more target they hold.

    Args:
        exemplar: Crop, (S, S, 3) RGB uint8.
        bbox: (4,) xyxy of the target in its unit square.
        patch: Side of a patch in pixels of the crop.

    Returns:
        (S, S, 3) RGB uint8.
    """
    picture, size = exemplar.copy(), len(exemplar)
    patches = patch_boxes(0, size // patch, patch, size, bbox)
    ratios = target_ratio(patches, bbox[None])[0].tolist()
    corners = (patches * size).round().int().tolist()
    for (x1, y1, x2, y2), ratio in zip(corners, ratios):
        region = picture[y1:y2, x1:x2]
        weight = 0.5 * ratio  # the crop stays visible
        region[:] = (1 - weight) * region + weight * np.array(SHADE)
        cv2.rectangle(picture, (x1, y1), (x2, y2), (200, 200, 200))
    return picture


def draw_pair(
    pair: dict,
    dataset: str,
    backbone: nn.Module,
    patch: int,
    side: int,
    outline: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Draw one packed pair, with a line of text above.

    Args:
        pair: What `PairDataset` gives.
        dataset: Name of the data set.
        backbone: Backbone of the model; it knows the foveal window.
        patch: Side of a patch in pixels to show the patches; 0 hides them.
        side: Side of a crop in the picture, in pixels.
        outline: Polygons (P, 2) of the target in the search crop, in its unit
            square.

    Returns:
        (side + 18 + 6, 2 * (side + 6), 3) RGB uint8.
    """
    inputs, sample = pair['inputs'], pair['data_samples']
    exemplar, search = (
        # (3, S, S) -> (S, S, 3)
        inputs[view].permute(1, 2, 0).numpy().copy()
        for view in ('exemplar', 'search')
    )
    bbox = inputs['exemplar_bbox']
    if patch:
        exemplar = shade_patches(exemplar, bbox, patch)
    exemplar = draw_exemplar(exemplar, bbox.numpy(), backbone, side)
    search = SOTVisualizer.draw_frame(
        cv2.resize(search, (side, side)),
        gt_bbox=sample.gt_instances.bboxes[0].numpy() * side,
    )
    polygons = [np.round(side * p).astype(np.int32) for p in outline]
    cv2.polylines(search, polygons, True, OUTLINE)
    (first, second), key = sample.frames, tuple(sample.key)
    about = f'{dataset} {sample.sequence}  frames {first}, {second}  key {key}'
    bar = text_bar(about, 2 * (side + GAP))
    views = np.stack([exemplar, search])
    border = ((0, 0), (0, GAP), (0, GAP), (0, 0))
    views = np.pad(views, border, constant_values=255)
    return np.concatenate([bar, np.hstack(views)])


def patch_size(backbone: nn.Module) -> int:
    """Ask for the side of a patch whose ratio R the model uses, in pixels.

    Raises:
        ValueError: If the model has no such patches.
    """
    tokenizer = getattr(backbone, 'tokenizer', None)
    if not getattr(tokenizer, 'target_position', False):
        raise ValueError(
            f'--patches: found {type(backbone).__name__} without a '
            'FovealTokenizer with target_position, expected a JointViT that '
            'uses the ratio R of Eq. (7). Leave the option out.'
        )
    return tokenizer.patch_size


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
    text = 'show the patches of the exemplar and how much target they hold'
    add('--patches', action='store_true', help=text)
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    """Write the pictures."""
    args = parse_args()
    cfg = read_settings(args.config, args.cfg_options)
    init_default_scope('mmsimtrack')
    pairs = build_pairs(cfg)
    backbone = MODELS.build(cfg.model.backbone)  # loads no weights
    patch = patch_size(backbone) if args.patches else 0
    pictures = {}
    for k in range(args.first_key, args.first_key + args.num):
        pair = pairs[cfg.randomness.seed, k]
        about = (pairs.last_dataset(), backbone, patch, args.side)
        pictures[k] = draw_pair(pair, *about, pairs.last_outline)
    if args.show_dir is None:
        columns, width = min(args.columns, args.num), 2 * (args.side + GAP)
        sheet = contact_sheet(pictures.values(), columns, width)
        legend = LEGEND + (LEGEND_PATCHES if patch else '')
        bar = text_bar(legend, sheet.shape[1])
        write_image(args.out, np.concatenate([sheet, bar]))
    else:
        for k, picture in pictures.items():
            write_image(args.show_dir / f'{k}.png', picture)
    print(f'Drew {args.num} pairs to {args.show_dir or args.out}.')


if __name__ == '__main__':
    main()
