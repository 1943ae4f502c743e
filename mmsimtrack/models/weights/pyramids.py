"""Swin, PVT and ResNet of other projects -> names of mmpretrain and mmdet."""

import torch
from torch import Tensor

from mmsimtrack.models.weights.keys import (
    NORM_PARTS,
    PARTS,
    check_keys,
    numbered,
    unwrap,
    with_parts,
    without,
)


def swin_names(depths: list[int]) -> dict[str, str]:
    """Names of Microsoft's Swin -> names of mmpretrain's."""
    last = len(depths) - 1
    modules = {
        'patch_embed.proj': 'patch_embed.projection',
        'patch_embed.norm': 'patch_embed.norm',
        'norm': f'norm{last}',
    }
    names = {}
    for stage, depth in enumerate(depths):
        for i in range(depth):
            swin = f'layers.{stage}.blocks.{i}'
            ours = f'stages.{stage}.blocks.{i}'
            for norm in ('norm1', 'norm2'):
                modules[f'{swin}.{norm}'] = f'{ours}.{norm}'
            for linear in ('qkv', 'proj'):
                modules[f'{swin}.attn.{linear}'] = (
                    f'{ours}.attn.w_msa.{linear}'
                )
            modules[f'{swin}.mlp.fc1'] = f'{ours}.ffn.layers.0.0'
            modules[f'{swin}.mlp.fc2'] = f'{ours}.ffn.layers.1'
            table = 'relative_position_bias_table'
            names[f'{swin}.attn.{table}'] = f'{ours}.attn.w_msa.{table}'
        if stage < last:
            merging = f'{stage}.downsample'
            modules[f'layers.{merging}.norm'] = f'stages.{merging}.norm'
            names[f'layers.{merging}.reduction.weight'] = (
                f'stages.{merging}.reduction.weight'
            )
    return names | dict(with_parts(modules))


def convert_swin(checkpoint: dict, path: str) -> dict[str, Tensor]:
    """Swin as Microsoft publishes it.

    Left out are the classifier and the masks of the shifted windows.

    Raises:
        KeyError: If a weight is missing or unknown.
    """
    weights = unwrap(checkpoint, path, ('model', 'state_dict'))
    weights = {
        name: tensor
        for name, tensor in without(weights, ('head.',)).items()
        if not name.endswith('.attn_mask')
    }
    depths = [
        numbered(weights, rf'layers\.{stage}\.blocks\.(\d+)\.')
        for stage in range(numbered(weights, r'layers\.(\d+)\.'))
    ]
    names = swin_names(depths)
    # newer files have no index, which follows from the size of the windows
    table, index = 'relative_position_bias_table', 'relative_position_index'
    indices = {
        theirs.replace(table, index): ours.replace(table, index)
        for theirs, ours in names.items()
        if theirs.endswith(table)
    }
    check_keys(weights, names, path, "Microsoft's Swin", indices)
    names |= indices
    return {
        names[name]: _merge_order(tensor) if '.downsample.' in name else tensor
        for name, tensor in weights.items()
    }


def _merge_order(tensor: Tensor) -> Tensor:
    """Reorder the 4 C channels of a patch merging, its last dimension.

    Microsoft concatenates the four patches column by column; mmpretrain
    unfolds them row by row, and with the patch as the faster index.
    """
    grid = tensor.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :]
    return grid.transpose(-1, -2).flatten(-2)


def pvt_names(depths: list[int], reduced: list[bool]) -> dict[str, str]:
    """Names of the original PVT -> names of mmdet's.

    `attn.q` and `attn.kv` have one name here, `attn.in_proj`.

    Args:
        depths: Number of blocks of each stage.
        reduced: Whether a stage has spatial reduction.
    """
    modules, names = {}, {}
    for stage, depth in enumerate(depths):
        pvt, ours = f'patch_embed{stage + 1}', f'layers.{stage}.0'
        modules[f'{pvt}.proj'] = f'{ours}.projection'
        modules[f'{pvt}.norm'] = f'{ours}.norm'
        names[f'pos_embed{stage + 1}'] = f'layers.{stage}.1.0.pos_embed'
        for i in range(depth):
            # the position comes first in mmdet's list of a stage
            pvt, ours = f'block{stage + 1}.{i}', f'layers.{stage}.1.{i + 1}'
            inner = {'norm1': 'norm1', 'norm2': 'norm2'}
            inner |= {'mlp.fc1': 'ffn.layers.0', 'mlp.fc2': 'ffn.layers.3'}
            inner['attn.proj'] = 'attn.attn.out_proj'
            if reduced[stage]:
                inner |= {'attn.sr': 'attn.sr', 'attn.norm': 'attn.norm'}
            for theirs, mine in inner.items():
                modules[f'{pvt}.{theirs}'] = f'{ours}.{mine}'
            for name in PARTS:
                names[f'{pvt}.attn.in_proj.{name}'] = (
                    f'{ours}.attn.attn.in_proj_{name}'
                )
    return names | dict(with_parts(modules))


def convert_pvt(checkpoint: dict, path: str) -> dict[str, Tensor]:
    """PVT (version 1) as its authors publish it.

    Left out are the class token with its position, and the classifier.

    Raises:
        KeyError: If a weight is missing or unknown.
    """
    weights = unwrap(checkpoint, path, ('model', 'state_dict'))
    with_class = 'cls_token' in weights
    weights = without(weights, ('cls_token', 'norm.', 'head.'))
    stages = numbered(weights, r'patch_embed(\d+)\.') - 1  # from 1
    depths = [
        numbered(weights, rf'block{stage}\.(\d+)\.')
        for stage in range(1, stages + 1)
    ]
    reduced = [
        any(
            name.startswith(f'block{stage}.') and '.attn.sr.' in name
            for name in weights
        )
        for stage in range(1, stages + 1)
    ]
    names = pvt_names(depths, reduced)
    check_keys(weights, _split_qkv(names), path, 'PVT')
    if with_class:
        last = f'pos_embed{stages}'
        weights[last] = weights[last][:, 1:]
    ours = {}
    for name, mine in names.items():
        if name in weights:
            tensor = weights[name]
        else:
            q, kv = _split_qkv([name])
            tensor = torch.cat([weights[q], weights[kv]])
        if '.mlp.' in name and name.endswith('.weight'):
            tensor = tensor[..., None, None]  # a 1 x 1 convolution
        ours[mine] = tensor
    return ours


def _split_qkv(names) -> list[str]:
    """`attn.in_proj` -> `attn.q` and `attn.kv`, as in the file."""
    split = []
    for name in names:
        split += (
            [name]
            if '.in_proj.' not in name
            else [
                name.replace('.in_proj.', '.q.'),
                name.replace('.in_proj.', '.kv.'),
            ]
        )
    return split


def resnet_names(depths: list[int], convs: int) -> list[str]:
    """Names of a ResNet without its last stage; mmpretrain's are the same.

    Args:
        depths: Number of blocks of each stage.
        convs: Convolutions of a block: 3 in bottlenecks, 2 otherwise.
    """
    names = ['conv1.weight', *(f'bn1.{p}' for p in NORM_PARTS)]
    for stage, depth in enumerate(depths, 1):
        for i in range(depth):
            block = f'layer{stage}.{i}'
            pairs = [(f'conv{n}', f'bn{n}') for n in range(1, convs + 1)]
            # basic blocks of the first stage keep size and channels
            if i == 0 and (convs == 3 or stage > 1):
                pairs.append(('downsample.0', 'downsample.1'))
            for conv, norm in pairs:
                names.append(f'{block}.{conv}.weight')
                names += [f'{block}.{norm}.{p}' for p in NORM_PARTS]
    return names


def convert_torchvision(checkpoint: dict, path: str) -> dict[str, Tensor]:
    """ResNet as torchvision publishes it.

    Left out are the classifier and the fourth stage: trackers use three.

    Raises:
        KeyError: If a weight is missing or unknown.
    """
    weights = unwrap(checkpoint, path, ('state_dict',))
    weights = without(weights, ('layer4.', 'fc.'))
    names = resnet_names(
        [numbered(weights, rf'layer{s}\.(\d+)\.') for s in (1, 2, 3)],
        convs=3 if 'layer1.0.conv3.weight' in weights else 2,
    )
    # the oldest files have no counters; nothing depends on them
    counters = {
        name.replace('running_mean', 'num_batches_tracked') for name in names
    }
    check_keys(weights, names, path, "torchvision's ResNet", counters)
    return weights
