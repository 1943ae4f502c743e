"""Reading checkpoints by address, without running code in them."""

import argparse
import io
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
from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader
from safetensors import SafetensorError, safe_open
from torch import nn, serialization

from mmsimtrack.fileio import replace_atomically
from mmsimtrack.models.weights import rename
from mmsimtrack.models.weights.dinov2 import read_onnx
from mmsimtrack.models.weights.download import fetch, split_hash
from mmsimtrack.models.weights.guard import compare_names
from mmsimtrack.models.weights.rename import FORMATS, Weights

_TRUST = ContextVar('trust_checkpoint', default=False)


def _statistic(owner: type, name: str):
    """Stand for `getattr`, by which a `HistoryBuffer` names its methods.

    mmengine allows `getattr` itself, which reaches every attribute.
    """
    if owner is not HistoryBuffer or name not in HistoryBuffer.__dict__:
        raise UnpicklingError(f'Unsupported global: GLOBAL getattr ({name})')
    return HistoryBuffer.__dict__[name]


# Types, beside tensors, that mmengine stores in a checkpoint of a training
BUILTINS = ('__builtin__', 'builtins')  # of Python 2 and 3
TRAINING_LOG = [HistoryBuffer, np.ndarray, np.dtype]
TRAINING_LOG += [type(np.dtype(x)) for x in ('float32', 'float64', 'int64')]
TRAINING_LOG += [(_statistic, f'{x}.getattr') for x in BUILTINS]
for _core in ('_core', 'core'):  # of numpy 2 and 1
    _module = f'numpy.{_core}.multiarray'
    TRAINING_LOG += [
        (np._core.multiarray._reconstruct, f'{_module}._reconstruct'),
        (np._core.multiarray.scalar, f'{_module}.scalar'),
    ]
# Types, beside tensors, in the files of SLIP: names with values, and paths,
# which are read without the methods that touch a disk
POSIX_PATH = (pathlib.PurePosixPath, 'pathlib.PosixPath')
SETTINGS = [argparse.Namespace, POSIX_PATH]
# Packages of trackers, whose trainings save objects beside the weights
TRACKERS = ('lib.', 'ltr.', 'pytracking.')
URLS = ('http://', 'https://')
TRUST = 'If you trust where it comes from, add --trust-checkpoint'


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
    """Tell whether code in checkpoints may run now."""
    return _TRUST.get()


class _Inert:
    """An empty object in place of one whose package may be missing."""

    def __new__(cls, *args, **kwargs):
        """Ignore the arguments of the real object."""
        return super().__new__(cls)

    def __setstate__(self, state) -> None:
        """Ignore the attributes of the real object."""


def read_checkpoint(
    path: str | os.PathLike, map_location='cpu', allowed: tuple = ()
) -> dict:
    """Read a file of `torch.save`; no code in it runs unless it is trusted.

    Args:
        path: The file.
        map_location: Where `torch.load` puts the tensors.
        allowed: Types that may be in the file beside tensors, plain data,
            the log of a training, and objects of `TRACKERS`, which are
            replaced by empty ones.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds other objects, is cut, or is no
            checkpoint.
    """
    path = _local(str(path))
    refused = []
    try:
        with serialization.safe_globals([*TRAINING_LOG, *allowed]):
            names = _foreign_types(path)
            stubs = [(_Inert, x) for x in names if x.startswith(TRACKERS)]
            refused = [x for x in names if not x.startswith(TRACKERS)]
            if stubs and trusted():  # full unpickling would import them
                stubs += [(resolve_name(name), name) for name in refused]
            with serialization.safe_globals(stubs):
                safe = bool(stubs) or not trusted()
                checkpoint = torch.load(path, map_location, weights_only=safe)
    except Exception as error:  # no limit to what a broken file can cause
        if isinstance(error, UnpicklingError) and refused:
            raise ValueError(
                f'{path} holds Python objects beside its weights, such as '
                f'{", ".join(refused[:3])}, and loading them runs code from '
                f'the file. {TRUST} (SOTInferencer: trust_checkpoint=True).'
            ) from error
        raise _unreadable(path, 'checkpoint of torch.save', error) from error
    inner = checkpoint
    if isinstance(checkpoint, dict):
        inner = checkpoint.get('state_dict', checkpoint)
    if not isinstance(inner, dict):
        where = '' if inner is checkpoint else ' under state_dict'
        raise ValueError(
            f'{path} holds a {type(inner).__name__}{where}, expected a '
            'dictionary with weights.'
        )
    return checkpoint


def write_checkpoint(content: dict, path: str | os.PathLike) -> None:
    """Write a checkpoint, whole or not at all; its folder need not exist.

    On a full disk, torch itself would abort the process.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replace_atomically(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def _unreadable(
    path: str | os.PathLike, kind: str, error: Exception
) -> ValueError:
    """Make one line of what a library says about a broken file."""
    text = re.sub(r'(?s).*WeightsUnpickler error: ', '', str(error))
    cause = text.strip().split('\n')[0][:200].rstrip('.') or 'it is cut'
    return ValueError(
        f'{path} cannot be read as a {kind}: {cause}. Was it cut, or is it '
        'another kind of file? Delete it, and download or copy it again.'
    )


def _foreign_types(path: str | os.PathLike) -> list[str]:
    """List classes and functions in a checkpoint that are not allowed.

    Nothing is loaded.
    """
    if zipfile.is_zipfile(path):
        try:
            return serialization.get_unsafe_globals_in_checkpoint(path)
        except UnpicklingError:  # torch decodes protocol 2 only
            return ['those of a pickle protocol above 2']
    names = {}
    with open(path, 'rb') as file:
        for _ in range(4):  # magic number, version, system, checkpoint
            for code, name, _ in pickletools.genops(file):
                if code.name == 'GLOBAL':
                    names[name.replace(' ', '.')] = None
    return [x for x in names if not x.startswith(('torch.', 'collections.'))]


def read_archive(path: str | os.PathLike) -> dict:
    """Read the state dict of a TorchScript archive, as CLIP's files are.

    Of an archive's code, only `__setstate__` runs when it is loaded. CLIP has
    none, so an archive that does is refused unless it is trusted.

    Raises:
        ValueError: If it is no such archive, or would run code.
    """
    if zipfile.is_zipfile(path) and not trusted():
        with zipfile.ZipFile(path) as archive:
            code = [x for x in archive.namelist() if '/code/' in x]
            if any(b'__setstate__' in archive.read(name) for name in code):
                raise ValueError(
                    f'{path} holds code that runs when it is loaded '
                    f"(__setstate__), which CLIP's files do not. {TRUST}."
                )
    try:
        return torch.jit.load(str(path), map_location='cpu').state_dict()
    except RuntimeError as error:
        kind = 'TorchScript archive, which the files of CLIP are'
        raise _unreadable(path, kind, error) from error


def read_safetensors(path: str | os.PathLike) -> dict:
    """Read published weights: no code can be in such a file.

    Returns:
        `state_dict`, and `meta`, the texts of the header.

    Raises:
        ValueError: If the file is cut, or of another kind.
    """
    try:
        with safe_open(path, 'pt') as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}
            return {'state_dict': weights, 'meta': file.metadata() or {}}
    except SafetensorError as error:
        raise _unreadable(path, 'safetensors file', error) from error


def load_weights(format_: str, source: str) -> Weights:
    """Load weights of another project under the names of this one.

    Args:
        format_: One of `FORMATS`.
        source: Address (see `fetch`), `file://...` or path.

    Raises:
        FileNotFoundError: If a local file does not exist.
        ConnectionError: If a file cannot be downloaded.
        ValueError: If the file is broken, holds Python objects, has another
            hash, or (CLIP) its address names none.
    """
    is_url = source.startswith(URLS)
    if format_ == 'clip' and is_url and len(split_hash(source)[2]) < 64:
        raise ValueError(
            f'{source} names no whole sha256. Expected an address of CLIP, in '
            'which the folder of the file is its sha256, or #sha256= with all '
            '64 digits at the end.'
        )
    path = _local(source.removeprefix('file://'))
    if format_ == 'clip':
        checkpoint = read_archive(path)
    elif path.endswith('.onnx'):
        checkpoint = read_onnx(path)
    else:
        allowed = SETTINGS if format_ == 'timm' else ()
        checkpoint = read_checkpoint(path, allowed=allowed)
    return rename.convert(FORMATS[format_], checkpoint, path)


def _local(source: str) -> str:
    """Return the path of a local file, or of a local copy from the net."""
    path = fetch(source) if source.startswith(URLS) else source
    path = os.path.expanduser(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'{path} does not exist, or is no file. Check the path of the '
            'checkpoint.'
        )
    return path


@CheckpointLoader.register_scheme(prefixes=rf'({"|".join(FORMATS)})\+')
def load_from_format(filename: str, map_location=None) -> dict:
    """Load a file of another project: `<format>+<address or path>`.

    So that a config needs no conversion by hand:
    `init_cfg=dict(type='Pretrained', checkpoint='timm+https://...')`.
    """
    return {'state_dict': load_weights(*filename.split('+', 1))}


# what only files of official codes have in their names
OFFICIAL = {
    'simtrack': 'backbone.visual.',
    'ostrack': 'backbone.pos_embed_z',
}


@CheckpointLoader.register_scheme(prefixes=('', *URLS), force=True)
def load_from_address(filename: str, map_location=None) -> dict:
    """Load a checkpoint from the disk or the net, running no code in it.

    mmengine's own functions fall back to full unpickling. Weights of official
    code get the names of this package, and names lose what DataParallel and
    `torch.compile` put before them.
    """
    unknown = re.match(r'(\w+)\+\w+://', filename)
    if unknown:
        raise ValueError(
            f'{filename}: {unknown[1]} is no format of weights. Expected one '
            f'of {", ".join(FORMATS)}.'
        )
    path = _local(filename)
    if path.endswith('.safetensors'):
        return read_safetensors(path)
    checkpoint = read_checkpoint(path, map_location)
    names = [str(name) for name in rename.peel(checkpoint)]
    for format_, mark in OFFICIAL.items():
        if any(mark in name for name in names):
            weights = rename.convert(FORMATS[format_], checkpoint, path)
            return {'state_dict': weights}
    if any(re.match(rename.PARALLEL, name) for name in names):
        return checkpoint | {'state_dict': rename.unwrap(checkpoint, path)}
    return checkpoint


UNSAFE = (
    r'(\S+\:)?s3:// (\S+\:)?petrel:// pavi:// modelzoo:// torchvision:// '
    'open-mmlab:// openmmlab:// mmcls://'
)


@CheckpointLoader.register_scheme(prefixes=UNSAFE.split(), force=True)
def refuse(filename: str, map_location=None) -> None:
    """Refuse what mmengine loads by, or after, full unpickling."""
    raise ValueError(
        f'{filename}: mmengine loads this kind of address so that code in the '
        'file can run. Give its https:// address or a local file.'
    )


def load_model(model: nn.Module, path: str, trust: bool = False) -> None:
    """Load the weights of a whole tracker: none missing, none left over.

    Args:
        model: The tracker, also in a wrapper for several processes.
        path: Path or address of a checkpoint.
        trust: Whether to allow code in the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely, or does not fit the model.
    """
    with trust_checkpoints(trust):
        checkpoint = CheckpointLoader.load_checkpoint(
            str(path), 'cpu', logger='silent'
        )
    weights = rename.unwrap(checkpoint, path)
    model = model.module if is_model_wrapper(model) else model
    if problem := compare_names(model.state_dict(), weights):
        raise ValueError(
            f'{path} does not hold the weights of this model: {problem}. Give '
            'the config with which the checkpoint was trained.'
        )
    try:
        model.load_state_dict(weights, strict=False)
    except (ValueError, RuntimeError) as error:  # guards, or torch itself
        raise ValueError(f'{path}: {error}') from error
    for name, weight in model.state_dict().items():
        if not weight.isfinite().all():
            raise ValueError(
                f'{path}: the weight {name} is not finite. The training that '
                'wrote it went wrong; take an earlier checkpoint.'
            )
