"""What is special about DINOv2: other patches and grids, and ONNX files."""

import os

import torch
import torch.nn.functional as F
from torch import Tensor


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
    theirs, ours = (
        round((d[positions].shape[1] - 1) ** 0.5) for d in (found, own)
    )
    if theirs != ours:
        first, grid = found[positions].float().split([1, theirs**2], dim=1)
        grid = F.interpolate(
            grid.mT.unflatten(2, (theirs, theirs)),
            (ours, ours),
            mode='bicubic',
            antialias=True,
        )
        found[positions] = torch.cat([first, grid.flatten(2).mT], dim=1)


def read_onnx(path: str | os.PathLike) -> dict:
    """Read the named weights of a network that torch exported to ONNX.

    The exporter transposes the weights of linear layers and takes their names
    away: each gets the name of the bias that is added to its product. What is
    left without a name and has three dimensions are the positions of DINOv2,
    of the class token and of the patches.

    Raises:
        ImportError: If onnx is not installed.
        ValueError: If it is no such file.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            f'{path}: reading ONNX files needs onnx. Install it by '
            '"pip install onnx".'
        ) from error
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
        arrays = {
            tensor.name: torch.tensor(onnx.numpy_helper.to_array(tensor))
            for tensor in graph.initializer
        }
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
        weights['backbone.embeddings.position_embeddings'] = torch.cat(
            positions, dim=1
        )
    return weights
