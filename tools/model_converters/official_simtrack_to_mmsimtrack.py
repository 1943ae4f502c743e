"""Convert weights between the official SimTrack code and mmsimtrack.

    python tools/model_converters/official_simtrack_to_mmsimtrack.py \
        SRC.pth DST.pth [--reverse]

Every key must map and none may be missing: a file with a key too many or too
few is refused by name. CLIP's output projection has no place in our model; it
is kept under `meta['unused']` and restored by `--reverse`.
"""

import argparse
from pathlib import Path

import torch

from mmsimtrack.fileio import replace_atomically
from mmsimtrack.models.weights import (
    check_keys,
    clip_vit_names,
    numbered,
    read_checkpoint,
    trust_checkpoints,
    unwrap,
)

NETWORK = 'a SimTrack network'
UNUSED = 'backbone.visual.proj'
# our shape of the tensors whose layout differs, given the official tensor
OUR_SHAPES = {
    'backbone.visual.class_embedding': lambda t: (1, 1, -1),
    'backbone.visual.positional_embedding': lambda t: (1, *t.shape),
    'bottleneck.weight': lambda t: (*t.shape, 1, 1),
}
OFFICIAL_SHAPES = {
    'backbone.visual.class_embedding': lambda t: (-1,),
    'backbone.visual.positional_embedding': lambda t: t.shape[1:],
    'bottleneck.weight': lambda t: t.shape[:2],
}


def simtrack_names(num_layers: int) -> dict[str, str]:
    """Names of the official SimTrack -> our names, all of them."""
    names = {
        f'backbone.visual.{official}': f'backbone.{ours}'
        for official, ours in clip_vit_names(num_layers).items()
    }
    modules = {'bottleneck': 'head.bottleneck'}
    for i in (0, 2):
        modules[f'backbone.pos_fc.{i}'] = (
            f'backbone.tokenizer.position.fcs.{i}'
        )
    parts = ('weight', 'bias')
    norm_parts = (*parts, 'running_mean', 'running_var', 'num_batches_tracked')
    for short, ours in (('tl', 'top_left'), ('br', 'bottom_right')):
        for block in range(4):  # convolution, normalization, ReLU
            official = f'box_head.conv{block + 1}_{short}'
            modules[f'{official}.0'] = f'head.{ours}.{3 * block}'
            for part in norm_parts:
                name = f'head.{ours}.{3 * block + 1}.{part}'
                names[f'{official}.1.{part}'] = name
        modules[f'box_head.conv5_{short}'] = f'head.{ours}.12'
    for official, ours in modules.items():
        names.update({f'{official}.{p}': f'{ours}.{p}' for p in parts})
    return names


def to_ours(official: dict, path) -> tuple[dict, dict]:
    """Official state dict -> our state dict, and what we have no use for."""
    unused = {UNUSED: official[UNUSED]} if UNUSED in official else {}
    weights = {k: v for k, v in official.items() if k != UNUSED}
    names = simtrack_names(
        numbered(weights, r'backbone\.visual\.transformer\.resblocks\.(\d+)\.')
    )
    check_keys(set(weights), set(names), path, NETWORK)
    return _rename(weights, names, OUR_SHAPES), unused


def to_official(ours: dict, unused: dict, path) -> dict:
    """Our state dict -> official state dict; the inverse of `to_ours`.

    Raises:
        KeyError: If a key is missing or unknown, also among the unused ones.
    """
    check_keys(unused, (), path, 'what our network has no use for', [UNUSED])
    names = simtrack_names(numbered(ours, r'backbone\.layers\.(\d+)\.'))
    check_keys(set(ours), set(names.values()), path, NETWORK)
    back = {mine: official for official, mine in names.items()}
    weights = {back[name]: tensor for name, tensor in ours.items()}
    same = {name: name for name in weights}
    return _rename(weights, same, OFFICIAL_SHAPES) | unused


def _rename(weights: dict, names: dict, shapes: dict) -> dict:
    return {
        names[name]: tensor.reshape(shapes[name](tensor))
        if name in shapes
        else tensor
        for name, tensor in weights.items()
    }


def main() -> None:
    """Convert one file."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('src', help='checkpoint to read')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument(
        '--reverse', action='store_true', help='from mmsimtrack to official'
    )
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='allow Python objects in SRC; loading them can run code in it',
    )
    args = parser.parse_args()
    with trust_checkpoints(args.trust_checkpoint):
        checkpoint = read_checkpoint(args.src)
    weights = unwrap(checkpoint, args.src, ('net', 'state_dict'))
    if args.reverse:
        unused = checkpoint.get('meta', {}).get('unused', {})
        result = {'net': to_official(weights, unused, args.src)}
        if not unused:
            print(f'{UNUSED} is not in {args.src}, so it is left out.')
    else:
        weights, unused = to_ours(weights, args.src)
        result = {'state_dict': weights, 'meta': {'unused': unused}}
    Path(args.dst).parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(args.dst) as temporary:
        torch.save(result, temporary)
    print(f'Converted {len(weights)} tensors: {args.src} -> {args.dst}')


if __name__ == '__main__':
    main()
