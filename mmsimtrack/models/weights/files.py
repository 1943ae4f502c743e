"""Reading checkpoints without running code in them."""

import argparse
import os
import pathlib
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pickle import UnpicklingError

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

_TRUST = ContextVar('trust_checkpoint', default=False)


def _statistic(owner: type, name: str):
    """Stands for `getattr`, by which a `HistoryBuffer` names its methods.

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
    path: str | os.PathLike, map_location='cpu', allowed: list | None = None
) -> dict:
    """Read a checkpoint; no code in it runs, unless it is trusted.

    Args:
        path: File that `torch.save` wrote.
        map_location: Of `torch.load`.
        allowed: Classes that may be in the file beside tensors, plain data
            and the log of a training.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds other objects, is cut, or is no
            checkpoint.
    """
    _check_file(path)
    allowed = TRAINING_LOG + (allowed or [])
    try:
        with torch.serialization.safe_globals(allowed):
            checkpoint = torch.load(
                path, map_location=map_location, weights_only=not trusted()
            )
    except OSError:
        raise
    except Exception as error:  # no limit to what a broken file can cause
        raise ValueError(_explain(path, error)) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(
            f'{path} holds a {type(checkpoint).__name__}, expected a '
            'dictionary with weights.'
        )
    return checkpoint


def read_archive(path: str | os.PathLike) -> dict:
    """State dict of a TorchScript archive, as CLIP's files are.

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


def _runs_on_loading(path: str | os.PathLike) -> bool:
    if not zipfile.is_zipfile(path):
        return False  # torch will say what it is
    with zipfile.ZipFile(path) as archive:
        return any(
            b'__setstate__' in archive.read(name)
            for name in archive.namelist()
            if '/code/' in name
        )


def _check_file(path: str | os.PathLike) -> None:
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'{path} does not exist, or is no file. Check the path of the '
            'checkpoint.'
        )


def _explain(path: str | os.PathLike, error: Exception) -> str:
    """One line about a file that cannot be read."""
    text = re.sub(r'(?s).*WeightsUnpickler error: ', '', str(error)).strip()
    refused = re.search(r'GLOBAL (\S+)|function (<.*?>)|got (<.*?>)', text)
    with open(path, 'rb') as file:
        if file.read(2) == b'PK':  # a zip archive, but in newer pickles
            refused = refused or re.search(r'(operand \d+)', text)
    if refused and isinstance(error, UnpicklingError):
        name = next(group for group in refused.groups() if group)
        return (
            f'{path} holds Python objects beside its weights, such as {name}, '
            'and loading them runs code from the file. If you trust where it '
            'comes from, add --trust-checkpoint (SOTInferencer: '
            'trust_checkpoint=True).'
        )
    cause = text.splitlines()[0][:200] if text else 'it is cut'
    return (
        f'{path} cannot be read as a checkpoint of torch.save: '
        f'{cause.rstrip(".")}. Was it cut, or is it another kind of file? '
        'Download or copy it again.'
    )
