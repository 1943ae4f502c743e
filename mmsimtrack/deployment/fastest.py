"""Let a tracker in torch run its networks by the fastest runtime."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmsimtrack.apis.sot_inferencer import Tracker as TorchTracker
from mmsimtrack.datasets.index import CACHE
from mmsimtrack.deployment.export import draw_clip, export, follow
from mmsimtrack.engine.autocast import has_native_bfloat16
from mmsimtrack.fileio import lock_folder, write_json
from mmsimtrack.models import SOTTracker
from mmsimtrack.models.heads.corner_head import BoxHead
from mmsimtrack.runtime import Tracker
from mmsimtrack.structures import aligned_iou

# what an export can be run by, in which precision; the first proves it
CANDIDATES = (
    ('onnxruntime', 'fp32'),
    ('openvino', 'fp32'),
    ('openvino', 'bf16'),
)
MAX_LOSS = 0.002  # of the mean overlap with the boxes in fp32
PATIENCE = 60  # seconds; less work than this in torch is worth no export
SOURCES = ('models', 'deployment', 'structures')  # what an export depends on


class Exported(nn.Module):
    """Both networks of an export, as data preprocessor, backbone and head.

    Args:
        runtime: The tracker of the export, whose networks are used.
    """

    def __init__(self, runtime: Tracker) -> None:
        super().__init__()
        self.runtime = runtime

    @staticmethod
    def normalize(crops: Tensor) -> Tensor:
        """Leave crops (B, 3, H, W) uint8 as they are."""
        return crops

    def embed_exemplar(
        self, exemplar: Tensor, bbox: Tensor
    ) -> tuple[Tensor, ...]:
        """Compute the memory of crops, and of boxes (B, 4) in them."""
        inputs = {'exemplar': exemplar.numpy(), 'bbox': bbox.numpy()}
        found = self.runtime.run('exemplar', **inputs)
        return tuple(map(torch.from_numpy, found))

    def forward(self, memory: tuple[Tensor, ...], search: Tensor) -> tuple:
        """Compute boxes (B, 4) in the unit square, scores and peaks (B,)."""
        feed = {f'memory{i}': each.numpy() for i, each in enumerate(memory)}
        found = self.runtime.run('search', search=search.numpy(), **feed)
        return tuple(map(torch.from_numpy, found))

    @staticmethod
    def read(feat: tuple[Tensor, ...], prior: None) -> tuple[Tensor, ...]:
        """Return what `forward` has computed; a prior is in the network."""
        return feat

    predict = BoxHead.predict


def accelerate(
    model: SOTTracker,
    backend: str = 'auto',
    precision: str = 'auto',
    num_frames: int = 0,
    say: Callable[[str], None] = print,
) -> None:
    """Let a runtime compute the networks of a tracker, in its place.

    The networks are exported once to `$MMSIMTRACK_CACHE/exports`, which can
    be deleted whenever nothing tracks.

    Args:
        model: A tracker of `init_model`, on the CPU.
        backend: `'onnxruntime'` or `'openvino'`. `'auto'` measures what is
            installed and takes the fastest whose boxes overlap with those of
            torch by 1 - `MAX_LOSS`; it leaves the tracker to torch where
            that is faster, or nothing is installed, or there is no export
            yet and so few frames that it would not pay.
        precision: `'fp32'`, `'bf16'` (OpenVINO), or `'auto'`: fp32, and with
            `backend='auto'` also bf16 where the CPU computes with it.
        num_frames: How many frames there are to track; 0 if not known.
        say: Called with what is done, and why, in a line.

    Raises:
        ImportError: If the backend, or what an export needs, is missing.
        ValueError: If the backend does not compute in this precision, or the
            export does not give the boxes of torch.
    """
    is_auto = backend == 'auto'
    precisions = ['fp32'] if precision == 'auto' else [precision]
    if precision == 'auto' and is_auto and has_native_bfloat16():
        precisions.append('bf16')
    able = [
        (name, each)
        for name, each in CANDIDATES
        if backend in ('auto', name) and each in precisions
    ]
    device = next(model.parameters()).device.type
    if not is_auto and (device != 'cpu' or not able):
        raise ValueError(
            f'{backend} tracks on the CPU, in fp32 (openvino: or bf16); found '
            f'the device {device} and the precision {precision}. Leave out '
            '--device and --precision, or take --backend torch.'
        )
    needed = all(map(find_spec, ('onnx', 'onnxscript', 'onnxruntime')))
    is_known = hasattr(model, 'cfg')  # of `init_model`
    if is_auto and not (able and needed and is_known and device == 'cpu'):
        return
    folder, threads = _folder(model), torch.get_num_threads()
    if is_auto and not folder.exists():
        tracker = TorchTracker(model, device='cpu')
        if not num_frames or num_frames * _time(tracker, 3)[1] < PATIENCE:
            return
    chosen = able[0]
    try:
        _export_once(model, folder, say)
        if is_auto:
            chosen = _choose(_measure(model, folder, threads), able, say)
    except Exception as error:  # of exporters, which have many
        if not is_auto:
            raise
        say(f'torch tracks: {str(error).splitlines()[0]}')
        return
    if chosen:
        runtime = Tracker(folder, chosen[0], threads, chosen[1])
        networks = Exported(runtime)
        model.data_preprocessor = model.backbone = model.head = networks
        model.window = None  # is in the network


def _choose(rows: dict, able: list, say: Callable) -> tuple | None:
    """Choose backend and precision from what was measured; None is torch."""
    best, row = None, rows['torch']
    for name, precision in able:
        found = rows.get(f'{name} {precision}')
        if found and found['loss'] <= MAX_LOSS and found['ms'] < row['ms']:
            best, row = (name, precision), found
    if best:
        say(
            f'{best[0]} tracks in {best[1]}, the fastest here: {row["ms"]:.1f}'
            f' ms a frame, torch {rows["torch"]["ms"]:.1f}; mean overlap with '
            f'its boxes {1 - row["loss"]:.4f}'
        )
    else:
        say(f'torch tracks, the fastest here: {row["ms"]:.1f} ms a frame')
    return best


def _folder(model: SOTTracker) -> Path:
    """Name the folder of an export after all that it depends on."""
    cfg = json.dumps(model.cfg, sort_keys=True, default=str)
    digest = hashlib.sha256(f'{cfg} {torch.__version__}'.encode())
    for tensor in model.state_dict().values():
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    package = Path(__file__).parents[1]
    for name in SOURCES:
        for file in sorted((package / name).rglob('*.py')):
            digest.update(file.read_bytes())
    cache = Path(os.environ.get('MMSIMTRACK_CACHE', CACHE)).expanduser()
    return cache / 'exports' / digest.hexdigest()[:16]


def _export_once(model: SOTTracker, folder: Path, say: Callable) -> None:
    """Export a model, unless this or another process has done so."""
    with (
        lock_folder(folder.parent, wait=True),
        torch.autocast('cpu', enabled=False),
    ):
        if not folder.exists():
            say(f'the model is exported once, to {folder}')
            export(model, folder)


def _time(
    tracker, num_frames: int, given: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Track through a drawn clip: boxes, and the least seconds of a frame."""
    update, seconds = tracker.update, []

    def timed(frame: np.ndarray) -> tuple:
        start = time.perf_counter()
        found = update(frame)
        seconds.append(time.perf_counter() - start)
        return found

    tracker.update = timed
    bboxes = follow(tracker, *draw_clip(num_frames), given)
    return bboxes, min(seconds)


def _measure(model: SOTTracker, folder: Path, threads: int) -> dict:
    """Measure torch and what is installed, once for each environment.

    Returns:
        By backend and precision, and for torch as it is set up, `ms` of a
        frame and `loss` of the mean overlap with the boxes in fp32.
    """
    names = [name for name, _ in CANDIDATES if find_spec(name)]
    about = [f'{name} {version(name)}' for name in dict.fromkeys(names)]
    about += [platform.node(), threads, torch.is_autocast_enabled('cpu')]
    path = folder / 'speed.json'
    if path.exists():
        known = json.loads(path.read_text('utf-8'))
        if known['about'] == about:
            return known['rows']
    _, seconds = _time(TorchTracker(model, device='cpu'), 10)
    rows, expected = {'torch': {'ms': 1000 * seconds}}, None
    for name, precision in CANDIDATES:
        if name not in names:
            continue
        tracker = Tracker(folder, name, threads, precision)
        bboxes, seconds = _time(tracker, 10, expected)
        expected = bboxes if expected is None else expected
        loss = 1 - float(aligned_iou(bboxes, expected).mean())
        rows[f'{name} {precision}'] = {'ms': 1000 * seconds, 'loss': loss}
    write_json(path, {'about': about, 'rows': rows})
    return rows
