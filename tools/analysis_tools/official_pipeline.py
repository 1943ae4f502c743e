"""The data pipeline of the official SimTrack code, to time ours against.

Written after the description of github LPXTT/SimTrack, commit a89a268, step
by step: both frames are decoded in full, gray and flip change whole frames, a
float64 mask of the padding is cut and resized beside each crop, brightness
and normalization run in float32 on the CPU. Left out, to its advantage: it
parses text annotations for every pair, and keeps an empty segmentation mask
of each frame.

A pair has the draws of `PairDataset`: one key gives the same frames and the
same windows in both.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from mmsimtrack.datasets import PairDataset, VideoSequence, jitter_bbox
from mmsimtrack.structures import xywh_to_xyxy, xyxy_to_xywh

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
PATCH = 16  # of the validity test, whatever the network's patches


class OfficialPipeline(Dataset):
    """Items are pairs of a key; images are RGB, boxes xywh.

    Args:
        pairs: Whose draws, crop sizes and jitter are taken.
    """

    def __init__(self, pairs: PairDataset) -> None:
        self.pairs = pairs

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        """Exemplar and search crop of a key, normalized, with boxes."""
        rng = np.random.default_rng(key)
        while True:
            sequence, *frames = self.pairs.draw(rng)
            images = [self.read(sequence, t) for t in frames]
            bboxes_xywh = xyxy_to_xywh(sequence.bboxes[frames])
            jitters = [None, (rng.standard_normal(2), rng.random(2))]
            images, bboxes_xywh = self.augment_frames(images, bboxes_xywh, rng)
            views = self.crop_all(images, bboxes_xywh, jitters)
            if views is not None:
                break
        views = [self.augment_crop(*view, rng) for view in views]
        return self.pack(views)

    def read(self, sequence: VideoSequence, t: int) -> np.ndarray:
        """Decode a frame."""
        return cv2.cvtColor(
            cv2.imread(sequence.frame_path(t)), cv2.COLOR_BGR2RGB
        )

    def augment_frames(
        self, images: list, bboxes_xywh: np.ndarray, rng: np.random.Generator
    ) -> tuple[list, np.ndarray]:
        """Gray (p 0.05) and flip (p 0.5) of whole frames, both or none."""
        if rng.random() < 0.05:
            grays = [
                cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images
            ]
            images = [np.stack([gray] * 3, axis=2) for gray in grays]
        if rng.random() < 0.5:
            bboxes_xywh = bboxes_xywh.copy()
            for i, image in enumerate(images):
                x, _, w, _ = bboxes_xywh[i]
                bboxes_xywh[i, 0] = image.shape[1] - 1 - (x + w)
            images = [np.fliplr(image).copy() for image in images]
        return images, bboxes_xywh

    def crop_all(
        self, images: list, bboxes_xywh: np.ndarray, jitters: list
    ) -> list | None:
        """Crop, box and padding mask of both views; None if invalid."""
        views = []
        for image, bbox_xywh, view, draws in zip(
            images,
            bboxes_xywh,
            (self.pairs.exemplar, self.pairs.search),
            jitters,
        ):
            around_xywh = bbox_xywh
            if draws is not None:
                around_xywh = xyxy_to_xywh(
                    jitter_bbox(
                        xywh_to_xyxy(bbox_xywh), *draws, **self.pairs.jitter
                    )
                )
            if view['factor'] * math.sqrt(np.prod(around_xywh[2:])) < 1:
                return None
            views.append(self.crop(image, bbox_xywh, around_xywh, **view))
            if not is_valid(views[-1][-1]):
                return None
        return views

    def crop(
        self,
        image: np.ndarray,
        bbox_xywh: np.ndarray,
        around_xywh: np.ndarray,
        factor: float,
        size: int,
    ) -> tuple[np.ndarray, Tensor, np.ndarray]:
        """Cut a padded square and a float64 mask of it, resize both."""
        x, y, w, h = around_xywh.tolist()
        side = math.ceil(math.sqrt(w * h) * factor)
        x1, y1 = round(x + 0.5 * (w - side)), round(y + 0.5 * (h - side))
        x2, y2 = x1 + side, y1 + side
        height, width = image.shape[:2]
        left, right = max(0, -x1), max(x2 - width + 1, 0)
        top, bottom = max(0, -y1), max(y2 - height + 1, 0)
        if left + right >= side or top + bottom >= side:
            square = np.zeros((side, side, 3), np.uint8)
            mask = np.ones((side, side))
        else:
            square = image[y1 + top : y2 - bottom, x1 + left : x2 - right]
            square = cv2.copyMakeBorder(
                square, top, bottom, left, right, cv2.BORDER_CONSTANT
            )
            mask = np.ones((side, side))
            mask[top : side - bottom, left : side - right] = 0
        square = cv2.resize(square, (size, size))
        mask = cv2.resize(mask, (size, size)).astype(bool)
        scale = size / side
        bbox, around = torch.tensor(bbox_xywh), torch.tensor(around_xywh)
        middle = bbox[:2] + bbox[2:] / 2 - around[:2] - around[2:] / 2
        middle = (size - 1) / 2 + middle * scale
        extent = bbox[2:] * scale
        return square, torch.cat([middle - extent / 2, extent]) / size, mask

    def augment_crop(
        self,
        square: np.ndarray,
        bbox_xywh: Tensor,
        mask: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Brightness in float, flip, normalization; each view by itself."""
        image = torch.from_numpy(square.transpose(2, 0, 1))
        mask = torch.from_numpy(mask)
        factor = rng.uniform(0.8, 1.2)
        image = image.float().mul(factor / 255).clamp(0, 1)
        if rng.random() < 0.5:
            image, mask = image.flip((2,)), mask.flip((1,))
            bbox_xywh = bbox_xywh.clone()
            bbox_xywh[0] = 1 - bbox_xywh[0] - bbox_xywh[2]
        return (image - MEAN) / STD, bbox_xywh, mask

    def pack(self, views: list) -> dict[str, Tensor]:
        """Name what the network and the loss take."""
        packed = {}
        for name, (image, bbox_xywh, mask) in zip(
            ('exemplar', 'search'), views
        ):
            packed[name] = image
            packed[f'{name}_bbox'] = bbox_xywh.float()
            packed[f'{name}_mask'] = mask
        return packed

    def collate(self, batch: list[dict]) -> dict[str, Tensor]:
        """Stack pairs; float32 images."""
        return {
            name: torch.stack([pair[name] for pair in batch])
            for name in batch[0]
        }


def is_valid(mask: np.ndarray) -> bool:
    """Whether image remains in a padding mask, and after its reduction."""
    cells = F.interpolate(
        torch.from_numpy(mask)[None, None].float(),
        size=(len(mask) // PATCH,) * 2,
    )
    return not mask.all() and not cells.bool().all()
