"""Reading checkpoints by address, without running code in them."""

import argparse
import hashlib
import os
import pathlib
import pickletools
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from pkgutil import resolve_name

import numpy as np
import torch
from mmengine.dist import barrier
from mmengine.logging import HistoryBuffer, MMLogger
from mmengine.runner import CheckpointLoader

from mmsimtrack.fileio import replace_atomically
from mmsimtrack.models.weights.rename import (
    FORMATS,
    WRAPPERS,
    Weights,
    convert,
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
            'Was it cut, or is it another kind of file? Download or copy it '
            'again.'
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
        return torch.serialization.get_unsafe_globals_in_checkpoint(path)
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
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such archive, or would run code.
    """
    _check_file(path)
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


def read_onnx(path: str | os.PathLike) -> dict:
    """Read the named weights of a network that torch exported to ONNX.

    The exporter transposes the weights of linear layers and takes their names
    away: each gets the name of the bias that is added to its product. What is
    left without a name and has three dimensions are the positions of DINOv2,
    of the class token and of the patches.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If onnx is not installed.
        ValueError: If it is no such file.
    """
    _check_file(path)
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


def _check_file(path: str | os.PathLike) -> None:
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'{path} does not exist, or is no file. Check the path of the '
            'checkpoint.'
        )


def fetch(address: str) -> Path:
    """Return the local copy of a file; one process per machine downloads it.

    It is kept in torch's hub folder, and its hash is checked at every use. A
    file without a hash is used as it is, and its sha256 is logged.

    Args:
        address: `https://.../file.pth#sha256=0123ab` or `#md5=...`, where the
            first digits suffice; a folder that is a sha256 (CLIP) counts as
            that of the file.

    Raises:
        ConnectionError: If it cannot be downloaded.
        ValueError: If the hash is another one, or is not understood.
    """
    url, method, digits = split_hash(address)
    folder = digits if len(digits) == 64 else None
    folder = folder or hashlib.sha256(url.encode()).hexdigest()
    path = Path(torch.hub.get_dir(), 'checkpoints', folder[:8])
    path = path / os.path.basename(url.split('?')[0])
    cause = 'the first process failed'
    try:
        if os.environ.get('LOCAL_RANK', '0') == '0' and not path.exists():
            MMLogger.get_current_instance().info(
                f'Downloading {url} to {path}'
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            with replace_atomically(path) as temporary:
                torch.hub.download_url_to_file(url, str(temporary))
                _check_hash(temporary, url, method, digits)
    except (OSError, HTTPException) as error:
        cause = error
    finally:
        barrier()  # also if it failed, or the others would wait forever
    if not path.exists():
        raise ConnectionError(
            f'{url} could not be downloaded: {cause}. Try again, or put the '
            f'file at {path} by hand.'
        )
    _check_hash(path, url, method, digits)
    return path


def split_hash(address: str) -> tuple[str, str, str]:
    """Address -> address, hash function and first digits of the hash.

    Returns:
        Without digits if the address names no hash.

    Raises:
        ValueError: If what follows `#` is no hash.
    """
    url, _, fragment = address.partition('#')
    folder = re.search(r'/([0-9a-f]{64})/', url)
    if folder:
        return url, 'sha256', folder[1]
    if not fragment:
        return url, 'sha256', ''
    match = re.fullmatch(r'(sha256|md5)=([0-9a-fA-F]{6,64})', fragment)
    if match is None:
        raise ValueError(
            f'{address} ends with #{fragment}, expected #sha256=... or '
            '#md5=... with at least 6 hexadecimal digits.'
        )
    return url, match[1], match[2].lower()


def _check_hash(path: Path, url: str, method: str, digits: str) -> None:
    """Compare a file with the first digits of its hash, or log the hash.

    Raises:
        ValueError: If the file has another hash.
    """
    with open(path, 'rb') as file:
        found = hashlib.file_digest(file, method).hexdigest()
    if not digits:
        MMLogger.get_current_instance().info(
            f'{url} names no hash. To make sure that the file stays the same, '
            f'add #sha256={found}'
        )
    elif not found.startswith(digits):
        raise ValueError(
            f'{url}: the file has {method} {found}, expected {digits}. Check '
            f'the hash, or delete {path} to download it again.'
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
    return in_our_names(read_checkpoint(path, map_location), path)


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_http(filename: str, map_location=None) -> dict:
    """Download a checkpoint once and load it, without running code in it."""
    path = fetch(filename)
    return in_our_names(read_checkpoint(path, map_location), path)


def in_our_names(checkpoint: dict, path: str | os.PathLike) -> dict:
    """Convert a checkpoint of the official SimTrack code, leave others."""
    weights = checkpoint
    for wrapper in WRAPPERS:
        if isinstance(weights.get(wrapper), dict):
            weights = weights[wrapper]
    if any('backbone.visual.' in str(name) for name in weights):
        weights = convert(FORMATS['simtrack'], checkpoint, path)
        return {'state_dict': weights}
    return checkpoint


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
