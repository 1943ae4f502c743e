"""What cameras and codecs do to an image; pure functions on (H, W, 3) uint8.

Colors are RGB, and the result is a new image.
"""

import cv2
import numpy as np


def motion_blur(image: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Smear an image along a line.

    Args:
        image: (H, W, 3) uint8.
        length: Of the line, in pixels; below 2 nothing is smeared.
        angle: Of the line, in degrees.
    """
    side = int(np.ceil(length)) | 1  # odd: the line has a middle pixel
    kernel = np.zeros((side, side), np.float32)
    middle = side // 2
    reach = (length - 1) / 2 * np.array([1, -1])
    direction = np.array(
        [np.cos(np.radians(angle)), np.sin(np.radians(angle))]
    )
    # in 1/16 px, since the ends lie between pixels
    ends = np.round((middle + reach[:, None] * direction) * 16).astype(int)
    cv2.line(kernel, ends[0], ends[1], 1, 1, cv2.LINE_AA, shift=4)
    return cv2.filter2D(
        image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101
    )


def defocus(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur an image with a Gaussian of `sigma` pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Compress an image as a JPEG of a quality in [0, 100], and decode it."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    _, code = cv2.imencode('.jpg', image[..., ::-1], settings)
    return cv2.imdecode(code, cv2.IMREAD_COLOR_RGB)


def noise(
    image: np.ndarray, sigma: float, rng: np.random.Generator
) -> np.ndarray:
    """Add normal noise of `sigma` gray levels to each channel."""
    grain = rng.standard_normal(image.shape, np.float32)
    return _to_uint8(image + sigma * grain)


def color(
    image: np.ndarray, gain: float, offset: float, saturation: float, tint
) -> np.ndarray:
    """Change exposure and colors.

    Args:
        image: (H, W, 3) uint8.
        gain: Factor of all values; 1 changes nothing.
        offset: What is added to them, in gray levels.
        saturation: Factor of the distance from gray.
        tint: (3,) factors of the channels.
    """
    gray = image.mean(2, keepdims=True, dtype=np.float32)
    changed = gray + (image - gray) * np.float32(saturation)
    factors = np.asarray(tint, np.float32) * np.float32(gain)
    return _to_uint8(changed * factors + np.float32(offset))


def coarsen(image: np.ndarray, factor: float) -> np.ndarray:
    """Take the detail out of an image, as if it came from a smaller one.

    Args:
        image: (H, W, 3) uint8.
        factor: How many times smaller that one is, >= 1.
    """
    height, width = image.shape[:2]
    size = round(width / factor), round(height / factor)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height))


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
