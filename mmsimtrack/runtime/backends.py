"""Networks in files, run by onnxruntime, OpenVINO or torch."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

# takes arrays by the names of the inputs, returns the outputs in their order
Network = Callable[[dict[str, np.ndarray]], list[np.ndarray]]
# what can run the files of each format, best first
BACKENDS = {
    'onnx': ('onnxruntime', 'openvino'),
    'openvino': ('openvino',),
    'torchscript': ('torch',),
}


def choose_backend(format_: str, backend: str = 'auto') -> str:
    """Choose what runs files of a format.

    Args:
        format_: A key of `BACKENDS`.
        backend: Its name, or `'auto'`, the first one that is installed.

    Raises:
        ValueError: If it cannot run such files.
        ImportError: If it is not installed.
    """
    able = BACKENDS[format_]
    if backend not in ('auto', *able):
        raise ValueError(
            f'backend is {backend!r}, expected auto or {" or ".join(able)}: '
            f'the networks are in the format {format_}. Choose one of these, '
            'or export the model again in another --format.'
        )
    wanted = able if backend == 'auto' else (backend,)
    for name in wanted:
        if importlib.util.find_spec(name):
            return name
    raise ImportError(
        f'{" and ".join(wanted)}: not installed, but needed for networks in '
        f'the format {format_}. Run: pip install {wanted[0]}'
    )


def load_network(
    path: Path,
    backend: str,
    inputs: Sequence[str],
    precision: str = 'fp32',
    threads: int | None = None,
) -> Network:
    """Load a network.

    Args:
        path: File of an exported network.
        backend: A name in `BACKENDS`.
        inputs: Names of the inputs in their order.
        precision: `'bf16'` lets OpenVINO compute so; the other precisions are
            in the file.
        threads: Number of threads; None leaves it to the backend.
    """
    load = {
        'onnxruntime': _load_onnxruntime,
        'openvino': _load_openvino,
        'torch': _load_torchscript,
    }[backend]
    try:
        return load(str(path), inputs, precision, threads)
    except Exception as error:  # of any library, in any class
        raise ValueError(
            f'{path} cannot be loaded by {backend} ({error}). Copy the whole '
            'folder, or export the model again.'
        ) from error


def _load_onnxruntime(path, inputs, precision, threads) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    if threads:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path, options, providers=onnxruntime.get_available_providers()
    )
    # a network that makes no use of an input may have lost it
    used = [each.name for each in session.get_inputs()]
    return lambda feed: session.run(None, {name: feed[name] for name in used})


def _load_openvino(path, inputs, precision, threads) -> Network:
    import openvino

    # float32 is said as well: by default OpenVINO may compute in bfloat16
    settings = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': 'bf16' if precision == 'bf16' else 'f32',
    }
    if threads:
        settings['INFERENCE_NUM_THREADS'] = threads
    network = openvino.Core().compile_model(path, 'CPU', settings)
    used = [each.get_any_name() for each in network.inputs]

    def run(feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        found = network({name: feed[name] for name in used})
        # the arrays are the network's own, and change with the next call
        return [found[port].copy() for port in network.outputs]

    return run


def _load_torchscript(path, inputs, precision, threads) -> Network:
    import torch

    network = torch.jit.load(path, 'cpu')

    @torch.inference_mode()
    def run(feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        arrays = (np.ascontiguousarray(feed[name]) for name in inputs)
        return [each.numpy() for each in network(*map(torch.tensor, arrays))]

    return run
