"""ViTs and Swins of mmpretrain's model zoo: names that are ours already."""

import re

from torch import Tensor

from mmsimtrack.models.weights.keys import (
    check_keys,
    numbered,
    part,
    unwrap,
    without,
)
from mmsimtrack.models.weights.pyramids import swin_names
from mmsimtrack.models.weights.vit import timm_vit_names

# classifiers and the other parts of MAE and MoCo-v3
OTHERS = (
    'head.',
    'neck.',
    'momentum_encoder.',
    'target_generator.',
    'data_preprocessor.',
)
INDEX = 'relative_position_index'


def convert_mmpretrain(checkpoint: dict, path: str) -> dict[str, Tensor]:
    """ViT or Swin in a checkpoint of mmpretrain, without its head.

    Raises:
        KeyError: If a weight is missing or unknown.
    """
    weights = unwrap(checkpoint, path, ('state_dict',))
    weights = without(part(weights, 'backbone.', path, OTHERS), OTHERS)
    if any(name.startswith('stages.') for name in weights):
        return _check_swin(weights, path)
    names = timm_vit_names(
        numbered(weights, r'layers\.(\d+)\.'),
        pre_norm=any(name.startswith('pre_norm.') for name in weights),
    )
    check_keys(weights, names.values(), path, "mmpretrain's ViT")
    return weights


def _check_swin(weights: dict[str, Tensor], path: str) -> dict[str, Tensor]:
    depths = [
        numbered(weights, rf'stages\.{stage}\.blocks\.(\d+)\.')
        for stage in range(numbered(weights, r'stages\.(\d+)\.'))
    ]
    # older files hold masks, and have no number at the final norm
    weights = {
        re.sub(r'^norm\.', f'norm{len(depths) - 1}.', name): tensor
        for name, tensor in weights.items()
        if not name.endswith('.attn_mask')
    }
    names = swin_names(depths).values()
    table = 'relative_position_bias_table'
    indices = [n.replace(table, INDEX) for n in names if n.endswith(table)]
    check_keys(weights, names, path, "mmpretrain's Swin", indices)
    return weights
