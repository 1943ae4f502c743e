"""Looks of objects and backgrounds that are cut from photographs."""

import hashlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from mmsimtrack.datasets import CocoDataset

from .looks import Look, Textures, unit_outline
from .scene import fill

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
VAL_SHARE = 0.15  # of the photos
MIN_AREA = 400  # of a segment, px in the photo
MAX_SHARE = 0.5  # of the photo that a segment may cover
MAX_ASPECT = 2.5
TRACED = 200  # px, longer side of the mask from which an outline is traced
THIN = 15  # px of these: thinner parts are cut off
FLAT = 14  # standard deviation of gray levels, below it is a plain area


class PhotoTextures(Textures):
    """Cuts backgrounds and objects out of the photos of one split.

    Args:
        folder: The photos.
        annotations: COCO file whose segments become objects; None cuts crops
            of the photos by random outlines.
        held_out: Whether to use the photos for val or those for train.
        seed: Decides which photos are for val.
    """

    def __init__(
        self, folder: Path, annotations: Path | None, held_out: bool, seed: int
    ) -> None:
        self.origin = annotations
        found = read_segments(annotations, folder) if annotations else {}
        self.paths, paths = [], list_photos(folder)
        for annotated in (False, True):  # both splits get some of both kinds
            group = [path for path in paths if (path in found) == annotated]
            self.paths += hold_out(group, held_out, seed) if group else []
        self.segments = [
            (path, one) for path in self.paths for one in found.get(path, ())
        ]
        self._cut = lru_cache(maxsize=2048)(self._cut)

    def texture(self, rng: Generator, height: int, width: int) -> np.ndarray:
        """Crop a part of a photo."""
        return self._crop(rng, height, width, rng.uniform(0.25, 0.7))

    def background(
        self, rng: Generator, height: int, width: int
    ) -> np.ndarray:
        """Crop most of a photo."""
        return self._crop(rng, height, width, rng.uniform(0.7, 1))

    def draw_look(
        self, rng: Generator, outline: np.ndarray | None = None
    ) -> Look:
        """Draw a segment, or fill an outline.

        Raises:
            ValueError: If no segment of the photos of this split is usable.
        """
        if outline is not None or self.origin is None:
            return super().draw_look(rng, outline)
        for _ in range(100 if self.segments else 0):
            look = self._cut(int(rng.integers(len(self.segments))))
            if look is not None:
                return look
        raise ValueError(
            f'{self.origin}: none of the {len(self.segments)} segments '
            f'of the {len(self.paths)} photos of this split is usable '
            f'(one textured piece of {MIN_AREA} px or more). Give more photos '
            'and segments, or leave out --coco.'
        )

    def draw_twin(self, rng: Generator, look: Look) -> Look:
        """Draw the same texture in another outline; mirror a segment."""
        if self.origin is None:
            return super().draw_twin(rng, look)
        texture = np.ascontiguousarray(look.texture.transpose(1, 0, 2))
        return Look(look.outline[:, ::-1], texture, look.extent)

    def _crop(self, rng, height, width, share) -> np.ndarray:
        """Cut a random part of a random photo, perhaps mirrored."""
        photo = read_photo(self.paths[rng.integers(len(self.paths))])
        rows, cols = photo.shape[:2]
        scale = share * min(rows / height, cols / width)
        part = max(2, int(height * scale)), max(2, int(width * scale))
        y = int(rng.integers(max(1, rows - part[0] + 1)))
        x = int(rng.integers(max(1, cols - part[1] + 1)))
        crop = photo[y : y + part[0], x : x + part[1]]
        crop = crop[:, :: rng.choice([-1, 1])]
        method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
        return cv2.resize(crop, (width, height), interpolation=method)

    def _cut(self, index: int) -> Look | None:
        """Cut a segment out; None if it is large, thin, broken up or flat."""
        path, polygons = self.segments[index]
        photo, outline = read_photo(path), trace_segment(polygons)
        height, width = photo.shape[:2]
        if (np.concatenate(polygons).max(axis=0) > (width, height)).any():
            raise ValueError(
                f'{path} has {width} x {height} px, but a segment of it in '
                f'{self.origin} reaches beyond. Give the photos that the COCO '
                'file was made for.'
            )
        if outline is None:
            return None
        mask = fill(outline, width, height) > 127
        gray = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[mask]
        if gray.std() < FLAT or mask.mean() > MAX_SHARE:
            return None
        return cut_look(photo, outline)


def list_photos(folder: Path) -> list[Path]:
    """List all photos below a folder, sorted.

    Raises:
        FileNotFoundError: If there are fewer than two.
    """
    files = sorted(folder.rglob('*'))
    paths = [path for path in files if path.suffix.lower() in SUFFIXES]
    if len(paths) < 2:
        raise FileNotFoundError(
            f'--photos {folder} holds {len(paths)} photos '
            f'({", ".join(SUFFIXES)}); at least 2 are needed, one for train '
            'and one for val. Give a folder with more photos.'
        )
    return paths


def describe_photos(folder: Path) -> str:
    """Count the photos and digest their names and sizes."""
    paths = list_photos(folder)
    names = [(str(p.relative_to(folder)), p.stat().st_size) for p in paths]
    return f'{len(paths)} photos, {digest(repr(names).encode())}'


def digest(content: bytes) -> str:
    """Make 16 digits that tell contents apart."""
    return hashlib.sha256(content).hexdigest()[:16]


@lru_cache(maxsize=48)
def read_photo(path: Path) -> np.ndarray:
    """Read a photo, (H, W, 3) RGB uint8.

    Raises:
        ValueError: If the file is no image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ValueError(
            f'{path} cannot be read as an image. Remove it from the folder '
            'or replace it.'
        )
    return image


def hold_out(names: list, held_out: bool, seed: int) -> list:
    """Choose the names of one split; val gets about 15 %, at least one."""
    order = np.random.default_rng([seed, 2]).permutation(len(names))
    num_val = max(1, round(VAL_SHARE * len(names)))
    chosen = order[:num_val] if held_out else order[num_val:]
    return [names[i] for i in sorted(chosen)]


def read_segments(file: Path, folder: Path) -> dict[Path, list]:
    """Read the compact segments: lists of polygons by path of their photo.

    Raises:
        FileNotFoundError: If the file or one of its photos does not exist.
        ValueError: If the file is no COCO file, or less than two of its
            photos have compact segments.
    """
    dataset = CocoDataset(
        '', ann_file=str(file), data_prefix=str(folder), masks=True
    )
    found = {}
    for i in map(int, dataset.with_outline()):
        one = dataset.get_sequence(i)
        path, (width, height) = Path(one.frame_path(0)), one.bboxes_xywh[0, 2:]
        if not path.is_file():
            raise FileNotFoundError(
                f'{path}, named in {file}, does not exist. Let --photos be '
                'the folder of the images of this COCO file.'
            )
        area = sum(map(cv2.contourArea, one.outline))
        is_full = area >= max(MIN_AREA, 0.35 * width * height)
        if is_full and max(width, height) <= MAX_ASPECT * min(width, height):
            found.setdefault(path, []).append(one.outline)
    if len(found) < 2:
        raise ValueError(
            f'--coco {file}: {len(found)} photos have compact segments of '
            f'{MIN_AREA} px or more; at least 2 are needed, one for train and '
            'one for val. Give a file with more segments.'
        )
    return found


def trace_segment(polygons: list[np.ndarray]) -> np.ndarray | None:
    """Trace the outline of the main piece of a segment, without thin parts.

    Args:
        polygons: (P, 2) vertices each, in photo pixels.

    Returns:
        (N, 2) vertices in continuous photo pixels; None if less than half of
        the segment is in the main piece.
    """
    main = max(polygons, key=cv2.contourArea)
    low, sides = main.min(axis=0), np.ptp(main, axis=0)
    zoom = TRACED / sides.max()
    width, height = np.ceil(sides * zoom).astype(int).tolist()
    mask = fill((main - low) * zoom + 2, width + 4, height + 4)
    # a tail thinner than a pixel of the frame would be in the box unseen
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (THIN, THIN))
    core = cv2.morphologyEx(np.uint8(mask > 127), cv2.MORPH_OPEN, kernel)
    mode, method = cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    contours, _ = cv2.findContours(core, mode, method)
    main = max(contours, key=cv2.contourArea, default=None)
    total = zoom**2 * sum(map(cv2.contourArea, polygons))
    if main is None or cv2.contourArea(main) < 0.5 * total:
        return None
    points = cv2.approxPolyDP(main, 0.5, True)[:, 0] + 0.5
    return (points - 2) / zoom + low


def cut_look(photo: np.ndarray, outline: np.ndarray) -> Look:
    """Cut an object with its surroundings out of a photo.

    Args:
        photo: (H, W, 3) RGB uint8.
        outline: (N, 2) vertices in continuous photo pixels.
    """
    low, high = outline.min(axis=0), outline.max(axis=0)
    scale = np.sqrt(np.prod(high - low))
    side = int(np.ceil(1.05 * (high - low).max())) + 2
    # OpenCV's integer coordinates are pixel centers
    center = ((low + high) / 2 - 0.5).tolist()
    texture = cv2.getRectSubPix(photo, (side, side), center)
    return Look(unit_outline(outline), texture, side / 2 / scale)
