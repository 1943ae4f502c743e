"""Reading checkpoints by address, without running code in them."""

import argparse
import os
import pathlib
import pickletools
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pickle import UnpicklingError
from pkgutil import resolve_name

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from safetensors import SafetensorError, safe_open

from mmsimtrack.models.weights.dinov2 import read_onnx
from mmsimtrack.models.weights.download import fetch, split_hash
from mmsimtrack.models.weights.rename import (
    FORMATS,
    Weights,
    convert,
    peel,
)

_TRUST = ContextVar('trust_checkpoint', default=False)


def _statistic(owner: type, name: str):
    """Stand for `getattr`, by which a `HistoryBuffer` names its methods.

    mmengine allows `getattr` itself, which reaches every attribute.
    """
    if owner is not HistoryBuffer or name not in HistoryBuffer.__dict__:
        raise UnpicklingError(f'Unsupported global: GLOBAL getattr ({name})')
    return HistoryBuffer.__dict__[name]


# What a checkpoint of a training holds beside tensors: mmengine's log, in
# arrays of numpy.
_multiarray = np._core.multiarray
TRAINING_LOG = [
    HistoryBuffer,
    np.ndarray,
    np.dtype,
    *(type(np.dtype(name)) for name in ('float32', 'float64', 'int64')),
    *(
        (function, f'numpy.{core}.multiarray.{function.__name__}')
        for function in (_multiarray._reconstruct, _multiarray.scalar)
        for core in ('_core', 'core')  # numpy 2 and 1
    ),
    (_statistic, '__builtin__.getattr'),
    (_statistic, 'builtins.getattr'),
]
# Settings of a training, as SLIP keeps them: names with values, and paths
SETTINGS = [
    argparse.Namespace,
    # on any system, and without methods that touch a disk
    (pathlib.PurePosixPath, 'pathlib.PosixPath'),
]
# Packages of trackers, whose trainings save objects beside the weights
TRACKERS = ('lib.', 'ltr.', 'pytracking.')


@contextmanager
def trust_checkpoints(trust: bool = True) -> Iterator[None]:
    """Allow code in the checkpoints that are read inside the block.

    Args:
        trust: False changes nothing.
    """
    token = _TRUST.set(trust or _TRUST.get())
    try:
        yield
    finally:
        _TRUST.reset(token)


def trusted() -> bool:
    """Whether code in checkpoints may run now."""
    return _TRUST.get()


def read_checkpoint(
    path: str | os.PathLike, map_location='cpu', allowed: tuple = ()
) -> dict:
    """Read a checkpoint; no code in it runs, unless it is trusted.

    Args:
        path: File that `torch.save` wrote.
        map_location: Of `torch.load`.
        allowed: Classes that may be in the file beside tensors, plain data,
            the log of a training, and objects of `TRACKERS`, which become
            empty.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds other objects, is cut, or is no
            checkpoint.
    """
    _check_file(path)
    refused = []
    try:
        with torch.serialization.safe_globals([*TRAINING_LOG, *allowed]):
            names = _globals(path)
            inert = [(_Inert, n) for n in names if n.startswith(TRACKERS)]
            refused = [n for n in names if not n.startswith(TRACKERS)]
            if inert and trusted():  # full unpickling would import them
                inert += [(resolve_name(name), name) for name in refused]
            with torch.serialization.safe_globals(inert):
                checkpoint = torch.load(
                    path,
                    map_location=map_location,
                    weights_only=bool(inert) or not trusted(),
                )
    except Exception as error:  # no limit to what a broken file can cause
        if isinstance(error, UnpicklingError) and refused:
            raise ValueError(
                f'{path} holds Python objects beside its weights, such as '
                f'{", ".join(refused[:3])}, and loading them runs code from '
                'the file. If you trust where it comes from, add '
                '--trust-checkpoint (SOTInferencer: trust_checkpoint=True).'
            ) from error
        text = re.sub(r'(?s).*WeightsUnpickler error: ', '', str(error))
        cause = text.strip().split('\n')[0][:200].rstrip('.') or 'it is cut'
        raise ValueError(
            f'{path} cannot be read as a checkpoint of torch.save: {cause}. '
            'Was it cut, or is it another kind of file? Delete it, and '
            'download or copy it again.'
        ) from error
    weights = checkpoint
    if isinstance(checkpoint, dict):
        weights = checkpoint.get('state_dict', checkpoint)
    if not isinstance(weights, dict):
        where = '' if weights is checkpoint else ' under state_dict'
        raise ValueError(
            f'{path} holds a {type(weights).__name__}{where}, expected a '
            'dictionary with weights.'
        )
    return checkpoint


def read_safetensors(path: str | os.PathLike) -> dict:
    """Read published weights: no code can be in such a file.

    Returns:
        `state_dict`, and `meta`, the texts of the header.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is cut, or of another kind.
    """
    _check_file(path)
    try:
        with safe_open(path, 'pt') as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}
            return {'state_dict': weights, 'meta': file.metadata() or {}}
    except SafetensorError as error:
        raise ValueError(
            f'{path} cannot be read as a safetensors file: {error}. Was it '
            'cut? Download or copy it again.'
        ) from error


class _Inert:
    """Stands for any object of a package that need not be installed."""

    def __new__(cls, *args, **kwargs):
        """Ignore what the object was made from."""
        return super().__new__(cls)

    def __setstate__(self, state) -> None:
        """Ignore what the object held."""


def _globals(path: str | os.PathLike) -> list[str]:
    """List the classes and functions in a checkpoint that are not allowed.

    Nothing is loaded.
    """
    if zipfile.is_zipfile(path):
        try:
            return torch.serialization.get_unsafe_globals_in_checkpoint(path)
        except UnpicklingError:  # not decoded
            return ['those of a pickle protocol above 2']
    names = {}
    with open(path, 'rb') as file:
        for _ in range(4):  # magic number, version, system, checkpoint
            for code, name, _ in pickletools.genops(file):
                if code.name == 'GLOBAL':
                    names[name.replace(' ', '.')] = None
    return [x for x in names if not x.startswith(('torch.', 'collections.'))]


def _check_file(path: str | os.PathLike) -> None:
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'{path} does not exist, or is no file. Check the path of the '
            'checkpoint.'
        )


def read_archive(path: str | os.PathLike) -> dict:
    """Read the state dict of a TorchScript archive, as CLIP's files are.

    Of an archive's code, only `__setstate__` runs when it is loaded. CLIP has
    none, so an archive that does is refused unless it is trusted.

    Raises:
        ValueError: If it is no such archive, or would run code.
    """
    if not trusted() and _runs_on_loading(path):
        raise ValueError(
            f'{path} holds code that runs when it is loaded (__setstate__), '
            "which CLIP's files do not. If you trust where it comes from, add "
            '--trust-checkpoint.'
        )
    try:
        return torch.jit.load(str(path), map_location='cpu').state_dict()
    except RuntimeError as error:
        raise ValueError(
            f'{path} cannot be read as a TorchScript archive, which the files '
            f'of CLIP are: {str(error).strip().splitlines()[0][:200]}.'
        ) from error


def _runs_on_loading(path: str | os.PathLike) -> bool:
    if not zipfile.is_zipfile(path):
        return False  # torch will say what it is
    with zipfile.ZipFile(path) as archive:
        return any(
            b'__setstate__' in archive.read(name)
            for name in archive.namelist()
            if '/code/' in name
        )


def load_weights(format_: str, source: str) -> Weights:
    """Load weights of another project in our names.

    Args:
        format_: One of `FORMATS`.
        source: Address (see `fetch`), `file://...` or path.

    Raises:
        FileNotFoundError: If a local file does not exist.
        ConnectionError: If a file cannot be downloaded.
        ValueError: If the file is broken, holds Python objects, has another
            hash, or (CLIP) its address names none.
    """
    is_url = source.startswith(('http://', 'https://'))
    if format_ == 'clip' and is_url and len(split_hash(source)[2]) < 64:
        raise ValueError(
            f'{source} names no whole sha256. Expected an address of CLIP, in '
            'which the folder of the file is its sha256, or #sha256= with all '
            '64 digits at the end.'
        )
    path = str(fetch(source)) if is_url else source.removeprefix('file://')
    path = os.path.expanduser(path)
    _check_file(path)
    if format_ == 'clip':
        checkpoint = read_archive(path)
    elif path.endswith('.onnx'):
        checkpoint = read_onnx(path)
    else:
        allowed = SETTINGS if format_ == 'timm' else ()
        checkpoint = read_checkpoint(path, allowed=allowed)
    return convert(FORMATS[format_], checkpoint, path)


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
    path = os.path.expanduser(filename)
    if path.endswith('.safetensors'):
        return read_safetensors(path)
    return in_our_names(read_checkpoint(path, map_location), path)


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_http(filename: str, map_location=None) -> dict:
    """Download a checkpoint once and load it, without running code in it."""
    path = fetch(filename)
    return in_our_names(read_checkpoint(path, map_location), path)


def in_our_names(checkpoint: dict, path: str | os.PathLike) -> dict:
    """Convert a checkpoint of an official code, leave others."""
    for format_, mark in (
        ('simtrack', 'backbone.visual.'),
        ('ostrack', 'backbone.pos_embed_z'),
    ):
        if any(mark in str(name) for name in peel(checkpoint)):
            checkpoint = convert(FORMATS[format_], checkpoint, path)
            return {'state_dict': checkpoint}
    return checkpoint


@CheckpointLoader.register_scheme(
    prefixes=(
        'pavi://',
        r'(\S+\:)?s3://',
        r'(\S+\:)?petrel://',
        'modelzoo://',
        'torchvision://',
        'open-mmlab://',
        'openmmlab://',
        'mmcls://',
    ),
    force=True,
)
def refuse(filename: str, map_location=None) -> None:
    """Refuse what mmengine loads by, or after, full unpickling."""
    raise ValueError(
        f'{filename}: mmengine loads this kind of address so that code in the '
        'file can run. Give its https:// address or a local file.'
    )
