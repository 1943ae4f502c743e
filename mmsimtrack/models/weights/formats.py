"""Checkpoints by address: formats of other projects, and all of them safe."""

import os
import re
from collections.abc import Callable

from mmengine.runner import CheckpointLoader
from torch import Tensor

from mmsimtrack.models.weights.downloads import fetch, split_hash
from mmsimtrack.models.weights.files import (
    SETTINGS,
    read_archive,
    read_checkpoint,
    read_onnx,
    trusted,
)
from mmsimtrack.models.weights.mmpretrain import convert_mmpretrain
from mmsimtrack.models.weights.pyramids import (
    convert_pvt,
    convert_swin,
    convert_torchvision,
)
from mmsimtrack.models.weights.rename import FORMATS as TABLES
from mmsimtrack.models.weights.vit import convert_clip, convert_timm

# what stands before the plus: (checkpoint, path) -> weights in our names
FORMATS: dict[str, Callable[[dict, str], dict[str, Tensor]]] = {
    'clip': convert_clip,
    'timm': convert_timm,
    'mmpretrain': convert_mmpretrain,
    'swin': convert_swin,
    'pvt': convert_pvt,
    'torchvision': convert_torchvision,
    **TABLES,
}


def load_weights(format_: str, source: str) -> dict[str, Tensor]:
    """Weights of a backbone in the names of ours.

    Args:
        format_: One of `FORMATS`.
        source: Address (see `fetch`), `file://...` or path.

    Raises:
        FileNotFoundError: If a local file does not exist.
        ConnectionError: If a file cannot be downloaded.
        ValueError: If the file is broken, holds Python objects, has another
            hash, or (CLIP) its address names none.
        KeyError: If a weight is missing or unknown.
    """
    if not _is_url(source):
        path = os.path.expanduser(source.removeprefix('file://'))
    elif format_ == 'clip' and not _has_sha256(source):
        raise ValueError(
            f'{source} names no whole sha256. Expected an address of CLIP, in '
            'which the folder of the file is its sha256, or #sha256= with all '
            '64 digits at the end.'
        )
    else:
        path = str(fetch(source))
    if format_ == 'clip':
        checkpoint = read_archive(path)
    elif path.endswith('.onnx'):
        checkpoint = read_onnx(path)
    else:
        allowed = SETTINGS if format_ == 'timm' else None
        checkpoint = read_checkpoint(path, allowed=allowed)
    return FORMATS[format_](checkpoint, path)


@CheckpointLoader.register_scheme(prefixes=rf'({"|".join(FORMATS)})\+')
def load_from_format(filename: str, map_location=None) -> dict:
    """Load a file of another project: `<format>+<address or path>`.

    So that a config needs no conversion by hand:
    `init_cfg=dict(type='Pretrained', checkpoint='timm+https://...')`.

    Args:
        filename: Of `load_weights`, joined by a plus.
        map_location: Not used; the weights are on the CPU.

    Returns:
        `state_dict`.
    """
    format_, _, source = filename.partition('+')
    return {'state_dict': load_weights(format_, source)}


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location=None) -> dict:
    """Load a checkpoint from the disk, without running code in it.

    mmengine's own function falls back to full unpickling.
    """
    unknown = re.match(r'(\w+)\+\w+://', filename)
    if unknown:
        raise ValueError(
            f'{filename}: {unknown[1]} is no format of weights. Expected one '
            f'of {", ".join(FORMATS)}.'
        )
    return read_checkpoint(os.path.expanduser(filename), map_location)


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_http(filename: str, map_location=None) -> dict:
    """Download a checkpoint once and load it, without running code in it."""
    return read_checkpoint(fetch(filename), map_location)


def _is_url(source: str) -> bool:
    return source.startswith(('http://', 'https://'))


def _has_sha256(url: str) -> bool:
    _, method, digits = split_hash(url)
    return method == 'sha256' and len(digits) == 64


def _ask_for_trust(prefix: str) -> None:
    """Let one of mmengine's other schemes work only where it is trusted.

    They fall back to full unpickling, or begin with it.
    """
    theirs = CheckpointLoader._schemes[prefix]

    def load_from_trusted(filename: str, map_location=None) -> dict:
        if not trusted():
            raise ValueError(
                f'{filename}: mmengine loads this kind of address so that '
                'code in the file can run. Give its https:// address or a '
                'local file, or add --trust-checkpoint.'
            )
        return theirs(filename, map_location)

    CheckpointLoader.register_scheme(prefix, load_from_trusted, force=True)


for _prefix in (
    'pavi://',
    r'(\S+\:)?s3://',
    r'(\S+\:)?petrel://',
    'modelzoo://',
    'torchvision://',
    'open-mmlab://',
    'openmmlab://',
    'mmcls://',
):
    _ask_for_trust(_prefix)
