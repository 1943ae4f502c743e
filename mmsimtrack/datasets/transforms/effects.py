"""Effects of a camera on an image: blur, light, noise and compression.

Each function takes an (H, W, 3) uint8 image and explicit numbers, and returns
a new image of the same kind. The training transforms and the generator of
sequences draw these numbers.
"""

from statistics import NormalDist

import cv2
import numpy as np
from numpy.random import Generator

LUMA = (0.299, 0.587, 0.114)  # of R, G and B
# the 256 quantiles of a normal distribution: looking them up by random bytes
# is four times as fast as drawing normal numbers
QUANTILES = np.vectorize(NormalDist().inv_cdf)((np.arange(256) + 0.5) / 256)


def motion_blur(image: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Blur along a straight line; nothing shifts.

    Args:
        length: Length of the line in px; 1 or less changes nothing.
        angle: Direction of the line in radians, from x towards y.
    """
    if length <= 1:
        return image.copy()
    half = (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
    middle = int(np.ceil(np.abs(half).max()))
    kernel = np.zeros((2 * middle + 1, 2 * middle + 1), np.uint8)
    ends = np.round((middle + np.stack([-half, half])) * 16).astype(int)
    cv2.line(kernel, *ends.tolist(), 255, 1, cv2.LINE_AA, shift=4)
    # OpenCV's lines are not quite symmetric
    kernel = kernel.astype(np.float32) + kernel[::-1, ::-1]
    return cv2.filter2D(
        image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE
    )


def defocus(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur with a Gaussian.

    Args:
        sigma: Standard deviation in px; 0 changes nothing.
    """
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image.copy()


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Compress and decompress an RGB image.

    Args:
        quality: Quality of the JPEG compression, 1 to 100.
    """
    flags = (cv2.IMWRITE_JPEG_QUALITY, int(quality))
    _, data = cv2.imencode('.jpg', image[..., ::-1], flags)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def noise(image: np.ndarray, sigma: float, rng: Generator) -> np.ndarray:
    """Add normal noise, independent for each pixel and channel.

    Args:
        sigma: Standard deviation in levels of 0..255; 0 changes nothing.
        rng: Generator that the noise comes from.
    """
    if not sigma:
        return image.copy()
    levels = np.round(sigma * QUANTILES).astype(np.int16)
    index = np.frombuffer(rng.bytes(image.size), np.uint8)
    return cv2.add(image, levels[index].reshape(image.shape), dtype=cv2.CV_8U)


def color(
    image: np.ndarray,
    gain: float = 1.0,
    offset: float = 0.0,
    saturation: float = 1.0,
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """Change brightness, saturation and tint of an RGB image linearly.

    Args:
        gain: Factor of all levels.
        offset: What is added afterwards, in levels of 0..255.
        saturation: Factor of the distance to gray; 0 gives a gray image.
        tint: Factor of each channel.
    """
    mix = saturation * np.eye(3) + (1 - saturation) * np.array(LUMA)
    mix = gain * np.diag(tint) @ mix
    return cv2.transform(image, np.column_stack([mix, np.full(3, offset)]))


def coarsen(image: np.ndarray, factor: float) -> np.ndarray:
    """Take the detail out of an image, as if it came from a smaller one.

    Args:
        factor: How many times smaller that one is, >= 1.
    """
    height, width = image.shape[:2]
    size = round(width / factor), round(height / factor)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height))
