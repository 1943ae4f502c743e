"""Transforms of pairs that change their pixels, each view on its own.

A pair is described in `augment`. `prob` is a dict with the probability for
`exemplar` and for `search`; all randomness comes from the pair's generator.
"""

from dataclasses import dataclass

import numpy as np
from mmcv.transforms import BaseTransform

from mmsimtrack.datasets.transforms import effects
from mmsimtrack.registry import TRANSFORMS


@dataclass
class _PerView(BaseTransform):
    """A transform that changes each view with a probability of its own."""

    prob: dict[str, float]

    def transform(self, results: dict) -> dict:
        """Change the views that are drawn."""
        rng = results['rng']
        for view, prob in self.prob.items():
            if rng.random() < prob:
                results[view] = self.change(results[view], rng)
        return results


@TRANSFORMS.register_module()
@dataclass
class ColorJitter(_PerView):
    """Change exposure, saturation and tint of the views.

    Attributes:
        prob: Probability for each view.
        amount: Largest change, as a share; a smaller one is drawn for each
            view, uniformly.
    """

    amount: float

    def change(self, image: np.ndarray, rng) -> np.ndarray:
        """Draw a change of color and make it."""
        amount = self.amount * rng.random()
        gain, offset, saturation, *tint = rng.uniform(-amount, amount, 6)
        return effects.color(
            image,
            gain=1 + gain,
            offset=64 * offset,
            saturation=1 + saturation,
            tint=1 + np.array(tint) / 4,
        )


@TRANSFORMS.register_module()
@dataclass
class Blur(_PerView):
    """Smear views along a line or put them out of focus, one as often.

    Attributes:
        prob: Probability for each view.
        length: Longest line, as a share of the crop's side.
        sigma: Largest sigma of the Gaussian, likewise.
    """

    length: float
    sigma: float

    def change(self, image: np.ndarray, rng) -> np.ndarray:
        """Draw a blur and make it."""
        moves, amount, angle = rng.random(3)
        amount *= image.shape[1]
        if moves < 0.5:
            length = max(self.length * amount, 3)
            return effects.motion_blur(image, length, np.pi * angle)
        return effects.defocus(image, max(self.sigma * amount, 0.5))


@TRANSFORMS.register_module()
@dataclass
class JpegNoise(_PerView):
    """Compress views as JPEGs.

    Attributes:
        prob: Probability for each view.
        quality: Lowest and highest quality, (low, high).
    """

    quality: tuple[int, int]

    def change(self, image: np.ndarray, rng) -> np.ndarray:
        """Draw a quality and compress."""
        return effects.jpeg(image, rng.integers(*self.quality, endpoint=True))


@TRANSFORMS.register_module()
@dataclass
class SensorNoise(_PerView):
    """Add normal noise to views.

    Attributes:
        prob: Probability for each view.
        sigma: Largest standard deviation in gray levels.
    """

    sigma: float

    def change(self, image: np.ndarray, rng) -> np.ndarray:
        """Draw how much noise there is, and add it."""
        return effects.noise(image, self.sigma * rng.random(), rng)


@TRANSFORMS.register_module()
@dataclass
class Coarsen(_PerView):
    """Take detail out of views, as if their target were small in its frame.

    Attributes:
        prob: Probability for each view.
        factor: How many times smaller at most.
    """

    factor: float

    def change(self, image: np.ndarray, rng) -> np.ndarray:
        """Draw a factor and coarsen."""
        return effects.coarsen(image, rng.uniform(1, self.factor))
