"""CLIP's vision transformers: the names of their weights, and loading them."""

import hashlib
import os
import re
from pathlib import Path

import torch
from mmengine.dist import barrier, get_rank
from mmengine.runner import CheckpointLoader
from torch import Tensor


def clip_vit_names(num_layers: int) -> dict[str, str]:
    """Names of CLIP's ViT -> names of mmpretrain's, without prefixes.

    `proj`, the projection into the space of texts, has no counterpart.
    """
    names = {
        'class_embedding': 'cls_token',
        'positional_embedding': 'pos_embed',
        'conv1.weight': 'patch_embed.projection.weight',
    }
    modules = {'ln_pre': 'pre_norm', 'ln_post': 'ln1'}
    for i in range(num_layers):
        clip, ours = f'transformer.resblocks.{i}', f'layers.{i}'
        modules[f'{clip}.ln_1'] = f'{ours}.ln1'
        modules[f'{clip}.ln_2'] = f'{ours}.ln2'
        modules[f'{clip}.attn.out_proj'] = f'{ours}.attn.proj'
        modules[f'{clip}.mlp.c_fc'] = f'{ours}.ffn.layers.0.0'
        modules[f'{clip}.mlp.c_proj'] = f'{ours}.ffn.layers.1'
        for part in ('weight', 'bias'):
            names[f'{clip}.attn.in_proj_{part}'] = f'{ours}.attn.qkv.{part}'
    for clip, ours in modules.items():
        for part in ('weight', 'bias'):
            names[f'{clip}.{part}'] = f'{ours}.{part}'
    return names


def count_layers(keys, pattern: str) -> int:
    """Number of transformer layers that keys speak of.

    Args:
        keys: Names of weights.
        pattern: Regular expression whose first group is a layer's number.
    """
    found = (re.match(pattern, key) for key in keys)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def check_keys(found: set, expected: set, path: str, network: str) -> None:
    """Refuse a checkpoint with a key too many or too few, by name.

    Raises:
        KeyError: If the sets differ.
    """
    missing, unknown = sorted(expected - found), sorted(found - expected)
    if missing or unknown:
        raise KeyError(
            f'{path} does not hold {network}: missing {missing}, unknown '
            f'{unknown}. Expected exactly the {len(expected)} keys of a '
            'network with this many layers; was the file cut, or does it '
            'belong to another network?'
        )


def convert_clip(weights: dict[str, Tensor], path: str) -> dict[str, Tensor]:
    """State dict of CLIP -> state dict of its ViT as `JointViT` names it.

    Raises:
        KeyError: If a weight of the ViT is missing or unknown.
    """
    prefix = 'visual.'
    visual = {
        name.removeprefix(prefix): tensor.float()
        for name, tensor in weights.items()
        if name.startswith(prefix) and name != 'visual.proj'
    }
    names = clip_vit_names(
        count_layers(visual, r'transformer\.resblocks\.(\d+)')
    )
    check_keys(set(visual), set(names), path, "CLIP's vision transformer")
    ours = {names[name]: tensor for name, tensor in visual.items()}
    ours['cls_token'] = ours['cls_token'].reshape(1, 1, -1)
    ours['pos_embed'] = ours['pos_embed'].unsqueeze(0)
    return ours


@CheckpointLoader.register_scheme(prefixes=r'clip\+https?://')
def load_clip(url: str, map_location=None) -> dict:
    """Load an original CLIP archive: `clip+https://.../<sha256>/<file>`.

    The archive is TorchScript, which mmengine's loaders do not read. It is
    kept in torch's hub folder, and its hash is checked at every use.

    Args:
        url: Address with the prefix `clip+`.
        map_location: Of `torch.jit.load`.

    Returns:
        `state_dict`, in the names of `JointViT`, float32.

    Raises:
        ValueError: If the address names no sha256, or the file has another.
        KeyError: If a weight of the ViT is missing or unknown.
    """
    url = url.removeprefix('clip+')
    sha256 = re.search(r'/([0-9a-f]{64})/', url)
    if sha256 is None:
        raise ValueError(
            f'{url} names no sha256. Expected an address of CLIP, in which '
            'the folder of the file is its sha256.'
        )
    path = Path(torch.hub.get_dir(), 'checkpoints', sha256[1][:8])
    path = path / os.path.basename(url)
    if get_rank() == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            torch.hub.download_url_to_file(url, str(path), sha256[1])
        _check_sha256(path, sha256[1])
    barrier()
    archive = torch.jit.load(str(path), map_location=map_location or 'cpu')
    return {'state_dict': convert_clip(archive.state_dict(), str(path))}


def _check_sha256(path: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    found = digest.hexdigest()
    if found != expected:
        raise ValueError(
            f'{path} has sha256 {found}, expected {expected}. Delete the file '
            'to download it again.'
        )
