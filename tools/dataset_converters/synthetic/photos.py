"""Looks of objects and backgrounds that are cut from photographs."""

import contextlib
import hashlib
import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from pycocotools.coco import COCO

from .textures import Look, Textures, unit_outline

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
VAL_SHARE = 0.15  # of the photos
MIN_AREA = 400  # of a segment, px in the photo
MAX_SHARE = 0.5  # of the photo that a segment may cover
MAX_ASPECT = 2.5
TRACED = 200  # px, longer side of the mask from which an outline is traced
THIN = 15  # px of these: thinner parts are cut off
FLAT = 14  # standard deviation of gray levels, below it is a plain area


class PhotoTextures(Textures):
    """Backgrounds and objects from the photos of one split.

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
        found, self.mask_of = {}, None
        if annotations is not None:
            found, self.mask_of = read_segments(annotations, folder)
        groups = ([], [])
        for path in list_photos(folder):
            groups[path in found].append(path)
        self.paths = [
            path
            for group in groups
            if group
            for path in hold_out(group, held_out, seed)
        ]
        self.segments = [
            (path, one) for path in self.paths for one in found.get(path, ())
        ]
        areas = np.array([min(one['area'], 3000) for _, one in self.segments])
        self.chances = areas / max(1, areas.sum())
        self._cut = lru_cache(maxsize=2048)(self._cut)

    def texture(
        self, rng: np.random.Generator, height: int, width: int
    ) -> np.ndarray:
        """Crop a photo where it is not flat."""
        for _ in range(5):
            crop = self._crop(rng, height, width, rng.uniform(0.25, 0.7))
            if crop.std(axis=(0, 1)).mean() > 1.8 * FLAT:
                break
        return crop

    def background(
        self, rng: np.random.Generator, height: int, width: int
    ) -> np.ndarray:
        """Crop most of a photo."""
        return self._crop(rng, height, width, rng.uniform(0.7, 1))

    def draw_look(
        self, rng: np.random.Generator, outline: np.ndarray | None = None
    ) -> Look:
        """Draw a segment, large ones more often, or fill an outline.

        Raises:
            ValueError: If no segment of the photos of this split is usable.
        """
        if outline is not None or self.origin is None:
            return super().draw_look(rng, outline)
        for _ in range(100 if self.segments else 0):
            index = rng.choice(len(self.chances), p=self.chances)
            look = self._cut(int(index))
            if look is not None:
                return look
        raise ValueError(
            f'{self.origin}: none of the {len(self.segments)} segments '
            f'of the {len(self.paths)} photos of this split is usable '
            f'(one textured piece of {MIN_AREA} px or more). Give more photos '
            'and segments, or leave out --coco.'
        )

    def draw_twin(self, rng: np.random.Generator, look: Look) -> Look:
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
        if rng.random() < 0.5:
            crop = cv2.flip(crop, 1)
        return cv2.resize(
            crop,
            (width, height),
            interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC,
        )

    def _cut(self, index: int) -> Look | None:
        """Cut a segment out; None if it is thin, broken up or flat."""
        path, annotation = self.segments[index]
        photo, mask = read_photo(path), self.mask_of(annotation)
        if mask.shape != photo.shape[:2]:
            raise ValueError(
                f'{path} has {photo.shape[1]} x {photo.shape[0]} px, but the '
                f'mask of its annotation {annotation.get("id")} has '
                f'{mask.shape[1]} x {mask.shape[0]}. Give the photos that the '
                'COCO file was made for.'
            )
        outline = trace_segment(mask)
        gray = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        if outline is None or gray[mask > 0].std() < FLAT:
            return None
        return cut_look(photo, outline)


def list_photos(folder: Path) -> list[Path]:
    """List all photos below a folder, sorted.

    Raises:
        FileNotFoundError: If there are fewer than two.
    """
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
    """Count the photos and digest their names and sizes."""
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
        ValueError: If the file is no image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(
            f'{path} cannot be read as an image. Remove it from the folder '
            'or replace it.'
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def hold_out(names: list, held_out: bool, seed: int) -> list:
    """Choose the names of one split; val gets about 15 %, at least one."""
    order = np.random.default_rng([seed, 2]).permutation(len(names))
    num_val = max(1, round(VAL_SHARE * len(names)))
    chosen = order[:num_val] if held_out else order[num_val:]
    return [names[i] for i in sorted(chosen)]


def read_segments(file: Path, folder: Path) -> tuple[dict, Callable]:
    """Read the compact segments of reasonable size.

    Returns:
        The annotations by the path of their photo, and a function from an
        annotation to its mask, (H, W) uint8 in {0, 1}.

    Raises:
        FileNotFoundError: If the file or one of its photos does not exist.
        ValueError: If the file is no COCO file, or less than two of its
            photos have usable segments.
    """
    if not file.is_file():
        raise FileNotFoundError(
            f'--coco {file} does not exist. Give a COCO annotation file with '
            'segmentations.'
        )
    found = {}
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints
            coco = COCO(file)
        for one in coco.dataset['annotations']:
            if is_usable(one, coco.imgs[one['image_id']]):
                name = coco.imgs[one['image_id']]['file_name']
                found.setdefault(folder / name, []).append(one)
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'--coco {file} is no COCO annotation file of instances: '
            f'{error!r}. Give one whose annotations have an image_id of its '
            'images, a bbox, an area and a segmentation.'
        ) from error
    for path in found:
        if not path.is_file():
            raise FileNotFoundError(
                f'{path}, named in {file}, does not exist. Let --photos be '
                'the folder of the images of this COCO file.'
            )
    if len(found) < 2:
        raise ValueError(
            f'--coco {file}: {len(found)} photos have usable segments '
            f'({MIN_AREA} px to {MAX_SHARE:.0%} of the image); at least 2 '
            'are needed, one for train and one for val. Give a file with '
            'more segments.'
        )
    return found, coco.annToMask


def is_usable(annotation: dict, image: dict) -> bool:
    """Tell whether a segment is compact and of reasonable size."""
    area, (width, height) = annotation['area'], annotation['bbox'][2:]
    return (
        not annotation.get('iscrowd')
        and bool(annotation['segmentation'])
        and MIN_AREA <= area <= MAX_SHARE * image['width'] * image['height']
        and area >= 0.35 * width * height
        and max(width, height) <= MAX_ASPECT * min(width, height)
    )


def trace_segment(mask: np.ndarray) -> np.ndarray | None:
    """Trace the outline of the main piece of a mask, without thin parts.

    Args:
        mask: (H, W) uint8 in {0, 1}.

    Returns:
        (N, 2) vertices in continuous photo pixels; None if less than half of
        the mask is in the main piece.
    """
    # annotators draw on the outer side of edges
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=1)
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return None
    zoom = TRACED / max(width, height)
    part = cv2.copyMakeBorder(
        mask[y : y + height, x : x + width] * 255,
        *[2] * 4,
        cv2.BORDER_CONSTANT,
    )
    part = cv2.resize(part, None, fx=zoom, fy=zoom)
    part = cv2.GaussianBlur(part, (0, 0), max(0.8, 0.7 * zoom)) > 127
    # a tail thinner than a pixel of the frame would be in the box unseen
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (THIN, THIN))
    core = cv2.morphologyEx(part.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    contours, _ = cv2.findContours(
        core, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    main = max(contours, key=cv2.contourArea, default=None)
    if main is None or cv2.contourArea(main) < 0.5 * part.sum():
        return None
    points = cv2.approxPolyDP(main, 0.5, True)[:, 0] + 0.5
    return points * ((width + 4) / part.shape[1]) + (x - 2, y - 2)


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
