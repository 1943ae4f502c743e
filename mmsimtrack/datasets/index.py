"""Parsed annotations are arrays on the disk, which all processes map.

Parsing the 30,000 text files of TrackingNet takes minutes, mapping their
numbers less than a second. An index is a folder of `.npy` files in
`$MMSIMTRACK_CACHE`, by default `~/.cache/mmsimtrack`; it can be deleted when
nothing runs.
"""

import contextlib
import functools
import hashlib
import json
import os
import os.path as osp
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.fileio import (
    lock_folder,
    remove,
    replace_atomically,
    sweep,
)
from mmsimtrack.log import log, warn

CACHE = '~/.cache/mmsimtrack'
VERSION = 2  # raise it when what is parsed, or how it is kept, changes
# The sources of other modules are stamped, since they change as they like.
STABLE = ('mmsimtrack', 'mmengine', 'torch', 'typing', 'builtins')


@dataclass(frozen=True)
class AnnotationIndex:
    """Annotated sequences as arrays; an item is a `VideoSequence`.

    Attributes:
        arrays: The columns that `pack_sequences` makes.
        path: Folder that the columns are mapped from, if any. Pickling then
            passes on the path and no array, and the copy maps them again.
    """

    arrays: dict[str, np.ndarray]
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.arrays['names'])

    def __getitem__(self, i: int) -> VideoSequence:
        """Return sequence i, its boxes as views; -1 is the last."""
        i = range(len(self))[i]
        arrays = self.arrays
        rows = slice(*arrays['offsets'][i : i + 2])
        names = slice(*arrays['name_offsets'][i : i + 2])
        return VideoSequence(
            os.fsdecode(arrays['names'][i]),
            os.fsdecode(arrays['templates'][i]),
            int(arrays['first_frames'][i]),
            int(arrays['num_frames'][i]),
            *(arrays[k][rows] for k in ('bboxes_xywh', 'visible', 'scored')),
            arrays['frame_names'][names] if names.start < names.stop else None,
            self._outline(*arrays['outlines'][i : i + 2]),
        )

    def _outline(self, start: int, stop: int) -> list[np.ndarray]:
        parts = self.arrays['outline_parts'][start : stop + 1]
        points = self.arrays['outline_points']
        return [points[a:b] for a, b in zip(parts, parts[1:])]

    def __reduce__(self) -> tuple:
        if self.path is None:
            return AnnotationIndex, (self.arrays,)
        return _reopen, (self.path,)


def pack_sequences(
    sequences: Iterable[VideoSequence],
) -> dict[str, np.ndarray]:
    """Make the columns that hold N sequences with R boxes.

    Returns:
        `names`, `templates`, `first_frames` and `num_frames` (N,);
        `bboxes_xywh` (R, 4), `visible` (R,) and `scored` (R,), of which
        `offsets[i:i + 2]` are sequence i's; `frame_names`, likewise with
        `name_offsets`; `outline_points` (P, 2) of all polygons, of which
        `outline_parts[j:j + 2]` are polygon j's, and `outlines[i:i + 2]` are
        the polygons of sequence i. Texts are bytes.
    """
    sequences = list(sequences)
    frame_names = [s.frame_names or () for s in sequences]
    boxes = {
        name: np.concatenate([getattr(s, name) for s in sequences])
        for name in ('bboxes_xywh', 'visible', 'scored')
    }
    polygons = [polygon for s in sequences for polygon in s.outline]
    return {
        'names': encode(s.name for s in sequences),
        'templates': encode(s.frame_template for s in sequences),
        'first_frames': np.array([s.first_frame for s in sequences]),
        'num_frames': np.array([s.num_frames for s in sequences]),
        'offsets': np.cumsum([0, *(len(s.bboxes_xywh) for s in sequences)]),
        **boxes,
        'name_offsets': np.cumsum([0, *map(len, frame_names)]),
        'frame_names': encode(n for names in frame_names for n in names),
        'outlines': np.cumsum([0, *(len(s.outline) for s in sequences)]),
        'outline_parts': np.cumsum([0, *map(len, polygons)]),
        'outline_points': np.concatenate([np.zeros((0, 2), 'f4'), *polygons]),
    }


def encode(texts: Iterable[str]) -> np.ndarray:
    """Encode texts as bytes of equal length; `str` would take four times."""
    return np.array([os.fsencode(text) for text in texts], 'S')


def write_index(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a folder of columns, which appears once it is complete."""
    path = path.expanduser()
    with replace_atomically(path, is_folder=True) as temporary:
        for name, array in arrays.items():
            np.save(temporary / f'{name}.npy', array)
        shapes = json.dumps(_describe(arrays))
        (temporary / 'shapes.json').write_text(shapes)
        remove(path)  # a broken one


def read_index(path: Path) -> AnnotationIndex:
    """Map a folder of columns.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is broken.
    """
    path = path.expanduser()
    path.stat()
    try:
        if not all(file.is_file() for file in path.iterdir()):
            raise ValueError('it holds what is no file')  # pipes would hang
        shapes = json.loads((path / 'shapes.json').read_text())
        arrays = {
            name: np.asarray(np.load(path / f'{name}.npy', mmap_mode='r'))
            for name in shapes
        }
        if _describe(arrays) != shapes:
            raise ValueError('its columns have changed')
    except (EOFError, OSError, TypeError, ValueError) as error:
        raise ValueError(f'the index is broken ({error})') from error
    return AnnotationIndex(arrays, path)


def _describe(arrays: dict[str, np.ndarray]) -> dict[str, list]:
    """List type and shape of each column, as JSON returns them."""
    return {k: [a.dtype.str, *a.shape] for k, a in arrays.items()}


def _reopen(path: Path) -> AnnotationIndex:
    """Open the index of a data set that came from another process."""
    try:
        return read_index(path)
    except (OSError, ValueError) as error:
        raise RuntimeError(
            f'{path} has changed or gone since this run began ({error}). '
            'Start it again; leave the cache alone while it runs.'
        ) from error


def open_index(dataset) -> AnnotationIndex:
    """Open the annotations of a data set, parsed again if anything changed.

    An index is valid for the same entries and options of the data set, and
    the same times and sizes of all that it was parsed from. Otherwise the
    first process of a machine parses and writes it, while others wait. Where
    nothing can be written, each process parses for itself.

    Args:
        dataset: A `SequenceDataset`. `find_sources()` lists its entries, and
            the files and folders from which `parse(entries)` makes arrays.

    Raises:
        Exception: Whatever listing and parsing raise.
    """
    dataset.check_root()
    entries, sources = dataset.find_sources()
    path = _find_path(dataset, entries, sources)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError, RuntimeError):
            folder = path.parent.expanduser()
            stack.enter_context(lock_folder(folder, wait=True))
        try:
            return read_index(path)
        except FileNotFoundError:
            reason = 'not parsed yet, or annotations, options or code changed'
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error)
        log(f'{path}: {reason}; parsing {dataset.data_root}')
        index = AnnotationIndex(dataset.parse(entries))
        log(f'{path}: {len(index)} sequences are parsed')
        try:
            write_index(path, index.arrays)
            index = read_index(path)
        except (OSError, RuntimeError, ValueError) as error:
            warn(
                f'{path} cannot be kept ({error}): annotations are parsed at '
                'every start. Set MMSIMTRACK_CACHE to a folder that can be '
                'written and has space.'
            )
        else:
            folder = index.path.parent
            for other in {*folder.glob('[!.]*.index')} - {index.path}:
                remove(other)  # stale
            sweep(folder, '*', '.index')
        return index


def _find_path(dataset, entries, sources: list[str]) -> Path:
    """Name the folder of an index after all that it depends on."""
    type_, root = type(dataset), dataset.data_root
    options = [type_.__module__, osp.abspath(root), root, dataset.options]
    modules = sorted({base.__module__ for base in type_.__mro__})
    code = [_stamp_code(m) for m in modules if m.split('.')[0] not in STABLE]
    content = [VERSION, code, entries, _stamp_all(sources)]
    return Path(
        os.environ.get('MMSIMTRACK_CACHE', CACHE),
        f'{type_.__name__}-{_digest(options)}',
        f'{_digest(content)}.index',
    )


def _stamp_code(module: str):
    """Stamp the file of a module; what is typed in is never the same."""
    path = getattr(sys.modules[module], '__file__', None)
    return _stamp(path) if path else time.time_ns()


def _stamp_all(paths: list[str]) -> list:
    """List the times of change, in ns, and the sizes of files and folders.

    For a path that does not exist, take those of the archives that may
    contain it.
    """

    @functools.cache
    def stamp_archives(folder: str) -> str:
        if not osp.exists(folder or '.'):
            return stamp_archives(osp.dirname(folder))
        archives = sorted(Path(folder).glob('*.zip'))
        return _digest([_stamp(path) for path in (folder, *archives)])

    def stamp(some: list[str]) -> list:
        return [_stamp(p) or stamp_archives(osp.dirname(p)) for p in some]

    # network file systems answer slowly, but several questions at once
    with ThreadPoolExecutor(8) as pool:
        parts = (paths[i : i + 500] for i in range(0, len(paths), 500))
        return list(pool.map(stamp, parts))


def _stamp(path: str | Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path or '.')
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_size


def _digest(content) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
