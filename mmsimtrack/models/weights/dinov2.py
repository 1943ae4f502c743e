"""DINOv2: its patches and grids fitted to ours, and its ONNX files."""

import os
from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from mmsimtrack.optional import need


def fit_dinov2(own: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    """Resize patches and positions of DINOv2 to those of the network.

    Only DINOv2's pre-trained ViT has LayerScale and patches of 14 px. Patches
    that grow must not make larger tokens, so each weight shrinks; positions
    are smoothed where the grid gets coarser, unlike by mmpretrain's hook.
    """
    patch, positions = 'patch_embed.projection.weight', 'pos_embed'
    names = {patch, positions, 'layers.0.attn.gamma1.weight'}
    if not names <= own.keys() or not names <= found.keys():
        return
    size = own[patch].shape[-2:]
    if found[patch].shape[-2:] == (14, 14) != size:
        kernel = F.interpolate(found[patch].float(), size, mode='bicubic')
        found[patch] = kernel * (14 * 14 / size.numel())
    old, new = (isqrt(d[positions].shape[1] - 1) for d in (found, own))
    if old != new:
        first, grid = found[positions].float().split([1, old**2], dim=1)
        grid = grid.mT.unflatten(2, (old, old))
        grid = F.interpolate(grid, (new, new), mode='bicubic', antialias=True)
        found[positions] = torch.cat([first, grid.flatten(2).mT], dim=1)


def read_onnx(path: str | os.PathLike) -> dict:
    """Read the named weights of a network that torch exported to ONNX.

    The exporter transposes the weights of linear layers and takes their names
    away: each gets the name of the bias that is added to its product. Of the
    rest, the nameless tensors of three dimensions are DINOv2's positions of
    the class token and of the patches.

    Raises:
        ImportError: If onnx is not installed.
        ValueError: If it cannot be read, or has its weights elsewhere.
    """
    onnx = need('onnx', f'reading {path}')
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
        read = onnx.numpy_helper.to_array
        arrays = {x.name: torch.tensor(read(x)) for x in graph.initializer}
    except Exception as error:  # no limit to what a broken file can cause
        raise ValueError(
            f'{path} cannot be read as an ONNX file with its weights inside: '
            f'{error}. Download or copy it again.'
        ) from error
    nameless = {x for x in arrays if x.startswith('onnx::')}
    weights = {x: arrays[x] for x in arrays if x not in nameless}
    products = {
        node.output[0]: node.input[1]
        for node in graph.node
        if node.op_type == 'MatMul' and node.input[1] in nameless
    }
    for node in graph.node:
        if node.op_type == 'Add':
            # in either order
            bias, product = sorted(node.input, key=products.__contains__)
            if product in products and bias.endswith('.bias'):
                name = bias.removesuffix('bias') + 'weight'
                weights[name] = arrays[products[product]].T
    positions = [arrays[x] for x in nameless if arrays[x].ndim == 3]
    if positions:
        positions.sort(key=lambda position: position.shape[1])
        name = 'backbone.embeddings.position_embeddings'
        weights[name] = torch.cat(positions, dim=1)
    return weights
