"""Transforms that paste what other pictures show into a search crop.

They ask the pair for it: `draw_object()` gives a picture and the outline of
an object in it, `draw_background(size)` a square piece of a picture. Both are
drawn from the pair's key, so that a pair stays a function of its key.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmsimtrack.registry import TRANSFORMS

# sides of an object smaller than this, in pixels, show nothing
MIN_SIDE = 4


@TRANSFORMS.register_module()
@dataclass
class PasteObject(BaseTransform):
    """Put another object over the target, or beside it, into the search crop.

    The box of the target does not change: what is hidden of it counts.

    Attributes:
        occluder: Probability of an object that hides a part of the target;
            its middle lies 0.35 to 0.7 times the box's sides from the
            target's.
        distractor: Probability of one beside it, 1 to 2 times as far.
        size: Smallest and largest size of the object, relative to the target,
            as sqrt(w * h).
    """

    occluder: float
    distractor: float
    size: tuple[float, float] = (0.5, 1.2)

    def transform(self, results: dict) -> dict:
        """Paste at most one object."""
        rng = results['rng']
        draw = rng.random()
        if draw < self.occluder:
            reach = rng.uniform(0.35, 0.7)
        elif draw < self.occluder + self.distractor:
            reach = rng.uniform(1, 2)
        else:
            return results
        image = results['search']
        bbox = results['search_bbox'] * len(image)
        sides = bbox[2:] - bbox[:2]
        angle = rng.uniform(0, 2 * np.pi)
        direction = np.array([np.cos(angle), np.sin(angle)])
        center = (bbox[:2] + bbox[2:]) / 2 + reach * sides * direction
        size = np.sqrt(sides.prod()) * rng.uniform(*self.size)
        results['search'] = paste(
            image, *results['draw_object'](), center, max(size, MIN_SIDE)
        )
        return results


@TRANSFORMS.register_module()
@dataclass
class ExchangeBackground(BaseTransform):
    """Put the target of the search crop before another picture.

    Only where the pair knows the target's outline.

    Attributes:
        prob: Probability.
    """

    prob: float

    def transform(self, results: dict) -> dict:
        """Replace all but the target."""
        if results['rng'].random() < self.prob and results['search_outline']:
            image = results['search']
            size = len(image)
            outline = [p * size for p in results['search_outline']]
            mask = fill_polygons(outline, size, size)
            other = results['draw_background'](size)
            results['search'] = blend(other, image, mask)
        return results


def fill_polygons(
    polygons: list[np.ndarray], width: int, height: int, fine: int = 4
) -> np.ndarray:
    """Draw polygons with soft edges, by the even-odd rule.

    Args:
        polygons: (P, 2) of x, y in pixels each.
        width: Width of the mask.
        height: Height of the mask.
        fine: Cells per pixel and axis.

    Returns:
        (height, width) uint8, 255 where a pixel is covered.
    """
    mask = np.zeros((height * fine, width * fine), np.uint8)
    # the middle of a cell has index 0 in OpenCV, which takes 1/16 of a cell
    cells = [np.round((p * fine - 0.5) * 16) for p in polygons]
    cells = [points.astype(np.int32) for points in cells]
    cv2.fillPoly(mask, cells, 255, shift=4)
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)


def blend(below: np.ndarray, above: np.ndarray, mask: np.ndarray):
    """Mix two images (H, W, 3) uint8: `above` where the mask (H, W) is 255."""
    mask = mask[..., None].astype(np.float32) / 255
    return np.rint(below * (1 - mask) + above * mask).astype(np.uint8)


def paste(
    image: np.ndarray,
    picture: np.ndarray,
    outline: list[np.ndarray],
    center: np.ndarray,
    size: float,
) -> np.ndarray:
    """Paste an object into a crop.

    Args:
        image: (S, S, 3) uint8, the crop.
        picture: (H, W, 3) uint8, which shows the object.
        outline: Polygons (P, 2) of the object, in pixels of the picture.
        center: (2,) x, y of where its middle goes, in pixels of the crop.
        size: sqrt(w * h) of the object in the crop.
    """
    points = np.concatenate(outline)
    low, high = points.min(0), points.max(0)
    scale = size / np.sqrt(max((high - low).prod(), 1))
    shift = center - scale * (low + high) / 2
    # from continuous pixels to OpenCV's indices
    column = shift + scale / 2 - 0.5
    matrix = np.column_stack([scale * np.eye(2), column])
    side = len(image)
    above = cv2.warpAffine(picture, matrix, (side, side))
    outline = [scale * polygon + shift for polygon in outline]
    return blend(image, above, fill_polygons(outline, side, side))
