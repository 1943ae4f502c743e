"""The tracker of an exported model."""

import hashlib
import json
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np

from ..structures.bbox import check_first_box, read_boxes
from ..structures.tracking import BoxRules, check_frames, cut_crops
from .backends import choose_backend, load_network

VERSION = 1  # of tracker.json
_FIX = 'Copy the whole folder, or export the model again.'
_NETWORKS = 'exemplar', 'search'


class Tracker:
    """Follows targets with the networks that `mmsimtrack export` wrote.

    Its boxes are those of `SOTInferencer` with the same model.

    Args:
        folder: Folder with `tracker.json` and the networks.
        backend: `'onnxruntime'`, `'openvino'` or `'torch'`, whatever runs the
            format of the networks; `'auto'` takes the first one that is
            installed.
        threads: Number of threads of the backend; None leaves it the choice.
        precision: See `load_network`; None is that of the export.

    Attributes:
        settings: Content of `tracker.json`.
        backend: What runs the networks.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the folder is of another version or damaged, or the
            backend cannot run its format.
        ImportError: If the backend is not installed.
    """

    def __init__(
        self,
        folder: str | Path,
        backend: str = 'auto',
        threads: int | None = None,
        precision: str | None = None,
    ) -> None:
        self.settings = settings = read_settings(folder)
        self.backend = choose_backend(settings['format'], backend)
        self._networks = {}
        for name in _NETWORKS:
            self._networks[name] = load_network(
                Path(folder, settings['files'][name]),
                self.backend,
                settings['inputs'][name],
                precision or settings['precision'],
                threads,
            )
        names = (field.name for field in fields(BoxRules))
        self._rules = BoxRules(**{name: settings.get(name) for name in names})
        self._memory = None

    def init(self, frame: np.ndarray, bbox) -> None:
        """Start with the targets of a frame.

        Args:
            frame: (H, W, 3) RGB uint8.
            bbox: (4,) xyxy in frame pixels, or (N, 4) of N targets.

        Raises:
            ValueError: If a box is not finite, has no area or lies wholly
                outside of the frame.
        """
        bboxes = read_boxes(bbox)
        frames = check_frames([frame], 1) * len(bboxes)
        for row, each in enumerate(bboxes):
            check_first_box(each, frames[0].shape, f'Target {row}')
        crops, windows = cut_crops(frames, bboxes, self.settings['exemplar'])
        unit = [w.to_crop(each) for w, each in zip(windows, bboxes)]
        found = self.run(
            'exemplar', exemplar=crops, bbox=np.float32(unit).reshape(-1, 4)
        )
        self._memory = {f'memory{i}': each for i, each in enumerate(found)}
        self._single = np.ndim(bbox) == 1
        self._known = self._rules.start(bboxes, partial(self._find, frames))

    def update(self, frame: np.ndarray):
        """Find the targets in the next frame.

        Returns:
            Whether the target is seen (if it is lost, or the network gave no
            finite box, the former one stands), (4,) xyxy in frame pixels, and
            the score in [0, 1]; for N targets (N,), (N, 4) and (N,).

        Raises:
            RuntimeError: If `init` was not called.
        """
        if self._memory is None:
            raise RuntimeError(
                'Tracker.update was called before Tracker.init. Call '
                'init(frame, bbox) with the first frame.'
            )
        before = self._known
        frames = check_frames([frame], 1) * len(before['bboxes'])
        predict = partial(self._find, frames)
        self._known = known = self._rules.follow(frames, before, predict)
        seen = known['num_failed'] == before['num_failed']
        seen &= known.get('missed', np.zeros(len(seen))) == 0
        bboxes, scores = known['bboxes'].copy(), known['scores'].copy()
        if self._single:
            return bool(seen[0]), bboxes[0], scores[0].item()
        return seen, bboxes, scores

    def _find(self, frames, around: np.ndarray) -> tuple[np.ndarray, ...]:
        """Predict around boxes: boxes in frame pixels, scores, peaks."""
        crops, windows = cut_crops(frames, around, self.settings['search'])
        unit, scores, *peaks = self.run('search', search=crops, **self._memory)
        bboxes = [w.to_frame(each) for w, each in zip(windows, unit)]
        peaks = peaks[0] if peaks else np.full_like(scores, np.nan)
        return np.stack(bboxes), scores, peaks.astype(np.float64)

    def run(self, name: str, **feed: np.ndarray) -> list[np.ndarray]:
        """Run a network, in pieces if its batch is fixed.

        Args:
            name: `'exemplar'` or `'search'`.
            **feed: Its inputs by their names in `tracker.json`, batch first.

        Returns:
            Its outputs, in the order of `tracker.json`.
        """
        network, batch = self._networks[name], self.settings['batch']
        count = len(next(iter(feed.values())))
        if batch is None or batch == count:
            return network(feed)
        pieces = []
        for start in range(0, count, batch):
            # the last rows again and again, until the batch is full
            rows = np.minimum(np.arange(start, start + batch), count - 1)
            pieces.append(network({k: v[rows] for k, v in feed.items()}))
        return [np.concatenate(parts)[:count] for parts in zip(*pieces)]


def read_settings(folder: str | Path) -> dict:
    """Read `tracker.json` of an exported model.

    Raises:
        FileNotFoundError: If it is missing, or a file that it names.
        ValueError: If it is of another version or damaged, or a file is not
            the one that was exported.
    """
    path = Path(folder, 'tracker.json')
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} is missing, expected the folder of an exported model. '
            'Write one: mmsimtrack export MODEL --out DIR.'
        )
    try:
        settings = json.loads(path.read_text('utf-8'))
        version = settings.get('version')
    except (AttributeError, ValueError) as error:
        raise ValueError(f'{path} is broken ({error}). {_FIX}') from None
    if version != VERSION:
        raise ValueError(
            f'{path}: version is {version!r}, expected '
            f'{VERSION}. Export the model again, or install the version of '
            'the package that wrote it.'
        )
    if settings.get('digest') != digest(settings):
        raise ValueError(
            f'{path} is not as an export wrote it: its digest is another one '
            f'than that of its settings. {_FIX}'
        )
    sums = settings['sha256']
    for file in {*sums, *map(settings['files'].get, _NETWORKS)}:
        network = Path(folder, file)
        if not network.is_file():
            raise FileNotFoundError(
                f'{network} is missing, but tracker.json names it. {_FIX}'
            )
        if hashlib.sha256(network.read_bytes()).hexdigest() != sums.get(file):
            raise ValueError(
                f'{network} is not the file that was exported: tracker.json '
                f'has another sha256. {_FIX}'
            )
    return settings


def digest(settings: dict) -> str:
    """Compute the sha256 of all settings but the `digest` among them."""
    others = {k: v for k, v in settings.items() if k != 'digest'}
    text = json.dumps(others, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
