"""Training pairs, each an exemplar and a search crop of one sequence."""

import functools
import logging
import os.path as osp
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy import ndarray as Array
from numpy.random import Generator
from torch.utils.data import Dataset

from mmsimtrack.datasets.frame_sampling import SamplingPolicy
from mmsimtrack.datasets.frames import CorruptFrameError
from mmsimtrack.datasets.sequence_dataset import check_option
from mmsimtrack.datasets.transforms.warp import (
    PairWarps,
    cut_warped,
    warp_bbox,
    warp_points,
)
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.log import log, warn
from mmsimtrack.registry import DATASETS, TRANSFORMS
from mmsimtrack.structures import CropWindow
from mmsimtrack.structures.bbox import MOST_FRAMES, is_huge

# a pair is redrawn when a crop misses its frame or, if so wished, when a
# frame is corrupt
MAX_REDRAWS = 100


@DATASETS.register_module()
class PairDataset(Dataset):
    """A data set of pairs, each a pure function of its key `(seed, k)`.

    Frames are drawn and crops are jittered as in STARK-S.

    A pair does not depend on the worker, the rank or the pairs before it, so
    training can be resumed and scaled without a change of the data. A set of
    images gives both views of a pair from the same image; with `warp` they
    are two different views of it, so that pictures can train a tracker.

    Args:
        datasets: Configs of `SequenceDataset`s.
        ratios: How often to draw from each, in any unit; 1:1:1:1 in the
            paper's training.
        exemplar: `size` in pixels and `factor` of the exemplar crop.
        search: The same for the search crop.
        jitter: `center` and `scale` of the jitter of the search crop.
        sampling: Arguments of `SamplingPolicy`: `max_gap`, `min_frames`,
            `min_visible` and `mode`.
        transforms: Configs of transforms, from augmentation to packing.
        reading: Arguments of `ReadingPolicy`: `reduced` and `on_corrupt`.
        warp: Arguments of `PairWarps`: random geometry beside the jitter,
            composed into the cut, and what shows beyond the frame. None cuts
            as the tracker does.
    """

    def __init__(
        self,
        datasets: Sequence[dict],
        ratios: Sequence[float],
        exemplar: dict,
        search: dict,
        jitter: dict,
        sampling: dict,
        transforms: Sequence[dict],
        reading: dict | None = None,
        warp: dict | None = None,
    ) -> None:
        if len(ratios) != len(datasets):
            raise ValueError(
                f'PairDataset: {len(ratios)} ratios for {len(datasets)} data '
                'sets. Give one number per data set in the config.'
            )
        self.sampling = SamplingPolicy(**sampling)
        self.datasets = [DATASETS.build(cfg) for cfg in datasets]
        self.shares = np.divide(ratios, np.sum(ratios))
        self.exemplar = dict(exemplar)
        self.search = dict(search)
        self.jitter = dict(jitter)
        self.reading = ReadingPolicy(**(reading or {}))
        self.transforms = [TRANSFORMS.build(cfg) for cfg in transforms]
        self.warps = None if warp is None else PairWarps(**warp)
        self._usable = list(map(self._find_usable, self.datasets))
        self._outlined = [
            (dataset, dataset.with_outline())
            for dataset in self.datasets
            if getattr(dataset, 'masks', False)
        ]

    def __len__(self) -> int:
        """Count the sequences that pairs are drawn from."""
        return sum(map(len, self._usable))

    def __getitem__(self, key: tuple[int, int]) -> dict:
        """Return the pair of a key `(seed, k)`, as the last transform does."""
        rng = np.random.default_rng(key)
        pair = self._find_pair(tuple(key), rng)
        pair.update(rng=rng, key=tuple(key))
        pair['draw_object'] = functools.partial(self.draw_object, rng)
        pair['draw_background'] = functools.partial(self.draw_background, rng)
        for transform in self.transforms:
            pair = transform(pair)
        return pair

    def _find_pair(self, key: tuple, rng: Generator) -> dict:
        """Draw until both frames can be read and both crops hit them."""
        corrupt = []
        for _ in range(MAX_REDRAWS):
            sequence, *frames = self.draw(rng)
            try:
                pair = self.cut(sequence, *frames, rng)
            except CorruptFrameError as error:
                self.reading.skip(error)
                corrupt.append(error)
                continue
            if pair is not None:
                pair.update(sequence=sequence.name, frames=tuple(frames))
                pair['folder'] = osp.dirname(sequence.frame_template)
                return pair | {'num_corrupt': len(corrupt)}
        last = f' The last corrupt frame: {corrupt[-1]}' if corrupt else ''
        raise RuntimeError(
            f'PairDataset: pair {key}: {MAX_REDRAWS} draws in a row failed, '
            f'{len(corrupt)} of them for a corrupt frame, the others since a '
            'crop lay outside of its frame. Check the annotations, or lower '
            f'jitter.center in the config.{last}'
        )

    def draw(self, rng: Generator) -> tuple[VideoSequence, int, int]:
        """Draw a sequence and two of its frames that show the target.

        Of a set of images, both are the same image.
        """
        which = rng.choice(len(self.datasets), p=self.shares)
        dataset = self.datasets[which]
        sequence = dataset.get_sequence(int(rng.choice(self._usable[which])))
        if dataset.single_frame:
            return sequence, 0, 0
        visible = np.flatnonzero(sequence.visible)
        return sequence, *self.sampling.draw(visible, rng)

    def cut(self, sequence, t_exemplar, t_search, rng) -> dict | None:
        """Read the frames and cut the crops.

        Args:
            sequence: A `VideoSequence`.
            t_exemplar: Number of the exemplar frame.
            t_search: Number of the search frame.
            rng: Generator of the pair.

        Returns:
            `exemplar` and `search`, (size, size, 3) RGB uint8, and their
            boxes `exemplar_bbox` and `search_bbox`, (4,) xyxy in the unit
            square; None if a crop lies outside of its frame. `search_padded`
            is the share of the window that lies beyond the frame, and
            `search_outline` are the polygons of the target, if known, in the
            unit square; likewise for the exemplar.
        """
        # the search crop first: it is jittered, so it misses its frame more
        times = {'search': t_search, 'exemplar': t_exemplar}
        bboxes = {view: sequence.bboxes[t] for view, t in times.items()}
        draws = rng.standard_normal(2), rng.random(2)
        around = jitter_bbox(bboxes['search'], *draws, **self.jitter)
        windows = {
            'search': CropWindow.around(around, **self.search),
            'exemplar': CropWindow.around(bboxes['exemplar'], **self.exemplar),
        }
        pair, frames = {}, {}
        for view, t in times.items():
            window, bbox = windows[view], bboxes[view]
            if t not in frames:
                sharing = [windows[v] for v in times if times[v] == t]
                frames[t] = self.reading.read(sequence, t, sharing)
            frame, reduction = frames[t]
            shape = np.multiply(frame.shape[:2], reduction)
            padded = window.padded_share(shape)
            too_large = is_huge(bbox[2:] - bbox[:2], shape)
            if padded == 1 or too_large:
                window = CropWindow.around(bbox, **getattr(self, view))
                if too_large or window.padded_share(shape) == 1:
                    _warn_outside(sequence, t)
                return None
            in_crop = window.to_crop(bbox)
            outline = list(map(window.to_crop, sequence.outline))
            if self.warps is None:
                pair[view] = window.cut(frame, reduction)
            else:
                warp = self.warps.draw(len(sequence) == 1, view, rng)
                border = self.warps.draw_border(rng) if padded else 'reflect'
                fill = self._fill(border, window.size, rng)
                pair[view] = cut_warped(frame, window, warp, fill, reduction)
                in_crop = warp_bbox(in_crop, warp)
                outline = [warp_points(polygon, warp) for polygon in outline]
            pair[f'{view}_padded'] = padded
            pair[f'{view}_bbox'] = in_crop
            pair[f'{view}_outline'] = outline
        return pair

    def _fill(self, border: str, size: int, rng: Generator) -> Array | None:
        """Return what shows beyond a frame; see `cut_warped`."""
        if border == 'black':
            return np.zeros((size, size, 3), np.uint8)
        background = border == 'background'
        return self.draw_background(rng, size) if background else None

    def draw_object(self, rng: Generator) -> tuple[Array, list[Array]]:
        """Draw an object that has an outline.

        Returns:
            A picture, (H, W, 3) RGB uint8, and polygons (P, 2) in its pixels.

        Raises:
            ValueError: If no data set has outlines.
        """
        if not self._outlined:
            raise ValueError(
                'PairDataset: a transform pastes objects, but no data set has '
                'outlines. Set masks=True of a CocoDataset, or leave the '
                'transform out of the config.'
            )
        dataset, indices = self._outlined[rng.integers(len(self._outlined))]
        sequence = dataset.get_sequence(int(rng.choice(indices)))
        return sequence.read_frame(0), sequence.outline

    def draw_background(self, rng: Generator, size: int) -> Array:
        """Draw a square piece of a frame, (size, size, 3) RGB uint8."""
        sequence, t, _ = self.draw(rng)
        frame = sequence.read_frame(t)
        height, width = frame.shape[:2]
        side = int(min(height, width) * rng.uniform(0.5, 1))
        top = rng.integers(height - side + 1)
        left = rng.integers(width - side + 1)
        piece = frame[top : top + side, left : left + side]
        return cv2.resize(piece, (size, size), interpolation=cv2.INTER_AREA)

    def _find_usable(self, dataset) -> Array:
        """Find the indices of the sequences that are long enough."""
        limits = self.sampling.min_frames, self.sampling.min_visible
        min_frames, min_visible = (1, 1) if dataset.single_frame else limits
        usable = np.flatnonzero(
            (dataset.num_frames() >= min_frames)
            & (dataset.num_visible() >= min_visible)
        )
        if not usable.size:
            raise ValueError(
                f'PairDataset: none of the {len(dataset)} sequences of '
                f'{type(dataset).__name__} in {dataset.data_root} has '
                f'{min_frames} frames and {min_visible} visible ones. Lower '
                'sampling.min_frames and sampling.min_visible in the config, '
                'or check the annotations.'
            )
        return usable


@dataclass
class ReadingPolicy:
    """The rules by which a `PairDataset` reads frames.

    Attributes:
        reduced: Whether to decode JPEGs at 1/2, 1/4 or 1/8 of their size
            where the crop is at least as much smaller than its window. That
            is faster, and such a crop averages pixels where the default
            picks some; see docs/en/throughput.md.
        on_corrupt: `raise` stops at a frame that is empty, truncated or no
            image; `skip` logs it, and the pair is drawn again. A missing file
            always stops the training.

    Raises:
        ValueError: If `on_corrupt` is neither.
    """

    reduced: bool = False
    on_corrupt: str = 'raise'
    _logged: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        name = 'PairDataset: reading.on_corrupt'
        check_option(name, self.on_corrupt, ('raise', 'skip'))

    def read(
        self, sequence: VideoSequence, t: int, windows: Iterable[CropWindow]
    ) -> tuple[Array, int]:
        """Read frame t of a sequence.

        Args:
            sequence: The sequence.
            t: Number of the frame.
            windows: What will be cut out of the frame.

        Returns:
            (h, w, 3) RGB uint8, and by how much the frame is reduced.
        """
        if not self.reduced:
            return sequence.read_frame(t), 1
        reduction = min(window.reduction() for window in windows)
        return sequence.read_reduced(t, reduction)

    def skip(self, error: CorruptFrameError) -> None:
        """Raise the error of a corrupt frame, or log it.

        Each process logs each frame once, as an error, so that all ranks
        show it.
        """
        if self.on_corrupt == 'raise':
            raise error
        if str(error) not in self._logged:
            self._logged.add(str(error))
            log(
                f'{error} The pair is drawn again (on_corrupt=skip); this '
                f'worker has met {len(self._logged)} corrupt frames.',
                logging.ERROR,
            )


def fill_pairs(dataset: dict | Dataset, model: Mapping) -> dict | Dataset:
    """Fill the config of a pair data set with the crops of a model.

    Training and validation loop call it, and all tools that draw pairs, so
    that sizes and jitter stand in the config of the model only.

    Args:
        dataset: Any data set, or its config; only the config of a
            `PairDataset` is filled. A `jitter` of its own stays.
        model: Config of a tracker: `exemplar`, `search` and, in `train_cfg`,
            `jitter`.

    Returns:
        What to build.

    Raises:
        ValueError: If the data set has crops that are not the model's.
    """
    kind = dataset.get('type') if isinstance(dataset, dict) else None
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(kind, type) and issubclass(kind, PairDataset)):
        return dataset
    crops = {v: model[v] for v in ('exemplar', 'search') if v in model}
    for view, crop in crops.items():
        if dataset.get(view, crop) != crop:
            raise ValueError(
                f'The pairs have {view}={dict(dataset[view])}, but the model '
                f'has {dict(crop)}. Leave {view} out of the data set: pairs '
                f'are cut as model.{view} says.'
            )
    train_cfg = model.get('train_cfg') or {}
    if 'jitter' in train_cfg:
        crops['jitter'] = train_cfg['jitter']
    return {**crops, **dataset}


def _warn_outside(sequence: VideoSequence, t: int) -> None:
    """Log a huge box, or one whose window misses the frame unjittered."""
    warn(
        f'{sequence.frame_path(t)}: the annotated box '
        f'{sequence.bboxes[t].tolist()} (xyxy) lies far outside of the '
        f'frame, or is over {MOST_FRAMES} times as large. The pair is '
        'redrawn; correct the annotation.'
    )


def jitter_bbox(
    bbox: Array,
    normal: Array,
    uniform: Array,
    center: float,
    scale: float,
) -> Array:
    """Move and scale a box as STARK-S does, to place the search crop.

    Args:
        bbox: (4,) xyxy.
        normal: (2,) standard normal draws, for width and height.
        uniform: (2,) draws from [0, 1), for x and y of the centre.
        center: The centre moves by up to half of this, in units of
            sqrt(w * h) of the new size.
        scale: Standard deviation of the logarithm of the sides.

    Returns:
        (4,) xyxy.
    """
    size = (bbox[2:] - bbox[:2]) * np.exp(scale * normal)
    reach = np.sqrt(size.prod()) * center
    middle = (bbox[:2] + bbox[2:]) / 2 + (uniform - 0.5) * reach
    return np.concatenate([middle - size / 2, middle + size / 2])
