"""Textures, backgrounds and segments from a folder of photographs."""

import hashlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from .segments import Segment, cut_segment, load_annotations

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
VAL_SHARE = 0.15  # of the photos
FLAT = 14  # standard deviation of gray levels, below it is a plain area


def list_photos(folder: Path) -> list[Path]:
    """All photos below a folder, sorted.

    Raises:
        FileNotFoundError: there is no folder, or fewer than two photos.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f'--photos {folder} is not a folder. Give the folder that holds '
            'the photos.'
        )
    paths = sorted(
        path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES
    )
    if len(paths) < 2:
        raise FileNotFoundError(
            f'--photos {folder} holds {len(paths)} photos '
            f'({", ".join(SUFFIXES)}); at least 2 are needed, one for train '
            'and one for val. Give a folder with more photos.'
        )
    return paths


def describe_photos(folder: Path) -> str:
    """Number of photos and a digest of their names and sizes."""
    paths = list_photos(folder)
    names = '\n'.join(
        f'{path.relative_to(folder).as_posix()} {path.stat().st_size}'
        for path in paths
    )
    digest = hashlib.sha256(names.encode()).hexdigest()[:16]
    return f'{len(paths)} photos, {digest}'


@lru_cache(maxsize=48)
def read_photo(path: Path) -> np.ndarray:
    """Read a photo, (H, W, 3) RGB uint8.

    Raises:
        ValueError: the file is no image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(
            f'{path} cannot be read as an image. Remove it '
            'from the folder or replace it.'
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def hold_out(names: list, held_out: bool, seed: int) -> list:
    """The names of one split: about 15 % are held out, at least one."""
    order = np.random.default_rng([seed, 2]).permutation(len(names))
    num_val = max(1, round(VAL_SHARE * len(names)))
    chosen = order[:num_val] if held_out else order[num_val:]
    return [names[i] for i in sorted(chosen)]


class PhotoTextures:
    """Backgrounds and looks from the photos of one split.

    Args:
        folder: the photos.
        annotations: COCO file whose segments become objects, or None:
            crops of photos are cut by random outlines.
        held_out: whether to use the photos for val or those for train.
        seed: decides which photos are for val.
    """

    def __init__(
        self, folder: Path, annotations: Path | None, held_out: bool, seed: int
    ) -> None:
        paths = list_photos(folder)
        by_photo = {}
        if annotations is not None:
            by_photo = load_annotations(annotations, folder)
        groups = (
            [path for path in paths if path in by_photo],
            [path for path in paths if path not in by_photo],
        )
        self.paths = [
            path
            for group in groups
            if group
            for path in hold_out(group, held_out, seed)
        ]
        self.annotations = [
            (path, annotation)
            for path in self.paths
            for annotation in by_photo.get(path, ())
        ]
        self.origin = annotations
        areas = [min(a['area'], 3000) for _, a in self.annotations]
        self.chances = np.array(areas) / max(1, sum(areas))
        self._segments = lru_cache(maxsize=4096)(self._segment)

    def texture(
        self, rng: np.random.Generator, height: int, width: int, grain: float
    ) -> np.ndarray:
        """Crop a photo where it is not flat; `grain` is not needed."""
        for _ in range(5):
            share = rng.uniform(0.25, 0.7)
            crop = self._crop(rng, width, height, share)
            if crop.std(axis=(0, 1)).mean() > 1.8 * FLAT:
                break
        return crop

    def background(
        self, rng: np.random.Generator, height: int, width: int
    ) -> np.ndarray:
        """Crop most of a photo."""
        return self._crop(rng, width, height, rng.uniform(0.7, 1))

    def draw_segment(self, rng: np.random.Generator) -> Segment | None:
        """Draw a segment, large ones more often; None without COCO file.

        Raises:
            ValueError: no segment of the photos of this split is usable.
        """
        if self.origin is None:
            return None
        for _ in range(100 if self.annotations else 0):
            index = int(rng.choice(len(self.chances), p=self.chances))
            segment = self._segments(index)
            if segment is not None:
                return segment
        raise ValueError(
            f'{self.origin}: none of the {len(self.annotations)} segments '
            f'of the {len(self.paths)} photos of this split is usable '
            '(one textured piece of 400 px or more). Give more photos and '
            'segments, or leave out --coco.'
        )

    def cutout(self, segment: Segment, side: int, extent: float) -> np.ndarray:
        """Pixels of the photo in the unit frame's [-extent, extent]^2."""
        photo = read_photo(segment.path)
        scale = side / (2 * extent) / segment.scale  # canvas px per photo px
        center = np.array(segment.center)
        if scale < 0.8:
            shape = np.array(photo.shape[1::-1])
            small = np.maximum(1, np.round(shape * scale)).astype(int)
            photo = cv2.resize(
                photo, small.tolist(), interpolation=cv2.INTER_AREA
            )
            center, scale = center * small / shape, 1.0
        # continuous canvas = scale * photo + shift; then pixel centers
        shift = side / 2 - scale * center + 0.5 * scale - 0.5
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        return cv2.warpAffine(
            photo,
            matrix,
            (side, side),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def _segment(self, index: int) -> Segment | None:
        """A segment, or None if it is broken up or flat."""
        path, annotation = self.annotations[index]
        photo = read_photo(path)
        segment, mask = cut_segment(path, annotation, photo.shape[:2])
        if segment is None:
            return None
        gray = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        return segment if gray[mask > 0].std() > FLAT else None

    def _crop(
        self, rng: np.random.Generator, width: int, height: int, share: float
    ) -> np.ndarray:
        """A random part of a random photo, resized, perhaps mirrored."""
        photo = read_photo(self.paths[rng.integers(len(self.paths))])
        rows, cols = photo.shape[:2]
        scale = share * min(rows / height, cols / width)
        part = (max(2, int(height * scale)), max(2, int(width * scale)))
        y = int(rng.integers(0, max(1, rows - part[0] + 1)))
        x = int(rng.integers(0, max(1, cols - part[1] + 1)))
        crop = photo[y : y + part[0], x : x + part[1]]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        return cv2.resize(
            np.ascontiguousarray(crop),
            (width, height),
            interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC,
        )
