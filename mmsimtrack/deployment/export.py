"""Write the networks of a tracker for other runtimes, and prove them."""

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from mmsimtrack.apis.sot_inferencer import Tracker as TorchTracker
from mmsimtrack.fileio import replace_atomically
from mmsimtrack.models import SOTTracker
from mmsimtrack.optional import need
from mmsimtrack.runtime import Tracker
from mmsimtrack.runtime.tracker import VERSION, digest
from mmsimtrack.structures import CropWindow, aligned_iou
from mmsimtrack.structures.tracking import CALIBRATION_VIEWS, next_bboxes

FORMATS = {
    'onnx': ('fp32', 'fp16', 'int8'),
    'openvino': ('fp32', 'fp16', 'bf16', 'int8'),
    'torchscript': ('fp32',),
    'tensorrt': ('fp32', 'fp16'),
}
ENDINGS = {'openvino': 'xml', 'torchscript': 'pt'}
TOLERANCE = 1e-3  # pixels, in fp32
RULES = (
    'window: side = max(1, ceil(round6(factor * sqrt(w * h)))); left = '
    'round(round6((x1 + x2 - side) / 2)), top likewise, half to even; round6 '
    'rounds to 6 decimals',
    'crop: the window, black outside of the frame, resized bilinearly (as '
    'cv2.resize) to size x size; RGB, uint8, channels first',
    'bbox: (bbox - (left, top, left, top)) / side, and back',
    'next box: take off the bias if calibrate, mix the size with the former '
    'one by size_smoothing * exp(-(log of their ratio / 0.5)^2) around the '
    'center, clip by clip_margin; see '
    'mmsimtrack/structures/tracking.py',
    'lost: where the peak is below share * usual; else usual += rate * (peak '
    '- usual), beginning with the median over the calibration views. The box '
    'of a lost target stays, and after n such frames in a row the search '
    'window has factor * min(growth ^ n, limit)',
)


class _Exemplar(nn.Module):
    """From an exemplar crop and the box in it to the memory."""

    def __init__(self, tracker: SOTTracker) -> None:
        super().__init__()
        self.tracker = tracker

    def forward(self, exemplar: Tensor, bbox: Tensor) -> tuple[Tensor, ...]:
        crops = self.tracker.data_preprocessor.normalize(exemplar)
        return self.tracker.backbone.embed_exemplar(crops, bbox)


class _Search(nn.Module):
    """From a search crop and the memory to boxes, scores and peaks."""

    prior = None  # `window` of the head, a constant of the exported network

    def __init__(self, tracker: SOTTracker) -> None:
        super().__init__()
        self.tracker = tracker

    def forward(self, search: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        crops = self.tracker.data_preprocessor.normalize(search)
        feat = self.tracker.backbone(memory, crops)
        if self.prior is None:
            self.prior = self.tracker._prior(feat)
        # not `predict`: comparing lengths, InstanceData fixes the batch
        return self.tracker.head.read(feat, self.prior)


def export(
    model: SOTTracker,
    out: str | Path,
    format_: str = 'onnx',
    precision: str = 'fp32',
    batch: int | None = None,
    name: str = '',
    clip: tuple[Sequence[np.ndarray], np.ndarray] | None = None,
    max_loss: float = 0.05,
) -> dict:
    """Write a tracker to a folder, once it gives the boxes of torch.

    Args:
        model: The tracker, on the CPU, in evaluation mode.
        out: Folder to create, with the networks `exemplar.*` and `search.*`
            and `tracker.json`.
        format_: A key of `FORMATS`.
        precision: One of the values of `FORMATS`. `'int8'` quantizes the
            products with the weights of the search network, calibrated on
            the crops of the clip.
        batch: Number of targets; None leaves it open.
        name: Name of the model, for `tracker.json`.
        clip: Frames (H, W, 3) RGB uint8 and (4,) xyxy of the target in the
            first one; None draws a clip of 20 frames.
        max_loss: By how much the mean overlap with the boxes of torch may be
            below 1, in other precisions than fp32, where each frame starts
            from the box of torch in the one before.

    Returns:
        `megabytes`, `max_difference` in pixels, `overlap` (mean IoU) of the
        boxes with those of torch over the clip, and `backend`, which ran it.

    Raises:
        FileExistsError: If `out` exists.
        ImportError: If a package is missing.
        ValueError: If there is no such format in this precision, or the boxes
            differ by more than is allowed.
    """
    out = Path(out)
    frames, bbox = clip or draw_clip()
    if len(frames) < 2:
        raise ValueError('The clip has one frame, expected 2 or more.')
    _check(out, format_, precision)
    expected = follow(TorchTracker(model, device='cpu'), frames, bbox)
    with replace_atomically(out, is_folder=True) as folder:
        settings = _write_networks(model, folder, format_, batch)
        settings['model'] = name
        write_settings(folder, settings)
        if precision == 'int8':
            _quantize(folder, frames, bbox)
        if precision == 'fp16' and format_ == 'onnx':
            _halve(folder)
        if format_ == 'openvino':
            _convert_to_openvino(folder, precision)
            settings['files'] = _files('openvino')
        if format_ == 'tensorrt':
            _write_tensorrt(folder, settings, precision)
            precision = 'fp32'  # of the networks that the script reads
        settings.update(precision=precision)
        settings['format'] = 'onnx' if format_ == 'tensorrt' else format_
        write_settings(folder, settings)
        tracker = Tracker(folder)
        # rounding can lead a tracker to another side of an ambiguous target
        given = None if precision == 'fp32' else expected
        found = follow(tracker, frames, bbox, given)
        sizes = [file.stat().st_size for file in folder.iterdir()]
        report = {
            'max_difference': float(np.abs(expected - found).max()),
            'overlap': float(aligned_iou(expected, found).mean()),
            'backend': tracker.backend,
            'megabytes': sum(sizes) / 1e6,
        }
        judge(report, precision, max_loss)
    return report


def _check(out: Path, format_: str, precision: str) -> None:
    """Refuse what cannot be written."""
    if precision not in FORMATS[format_]:
        raise ValueError(
            f'precision is {precision!r}, expected '
            f'{" or ".join(FORMATS[format_])} for the format {format_}. '
            'Choose another --precision or --format.'
        )
    if out.exists():
        raise FileExistsError(
            f'{out} exists, and nothing in it is replaced. Give another '
            '--out, or delete it.'
        )


def draw_clip(num_frames: int = 20) -> tuple[list[np.ndarray], np.ndarray]:
    """Draw a patch that moves over a background.

    Returns:
        Frames (180, 240, 3) RGB uint8, and (4,) xyxy of the patch in the
        first one.
    """
    rng = np.random.default_rng(0)
    far, near = (
        cv2.resize(rng.integers(0, 256, (n, n, 3)).astype(np.uint8), size)
        for n, size in ((12, (240, 180)), (5, (36, 28)))
    )
    frames = []
    for t in range(num_frames):
        frame = far.copy()
        x, y = 90 + 2 * t, 70 + round(12 * np.sin(t / 4))
        frame[y : y + 28, x : x + 36] = near
        frames.append(frame)
    return frames, np.array([90.0, 70.0, 126.0, 98.0])


def follow(
    tracker,
    frames: Sequence[np.ndarray],
    bbox,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """Track through a clip.

    Args:
        tracker: Has `init` and `update`.
        frames: T arrays (H, W, 3) RGB uint8.
        bbox: (4,) xyxy in the first one, or (N, 4).
        given: (T - 1, 4) boxes of another tracker. Each frame then starts
            from its box in the one before, so that differences do not grow.

    Returns:
        (T - 1, 4) or (T - 1, N, 4) xyxy, without the first frame.
    """
    tracker.init(frames[0], bbox)
    bboxes = []
    for t, frame in enumerate(frames[1:]):
        if given is not None and t:
            tracker._known['bboxes'] = given[t - 1][None]
        bboxes.append(tracker.update(frame)[1])
    return np.reshape(bboxes, (len(bboxes), *np.shape(bbox)))


def judge(report: dict, precision: str, max_loss: float) -> None:
    """Refuse boxes that are not those of torch."""
    difference, loss = report['max_difference'], 1 - report['overlap']
    if precision == 'fp32' and not difference <= TOLERANCE:
        raise ValueError(
            'The exported networks do not give the boxes of torch: found a '
            f'difference of {difference:.2g} px over the clip, expected at '
            f'most {TOLERANCE} px. Nothing is written. Try another --format, '
            'or report it with the config.'
        )
    if precision != 'fp32' and not loss <= max_loss:
        raise ValueError(
            f'In {precision}, the mean overlap with the boxes of fp32 is '
            f'{1 - loss:.3f} over the clip, expected at least '
            f'{1 - max_loss:.3f}. Nothing is written. Give a --clip as the '
            'videos to track, another --precision, or a larger --max-loss.'
        )


def _files(format_: str) -> dict[str, str]:
    ending = ENDINGS.get(format_, 'onnx')
    return {name: f'{name}.{ending}' for name in ('exemplar', 'search')}


def draw_inputs(model: SOTTracker, count: int) -> tuple[Tensor, ...]:
    """Draw exemplar crops (B, 3, S, S) uint8, boxes in them, search crops."""
    exemplar, search = (
        torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
        for side in (model.exemplar['size'], model.search['size'])
    )
    bbox = torch.tensor([[0.25, 0.25, 0.75, 0.75]]).repeat(count, 1)
    return exemplar, bbox, search


def _examples(model: SOTTracker, count: int) -> dict[str, tuple]:
    """Make both networks, each with inputs for a number of targets."""
    exemplar, bbox, search = draw_inputs(model, count)
    first, second = _Exemplar(model).eval(), _Search(model).eval()
    memory = first(exemplar, bbox)
    second(search, *memory)  # computes the prior
    return {
        'exemplar': (first, (exemplar, bbox)),
        'search': (second, (search, *memory)),
    }


@torch.no_grad()
def open_programs(model: SOTTracker) -> Iterator[tuple]:
    """Yield both networks as programs for any batch, with their inputs.

    Raises:
        torch._dynamo.exc.UserError: If a network fixes the batch.
    """
    with _quiet():
        for network, example in _examples(model, 2).values():
            yield _program(network, example, is_open=True), example


@torch.no_grad()
def _write_networks(
    model: SOTTracker, folder: Path, format_: str, batch: int | None
) -> dict:
    """Write both networks in fp32; return the settings for `tracker.json`."""
    networks = _examples(model, batch or 2)
    memory = networks['search'][1][1:]
    inputs = {
        'exemplar': ['exemplar', 'bbox'],
        'search': ['search', *(f'memory{i}' for i in range(len(memory)))],
    }
    found, example = networks['search']
    names = ['box', 'score', 'peak'][: len(found(*example))]
    outputs = {'exemplar': inputs['search'][1:], 'search': names}
    files = _files(format_ if format_ == 'torchscript' else 'onnx')
    for name, (network, example) in networks.items():
        path = folder / files[name]
        with _quiet():
            if format_ == 'torchscript':
                traced = torch.jit.trace(network, example)
                # by Python: on a full disk, torch would abort the process
                path.write_bytes(traced.save_to_buffer())
            else:
                _write_onnx(
                    network,
                    example,
                    path,
                    input_names=inputs[name],
                    output_names=outputs[name],
                    is_open=batch is None,
                )
    return {
        'version': VERSION,
        'format': format_ if format_ == 'torchscript' else 'onnx',
        'precision': 'fp32',
        'batch': batch,
        'files': files,
        'inputs': inputs,
        'outputs': outputs,
        'exemplar': model.exemplar,
        'search': model.search,
        'memory': [list(each.shape[1:]) for each in memory],
        **asdict(model.rules),
        'calibration_views': CALIBRATION_VIEWS,
        'rules': RULES,
        'test_vectors': _test_vectors(model),
    }


def _program(network: nn.Module, example: tuple, is_open: bool):
    """Export a network from torch, for any batch if `is_open`."""
    shapes = None
    if is_open:
        batch = torch.export.Dim('batch')
        first, *rest = ({0: batch} for _ in example)
        shapes = (first, tuple(rest))  # the memory is one argument
        if isinstance(network, _Exemplar):
            shapes = (first, *rest)
    return torch.export.export(network, example, dynamic_shapes=shapes)


def _write_onnx(network, example, path: Path, is_open: bool, **names) -> None:
    """Write a network as ONNX.

    The exporter gets a program whose batch is known to be open: given the
    network, it would fix the batch of one that does not allow for it.
    """
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        need(package, 'this export', 'onnx onnxscript onnxruntime')
    program = _program(network, example, is_open)
    torch.onnx.export(
        program,
        (),
        path,
        dynamo=True,
        external_data=False,
        verbose=False,
        **names,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the remarks of the exporters on their own affairs."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(logging.NOTSET)


def _test_vectors(model: SOTTracker) -> dict:
    """Compute examples for those who write the arithmetic anew."""
    given = np.array([[30.5, 40, 61.5, 80], [-5, 3, 40, 17.25]])
    windows = [CropWindow.around(each, **model.search) for each in given]
    predicted = [[0.4, 0.45, 0.62, 0.6], [0.3, 0.4, 0.55, 0.7]]
    found = np.stack([w.to_frame(p) for w, p in zip(windows, predicted)])
    frames, bias = [np.empty((120, 160, 3))] * 2, np.full((2, 4), 0.05)
    bias = bias if model.rules.calibrate else None
    options = model.rules.clip_margin, model.rules.size_smoothing, bias
    bboxes, _ = next_bboxes(found, np.ones(2), given, frames, *options)
    return {
        'frame': [160, 120],
        'bboxes': given.tolist(),
        'search_windows': [[w.left, w.top, w.side] for w in windows],
        'predicted': predicted,
        'bias': None if bias is None else bias.tolist(),
        'next_bboxes': bboxes.tolist(),
    }


def write_settings(folder: Path, settings: dict) -> None:
    """Write `tracker.json`, with the sums of the files beside it."""
    files = sorted(f for f in folder.iterdir() if f.name != 'tracker.json')
    sums = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }
    settings = {**settings, 'sha256': sums}
    settings['digest'] = digest(settings)
    text = json.dumps(settings, indent=1)
    (folder / 'tracker.json').write_text(text + '\n', 'utf-8')


def _quantize(folder: Path, frames, bbox) -> None:
    """Quantize the products with weights in the search network to int8."""
    from onnxruntime import quantization

    crops = []
    tracker = Tracker(folder, 'onnxruntime')
    network = tracker._networks['search']
    tracker._networks['search'] = lambda feed: (
        crops.append(feed) or network(feed)
    )
    follow(tracker, frames, bbox)

    class Crops(quantization.CalibrationDataReader):
        """Gives the inputs of the search network, one frame after another."""

        get_next = partial(next, iter(crops), None)

    path, prepared = folder / 'search.onnx', folder / 'prepared.onnx'
    with _quiet():
        quantization.quant_pre_process(
            path, prepared, skip_symbolic_shape=True
        )
        quantization.quantize_static(
            prepared,
            path,
            Crops(),
            op_types_to_quantize=['MatMul', 'Gemm'],
            per_channel=True,
            extra_options={'MatMulConstBOnly': True},
        )
    prepared.unlink()


def _halve(folder: Path) -> None:
    """Convert both networks to fp16; inputs and outputs stay as they are."""
    import onnx
    from onnxruntime.transformers import float16

    for path in folder.glob('*.onnx'):
        with _quiet():
            half = float16.convert_float_to_float16(
                onnx.load(path), keep_io_types=True
            )
        onnx.save(half, path)


def _convert_to_openvino(folder: Path, precision: str) -> None:
    """Replace the ONNX files by those of OpenVINO."""
    openvino = need('openvino', 'this export')
    for path in list(folder.glob('*.onnx')):
        openvino.save_model(
            openvino.convert_model(path),
            path.with_suffix('.xml'),
            compress_to_fp16=precision == 'fp16',
        )
        path.unlink()


def _write_tensorrt(folder: Path, settings: dict, precision: str) -> None:
    """Write a script that builds engines from the ONNX files."""
    import onnx

    lines = [
        '#!/bin/sh',
        '# Untested: no GPU with TensorRT was at hand. Builds exemplar.engine',
        '# and search.engine; BATCH is the largest number of targets.',
        'set -e',
        'cd "$(dirname "$0")"',
    ]
    for name, file in settings['files'].items():
        command = f'trtexec --onnx={file} --saveEngine={name}.engine'
        command += ' --fp16' * (precision == 'fp16')
        # without those that the network makes no use of
        sizes = {}
        for each in onnx.load(folder / file).graph.input:
            sides = [d.dim_value for d in each.type.tensor_type.shape.dim[1:]]
            sizes[each.name] = 'x'.join(map(str, sides))
        for limit, count in ('min', 1), ('opt', 1), ('max', '${BATCH:-8}'):
            if settings['batch'] is None:
                shapes = (f'{k}:{count}x{size}' for k, size in sizes.items())
                command += f' --{limit}Shapes={",".join(shapes)}'
        lines.append(command)
    (folder / 'build_engines.sh').write_text('\n'.join(lines) + '\n')
