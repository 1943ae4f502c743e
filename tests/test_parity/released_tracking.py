"""The arithmetic of the released tracker, which the package replaces.

Written after the description of github LPXTT/SimTrack, commit a89a268:
cropping that loses the frame's last column and row, boxes that ignore the
rounding of the crop's corner, an exemplar box in whole pixels. Boxes are
(x, y, w, h) in frame pixels, predictions (cx, cy, w, h) in units of the crop.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from .recipes import normalize


@dataclass(frozen=True)
class ReleasedCrop:
    """A crop and where it comes from; `pads` = top, bottom, left, right."""

    image: np.ndarray
    mask: np.ndarray
    x1: int
    y1: int
    side: int
    pads: tuple

    @property
    def resize_factor(self):
        return len(self.image) / self.side


def crop(frame, bbox_xywh, factor, size=None):
    """Cut a square; without `size` it is not resized."""
    x, y, w, h = bbox_xywh
    side = math.ceil(math.sqrt(w * h) * factor)
    if side < 1:
        raise ValueError('Too small bounding box.')
    x1 = round(x + 0.5 * w - 0.5 * side)
    y1 = round(y + 0.5 * h - 0.5 * side)
    height, width = frame.shape[:2]
    left, top = max(0, -x1), max(0, -y1)
    # one too many: the last column and row are never seen
    right = max(0, x1 + side - width + 1)
    bottom = max(0, y1 + side - height + 1)
    rows = slice(y1 + top, y1 + side - bottom)
    columns = slice(x1 + left, x1 + side - right)
    square = np.zeros((side, side, 3), np.uint8)
    mask = np.ones((side, side))
    inside = slice(top, side - bottom), slice(left, side - right)
    square[inside], mask[inside] = frame[rows, columns], 0
    if size is not None:
        square = cv2.resize(square, (size, size))
        mask = cv2.resize(mask, (size, size))
    pads = (top, bottom, left, right)
    return ReleasedCrop(square, mask != 0, x1, y1, side, pads)


def box_into_crop(bbox_xywh, around_xywh, resize_factor, size):
    """Training: a box in units of the crop around another, xywh."""
    bbox, around = np.array(bbox_xywh), np.array(around_xywh)
    center = bbox[:2] + bbox[2:] / 2 - around[:2] - around[2:] / 2
    center = (size - 1) / 2 + center * resize_factor
    extent = bbox[2:] * resize_factor
    return np.concatenate([center - extent / 2, extent]) / size


def exemplar_box(bbox_xywh, resize_factor, size):
    """Tracking: the first box in units of its crop, xywh."""
    w, h = (resize_factor * extent for extent in bbox_xywh[2:])
    corner = int(size / 2 - w / 2), int(size / 2 - h / 2)
    return np.array([*corner, w, h]) / size


def box_into_frame(pred_cxcywh, previous_xywh, resize_factor, size):
    """A prediction in the crop around the previous box, xywh."""
    cx, cy, w, h = np.array(pred_cxcywh) * size / resize_factor
    x, y, previous_w, previous_h = previous_xywh
    half = size / resize_factor / 2
    cx += x + previous_w / 2 - half
    cy += y + previous_h / 2 - half
    return np.array([cx - w / 2, cy - h / 2, w, h])


def clip(bbox_xywh, frame_shape, margin=10):
    """Keep a box in reach of its frame."""
    x, y, w, h = bbox_xywh
    height, width = frame_shape[:2]
    x1 = min(max(0, x), width - margin)
    y1 = min(max(0, y), height - margin)
    x2 = min(max(margin, x + w), width)
    y2 = min(max(margin, y + h), height)
    return np.array([x1, y1, max(margin, x2 - x1), max(margin, y2 - y1)])


class ReleasedTracker:
    """The released loop around a network of ours.

    Args:
        model: With `exemplar`, `search` and `forward` as `SimTrack` has them.
        frame: The first frame, (H, W, 3) RGB uint8.
        bbox_xywh: The first box.
    """

    def __init__(self, model, frame, bbox_xywh):
        self.model = model
        view = model.exemplar
        self.exemplar = crop(frame, bbox_xywh, view['factor'], view['size'])
        self.exemplar_xywh = exemplar_box(
            bbox_xywh, self.exemplar.resize_factor, view['size']
        )
        self.bbox_xywh = bbox_xywh

    def track(self, frame):
        """The crop, the prediction in it and the box before clipping."""
        view = self.model.search
        search = crop(frame, self.bbox_xywh, view['factor'], view['size'])
        x, y, w, h = self.exemplar_xywh
        inputs = {
            'exemplar': normalize(self.exemplar.image),
            'exemplar_bbox': torch.tensor([[x, y, x + w, y + h]]).float(),
            'search': normalize(search.image),
        }
        with torch.no_grad():
            (bbox,) = self.model(inputs, None, mode='tensor').double().numpy()
        pred = [*(bbox[:2] + bbox[2:]) / 2, *bbox[2:] - bbox[:2]]
        unclipped = box_into_frame(
            pred, self.bbox_xywh, search.resize_factor, view['size']
        )
        self.bbox_xywh = clip(unclipped, frame.shape)
        return search, pred, unclipped
