"""Frames of the size that tracking data sets have, to time decoding with."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = (1280, 720)  # W, H
QUALITY = 90
SIDES = (20, 400)  # of the target, in pixels; sqrt(w * h)
FRAMES = 2  # of a sequence, so that each pair has two images of its own
SLOPE = 1.3  # of the amplitude spectrum; gives JPEGs of photos' sizes


def make_frames(root: Path, num_images: int, photos: Path | None) -> float:
    """Write sequences of two frames in the layout of GOT-10k.

    Args:
        root: Folder of the data set.
        num_images: Rounded up to whole sequences.
        photos: Folder of photographs, each frame a collage of four; None for
            noise whose amplitude falls with frequency as in photographs.

    Returns:
        Bytes of a frame, on average.

    Raises:
        FileNotFoundError: If the folder holds no photograph.
    """
    paths = sorted(photos.rglob('*.jpg')) if photos else None
    if photos and not paths:
        raise FileNotFoundError(f'--photos: no *.jpg in {photos}.')
    names, size = [], 0
    for i in range(-(-num_images // FRAMES)):
        rng = np.random.default_rng(i)
        names.append(f'sequence_{i:04d}')
        folder = root / 'train' / names[-1]
        folder.mkdir(parents=True)
        for t in range(1, FRAMES + 1):
            frame = collage(rng, paths) if paths else noise(rng)
            path = folder / f'{t:08d}.jpg'
            cv2.imwrite(str(path), frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            size += path.stat().st_size
        rows = draw_bboxes_xywh(rng)
        np.savetxt(folder / 'groundtruth.txt', rows, '%.4f', ',')
        np.savetxt(folder / 'absence.label', [0] * FRAMES, '%d')
        np.savetxt(folder / 'cover.label', [8] * FRAMES, '%d')
    (root / 'train/list.txt').write_text('\n'.join(names) + '\n')
    return size / (len(names) * FRAMES)


def draw_bboxes_xywh(rng: np.random.Generator) -> np.ndarray:
    """(FRAMES, 4) boxes of one size, anywhere in the frame."""
    side = np.exp(rng.uniform(*np.log(SIDES)))
    stretch = np.exp(rng.uniform(-0.5, 0.5))  # up to 660 px wide or high
    size = np.array([side * stretch, side / stretch])
    corners = rng.random((FRAMES, 2)) * (SIZE - size)
    return np.concatenate([corners, np.tile(size, (FRAMES, 1))], axis=1)


def noise(rng: np.random.Generator) -> np.ndarray:
    """Noise without a scale of its own: (H, W, 3) BGR uint8."""
    width, height = SIZE
    frequency = np.hypot(
        np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    )
    frequency[0, 0] = np.inf  # no mean
    channels = np.fft.irfft2(
        np.exp(2j * np.pi * rng.random((3, *frequency.shape)))
        / frequency**SLOPE,
        (height, width),
    )
    channels /= channels.std()
    # the channels of photographs are much alike
    channels = 0.85 * channels[:1] + 0.15 * channels
    return (
        np.clip(128 + 50 * channels, 0, 255)
        .astype(np.uint8)
        .transpose(1, 2, 0)
    )


def collage(rng: np.random.Generator, paths: list[Path]) -> np.ndarray:
    """Four photographs side by side: (H, W, 3) BGR uint8."""
    size = SIZE[0] // 2, SIZE[1] // 2
    images = [
        cv2.resize(cv2.imread(str(path)), size, interpolation=cv2.INTER_CUBIC)
        for path in rng.choice(paths, 4)
    ]
    return np.vstack([np.hstack(images[:2]), np.hstack(images[2:])])
