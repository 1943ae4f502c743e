"""Parsed annotations: arrays that processes share."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.fileio import replace_atomically

_HEADER_SIZE = 4096  # bytes
_ALIGNMENT = 64


class AnnotationIndex:
    """Annotated sequences as arrays; an item is what `VideoSequence` takes.

    Args:
        arrays: Of `pack_sequences`.
        origin: Path and key of the file that they are mapped from, if any.
            Pickling then passes these on, and no array.
    """

    def __init__(
        self,
        arrays: dict[str, np.ndarray],
        origin: tuple[Path, str] | None = None,
    ) -> None:
        self.arrays = arrays
        self.origin = origin

    def __len__(self) -> int:
        return len(self.arrays['num_frames'])

    def __getitem__(self, i: int) -> dict:
        """Sequence i, boxes as views; -1 is the last."""
        i = range(len(self))[i]
        arrays = self.arrays
        rows = slice(*arrays['offsets'][i : i + 2])
        names = slice(*arrays['name_offsets'][i : i + 2])
        return {
            'name': os.fsdecode(arrays['names'][i]),
            'frame_template': os.fsdecode(
                arrays['templates'][arrays['template_ids'][i]]
            ),
            'first_frame': int(arrays['first_frames'][i]),
            'num_frames': int(arrays['num_frames'][i]),
            'bboxes': arrays['bboxes'][rows],
            'visible': arrays['visible'][rows],
            'frame_names': (
                arrays['frame_names'][names]
                if names.start < names.stop
                else None
            ),
        }

    def __reduce__(self) -> tuple:
        if self.origin is None:
            return AnnotationIndex, (self.arrays,)
        return _reopen, self.origin


def pack_sequences(
    sequences: Iterable[VideoSequence],
) -> dict[str, np.ndarray]:
    """Arrays of N sequences with R boxes.

    Returns:
        `names` (N,); `templates`, each once, and their `template_ids` (N,);
        `first_frames` (N,); `num_frames` (N,); `bboxes` (R, 4) and `visible`
        (R,), of which `offsets[i:i + 2]` are sequence i's; `frame_names`,
        likewise with `name_offsets`. Texts are bytes.
    """
    kept = list(sequences)
    frame_names = [s.frame_names or () for s in kept]
    templates, template_ids = np.unique(
        encode([s.frame_template for s in kept]), return_inverse=True
    )
    return {
        'names': encode([s.name for s in kept]),
        'templates': templates,
        'template_ids': template_ids,
        'first_frames': np.array([s.first_frame for s in kept]),
        'num_frames': np.array([s.num_frames for s in kept]),
        'offsets': np.cumsum([0, *(len(s.bboxes) for s in kept)]),
        'bboxes': np.concatenate([s.bboxes for s in kept]),
        'visible': np.concatenate([s.visible for s in kept]),
        'name_offsets': np.cumsum([0, *map(len, frame_names)]),
        'frame_names': encode([n for row in frame_names for n in row]),
    }


def encode(texts: Iterable[str]) -> np.ndarray:
    """Texts as bytes of equal length; as `str`, they would take four times."""
    return np.array([os.fsencode(text) for text in texts], 'S')


def write_index(path: Path, key: str, arrays: dict[str, np.ndarray]) -> None:
    """A header in JSON, then the arrays; appears once it is complete."""
    layout, end = {}, _HEADER_SIZE
    with (
        replace_atomically(path) as temporary,
        open(temporary, 'wb') as file,
    ):
        for name, array in arrays.items():
            start = file.seek(-(-end // _ALIGNMENT) * _ALIGNMENT)
            array.tofile(file)
            end = start + array.nbytes
            crc = zlib.crc32(np.ascontiguousarray(array).view(np.uint8))
            layout[name] = array.dtype.str, array.shape, start, end, crc
        header = json.dumps({'key': key, 'arrays': layout})
        file.seek(0)
        file.write(header.encode().ljust(_HEADER_SIZE))


def read_index(path: Path, key: str, verify: bool = True) -> AnnotationIndex:
    """Map a file.

    The check reads it once, 0.2 s per 500 MB, and keeps it mapped here: no
    worker holds a page alone, which would count as memory of its own.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is broken, or was made from something else.
    """
    arrays = {}
    try:
        content = np.memmap(path, np.uint8, 'r').view(np.ndarray)
        header = json.loads(content[:_HEADER_SIZE].tobytes())
        stale = header['key'] != key
        for name, (dtype, shape, start, end, crc) in header['arrays'].items():
            part = content[start:end]
            if verify and not stale and zlib.crc32(part) != crc:
                raise ValueError(f'wrong checksum of {name}')
            arrays[name] = part.view(dtype).reshape(shape)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'the file is broken ({error})') from error
    if stale:
        raise ValueError('annotations, options or code have changed')
    return AnnotationIndex(arrays, (path, key))


def _reopen(path: Path, key: str) -> AnnotationIndex:
    """The index of a data set that came from another process."""
    try:
        return read_index(path, key, verify=False)
    except (OSError, ValueError) as error:
        raise RuntimeError(
            f'{path} has changed or gone since this run began ({error}). '
            'Start it again; leave the cache alone while it runs.'
        ) from error
