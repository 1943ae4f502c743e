"""Transforms that augment training pairs, on the crops.

A pair is a dict with `exemplar` and `search`, (S, S, 3) RGB uint8, their boxes
`exemplar_bbox` and `search_bbox`, (4,) xyxy in the unit square, and `rng`, the
generator of the pair, which all randomness comes from. Where outlines are
known, `exemplar_outline` and `search_outline` are lists of polygons (P, 2) in
the unit square.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmsimtrack.registry import TRANSFORMS

VIEWS = ('exemplar', 'search')


@dataclass
class _Joint(BaseTransform):
    """A transform that changes both views, or none."""

    prob: float

    def transform(self, results: dict) -> dict:
        """Change both views, if that is drawn."""
        if results['rng'].random() < self.prob:
            for view in VIEWS:
                self.change(results, view)
        return results


@TRANSFORMS.register_module()
class JointGray(_Joint):
    """Take the color out of both views.

    Args:
        prob: Probability; 0.05 in STARK-S.
    """

    def change(self, results: dict, view: str) -> None:
        """Replace each channel by the luminance."""
        gray = cv2.cvtColor(results[view], cv2.COLOR_RGB2GRAY)
        results[view] = cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)


@TRANSFORMS.register_module()
@dataclass
class JointGamma(BaseTransform):
    """Lighten or darken both views alike, as another exposure would.

    Not in the paper: its videos show scenes at night.

    Attributes:
        prob: Probability.
        largest: Largest exponent g of 255 (level / 255) ^ g; log g is uniform
            in [-log largest, log largest).
    """

    prob: float
    largest: float

    def transform(self, results: dict) -> dict:
        """Bend the levels of both views, or of none."""
        draw, position = results['rng'].random(2)
        if draw < self.prob:
            exponent = self.largest ** (2 * position - 1)
            levels = 255 * (np.arange(256) / 255) ** exponent
            table = np.round(levels).astype(np.uint8)
            for view in VIEWS:
                results[view] = cv2.LUT(results[view], table)
        return results


@TRANSFORMS.register_module()
@dataclass
class RandomMirror(BaseTransform):
    """Mirror views left to right.

    Attributes:
        prob: Probability; 0.5 in STARK-S, for the pair and for each view.
        joint: One draw for the pair, or one for each view.
    """

    prob: float
    joint: bool

    def transform(self, results: dict) -> dict:
        """Mirror image and box."""
        draws = results['rng'].random(2) < self.prob
        for view, draw in zip(VIEWS, draws):
            if draws[0] if self.joint else draw:
                results[view] = cv2.flip(results[view], 1)
                x1, y1, x2, y2 = results[f'{view}_bbox']
                results[f'{view}_bbox'] = np.array([1 - x2, y1, 1 - x1, y2])
                outline = results.get(f'{view}_outline', ())
                mirrored = [points * (-1, 1) + (1, 0) for points in outline]
                results[f'{view}_outline'] = mirrored
        return results


@TRANSFORMS.register_module()
@dataclass
class BrightnessJitter(BaseTransform):
    """Scale the brightness of each view on its own.

    Attributes:
        amount: The factor is uniform in [1 - amount, 1 + amount); 0.2 in
            STARK-S.
    """

    amount: float

    def transform(self, results: dict) -> dict:
        """Scale and clip to 0..255."""
        for view in VIEWS:
            low, high = 1 - self.amount, 1 + self.amount
            factor = results['rng'].uniform(low, high)
            results[view] = cv2.convertScaleAbs(results[view], alpha=factor)
        return results


@TRANSFORMS.register_module()
class JointChannelPermutation(BaseTransform):
    """Permute the color channels of both views alike.

    Not in the paper: it makes targets of few textures go further.
    """

    def transform(self, results: dict) -> dict:
        """Permute the channels."""
        order = results['rng'].permutation(3)
        for view in VIEWS:
            channels = cv2.split(results[view])
            results[view] = cv2.merge([channels[i] for i in order])
        return results


@TRANSFORMS.register_module()
class JointTranspose(_Joint):
    """Swap x and y of both views; not in the paper.

    Args:
        prob: Probability.
    """

    def change(self, results: dict, view: str) -> None:
        """Transpose image, box and outline."""
        results[view] = cv2.transpose(results[view])
        results[f'{view}_bbox'] = results[f'{view}_bbox'][[1, 0, 3, 2]]
        outline = results.get(f'{view}_outline', ())
        results[f'{view}_outline'] = [points[:, ::-1] for points in outline]
