"""Training pairs: an exemplar and a search crop of one sequence."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import Dataset

from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.registry import DATASETS, TRANSFORMS
from mmsimtrack.structures import CropWindow

MAX_REDRAWS = 100  # a pair is redrawn when a crop misses its frame


@DATASETS.register_module()
class PairDataset(Dataset):
    """Pairs as in STARK-S, each a pure function of its key `(seed, k)`.

    A pair does not depend on the worker, the rank or the pairs before it, so
    training can be resumed and scaled without a change of the data. A set of
    images gives both views of a pair from the same image.

    Args:
        datasets: Configs of `SequenceDataset`s.
        ratios: How often to draw from each, in any unit; 1:1:1:1 in the
            paper's training.
        exemplar: `size` in pixels and `factor` of the exemplar crop.
        search: The same for the search crop.
        jitter: `center` and `scale` of the jitter of the search crop.
        max_gap: Search frames are less than this many frames later.
        min_frames: Videos shorter than this are not drawn.
        min_visible: Neither are those with fewer visible frames; >= 2.
        transforms: Configs of transforms, from augmentation to packing.
    """

    def __init__(
        self,
        datasets: Sequence[dict],
        ratios: Sequence[float],
        exemplar: dict,
        search: dict,
        jitter: dict,
        max_gap: int,
        min_frames: int,
        min_visible: int,
        transforms: Sequence[dict],
    ) -> None:
        if len(ratios) != len(datasets):
            raise ValueError(
                f'PairDataset: {len(ratios)} ratios for {len(datasets)} data '
                'sets. Give one number per data set in the config.'
            )
        if min_visible < 2:
            raise ValueError(
                f'PairDataset: min_visible is {min_visible}, expected at '
                'least 2: both frames of a pair show the target. Change it '
                'in the config.'
            )
        self.datasets = [DATASETS.build(cfg) for cfg in datasets]
        self.shares = np.divide(ratios, np.sum(ratios))
        self.exemplar = dict(exemplar)
        self.search = dict(search)
        self.jitter = dict(jitter)
        self.max_gap = max_gap
        self.min_frames = min_frames
        self.min_visible = min_visible
        self.transforms = [TRANSFORMS.build(cfg) for cfg in transforms]
        self._usable = [
            self._find_usable(dataset) for dataset in self.datasets
        ]

    def __len__(self) -> int:
        """Number of sequences that pairs are drawn from."""
        return sum(map(len, self._usable))

    def __getitem__(self, key: tuple[int, int]) -> dict:
        """The pair of a key `(seed, k)`; what the last transform returns."""
        rng = np.random.default_rng(key)
        for _ in range(MAX_REDRAWS):
            sequence, t_exemplar, t_search = self.draw(rng)
            views = self.cut(sequence, t_exemplar, t_search, rng)
            if views is not None:
                break
        else:
            raise RuntimeError(
                f'PairDataset: pair {tuple(key)}: {MAX_REDRAWS} crops '
                'in a row lay outside of their frame. Expected boxes inside '
                'of the frames; check the annotations, or lower jitter.center '
                'in the config.'
            )
        pair = {
            **views,
            'rng': rng,
            'key': tuple(key),
            'sequence': sequence.name,
            'frames': (t_exemplar, t_search),
        }
        for transform in self.transforms:
            pair = transform(pair)
        return pair

    def draw(self, rng: np.random.Generator) -> tuple[VideoSequence, int, int]:
        """Draw a sequence and two of its frames, both visible.

        Causal mode of STARK: the search frame follows the exemplar frame by
        less than `max_gap` frames. Where no visible frame does, another
        exemplar frame is drawn and the gap grows by 5. An image is drawn
        twice.
        """
        which = rng.choice(len(self.datasets), p=self.shares)
        dataset = self.datasets[which]
        i = rng.choice(self._usable[which])
        sequence = dataset.get_sequence(int(i))
        if dataset.single_frame:
            return sequence, 0, 0
        visible = np.flatnonzero(sequence.visible)
        gap = self.max_gap
        while True:
            # the last visible frame has no successor
            t = rng.choice(visible[:-1])
            later = visible[(visible > t) & (visible < t + gap)]
            if len(later):
                return sequence, int(t), int(rng.choice(later))
            gap += 5

    def cut(
        self,
        sequence: VideoSequence,
        t_exemplar: int,
        t_search: int,
        rng: np.random.Generator,
    ) -> dict | None:
        """Read the frames and cut the crops.

        Returns:
            `exemplar` and `search`, (size, size, 3) RGB uint8, and their
            boxes `exemplar_bbox` and `search_bbox`, (4,) xyxy in the unit
            square; None if a crop lies outside of its frame.
        """
        exemplar, search = sequence.bboxes[[t_exemplar, t_search]]
        jittered = jitter_bbox(
            search, rng.standard_normal(2), rng.random(2), **self.jitter
        )
        views = {}
        read_frame = functools.cache(sequence.read_frame)
        # the search crop, since it is jittered, misses its frame more often
        for name, view, t, bbox, around in (
            ('search', self.search, t_search, search, jittered),
            ('exemplar', self.exemplar, t_exemplar, exemplar, exemplar),
        ):
            frame = read_frame(t)
            window = CropWindow.around(around, **view)
            if window.padded_share(frame.shape) == 1:
                window = CropWindow.around(bbox, **view)
                if window.padded_share(frame.shape) == 1:
                    print_log(
                        f'{sequence.frame_path(t)}: the annotated box '
                        f'{bbox.tolist()} (xyxy) lies far outside of the '
                        'frame. The pair is redrawn; correct the annotation.',
                        'current',
                        level=logging.WARNING,
                    )
                return None
            views[name] = window.cut(frame)
            views[f'{name}_bbox'] = window.to_crop(bbox)
        return views

    def _find_usable(self, dataset) -> np.ndarray:
        """Indices of the sequences that are long enough to draw from."""
        limits = self.min_frames, self.min_visible
        min_frames, min_visible = (1, 1) if dataset.single_frame else limits
        usable = np.flatnonzero(
            (dataset.num_frames() >= min_frames)
            & (dataset.num_visible() >= min_visible)
        )
        if not len(usable):
            raise ValueError(
                f'PairDataset: none of the {len(dataset)} sequences of '
                f'{type(dataset).__name__} in {dataset.data_root} has '
                f'{min_frames} frames and {min_visible} visible ones. Lower '
                'min_frames and min_visible in the config, or check the '
                'annotations.'
            )
        return usable


def jitter_bbox(
    bbox: np.ndarray,
    normal: np.ndarray,
    uniform: np.ndarray,
    center: float,
    scale: float,
) -> np.ndarray:
    """Displace a box as STARK-S does; it only places the search crop.

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
