"""The data pipeline of the official SimTrack code, to time ours against.

Written after the description of github LPXTT/SimTrack, commit a89a268, step
by step: both frames are decoded in full, gray and flip change whole frames, a
float64 mask of the padding is cut and resized beside each crop, brightness
and normalization run in float32 on the CPU. Left out, to its advantage: it
parses text annotations for every pair, and keeps an empty segmentation mask
of each frame.

A pair has the draws of `PairDataset`: one key gives the same frames and the
same windows in both. Images are RGB, boxes xywh.
"""

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import Dataset

from mmsimtrack.datasets import jitter_bbox
from mmsimtrack.structures import xywh_to_xyxy, xyxy_to_xywh

from . import released_tracking

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
PATCH = 16  # of the validity test, whatever the network's patches


class ReleasedPairs(Dataset):
    """Pairs by key, with the draws, crop sizes and jitter of a PairDataset."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __getitem__(self, key):
        rng = np.random.default_rng(key)
        while True:
            sequence, *frames = self.pairs.draw(rng)
            images = [self.read(sequence, t) for t in frames]
            bboxes_xywh = xyxy_to_xywh(sequence.bboxes[frames])
            jitter = rng.standard_normal(2), rng.random(2)
            images, bboxes_xywh = self.augment_frames(images, bboxes_xywh, rng)
            around = xywh_to_xyxy(bboxes_xywh[1])
            around = jitter_bbox(around, *jitter, **self.pairs.jitter)
            around = [bboxes_xywh[0], xyxy_to_xywh(around)]
            views = [self.pairs.exemplar, self.pairs.search]
            try:
                crops = [
                    self.crop(*parts, **view)
                    for *parts, view in zip(images, bboxes_xywh, around, views)
                ]
            except ValueError:  # too small
                continue
            if all(is_valid(mask) for *_, mask in crops):
                return self.pack([self.augment_crop(*c, rng) for c in crops])

    def read(self, sequence, t):
        image = cv2.imread(sequence.frame_path(t))
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def augment_frames(self, images, bboxes_xywh, rng):
        """Gray (p 0.05) and flip (p 0.5) of whole frames, both or none."""
        if rng.random() < 0.05:
            grays = [cv2.cvtColor(i, cv2.COLOR_RGB2GRAY) for i in images]
            images = [np.stack([gray] * 3, axis=2) for gray in grays]
        if rng.random() < 0.5:
            x, _, w, _ = bboxes_xywh.T
            sides = np.array([image.shape[1] for image in images])
            bboxes_xywh = bboxes_xywh.copy()
            bboxes_xywh[:, 0] = sides - 1 - (x + w)
            images = [np.fliplr(image).copy() for image in images]
        return images, bboxes_xywh

    def crop(self, image, bbox_xywh, around_xywh, factor, size):
        """Crop, box in it, and mask of the padding."""
        cut = released_tracking.crop(image, around_xywh, factor, size)
        bbox_xywh = released_tracking.box_into_crop(
            bbox_xywh, around_xywh, cut.resize_factor, size
        )
        return cut.image, torch.from_numpy(bbox_xywh), cut.mask

    def augment_crop(self, square, bbox_xywh, mask, rng):
        """Brightness in float, flip, normalization; each view by itself."""
        image = torch.from_numpy(square.transpose(2, 0, 1))
        mask = torch.from_numpy(mask)
        factor = rng.uniform(0.8, 1.2)
        image = image.float().mul(factor / 255).clamp(0, 1)
        if rng.random() < 0.5:
            image, mask = image.flip((2,)), mask.flip((1,))
            x, y, w, h = bbox_xywh
            bbox_xywh = torch.stack([1 - x - w, y, w, h])
        return (image - MEAN) / STD, bbox_xywh, mask

    def pack(self, views):
        """Name what the network and the loss take."""
        packed = {}
        names = 'exemplar', 'search'
        for name, (image, bbox_xywh, mask) in zip(names, views):
            packed[name], packed[f'{name}_mask'] = image, mask
            packed[f'{name}_bbox'] = bbox_xywh.float()
        return packed


def is_valid(mask):
    """Whether image remains in a padding mask, and after its reduction."""
    cells = F.interpolate(
        torch.from_numpy(mask)[None, None].float(),
        size=(len(mask) // PATCH,) * 2,
    )
    return not mask.all() and not cells.bool().all()
