"""Parsed annotations: arrays on the disk, which all processes map.

Parsing the 30,000 text files of TrackingNet takes minutes, mapping their
numbers less than a second. An index is a folder of `.npy` files in
`$MMSIMTRACK_CACHE`, by default `~/.cache/mmsimtrack`; it can be deleted when
nothing runs.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import os.path as osp
import shutil
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from mmengine import dist
from mmengine.logging import print_log

from mmsimtrack.datasets.video_sequence import VideoSequence

CACHE = '~/.cache/mmsimtrack'
VERSION = 2  # raise it when what is parsed, or how it is kept, changes
# Classes of other modules are stamped, since they change as they like.
STABLE = ('mmsimtrack', 'mmengine', 'torch', 'typing', 'builtins')


class AnnotationIndex:
    """Annotated sequences as arrays; an item is a `VideoSequence`.

    Args:
        arrays: Those of `pack_sequences`.
        path: Folder that they are mapped from, if any. Pickling then passes
            on the path and no array, and the copy maps the folder again.
    """

    def __init__(
        self, arrays: dict[str, np.ndarray], path: Path | None = None
    ) -> None:
        self.arrays = arrays
        self.path = path

    def __len__(self) -> int:
        return len(self.arrays['names'])

    def __getitem__(self, i: int) -> VideoSequence:
        """Sequence i, its boxes as views; -1 is the last."""
        i = range(len(self))[i]
        arrays = self.arrays
        rows = slice(*arrays['offsets'][i : i + 2])
        names = slice(*arrays['name_offsets'][i : i + 2])
        return VideoSequence(
            os.fsdecode(arrays['names'][i]),
            os.fsdecode(arrays['templates'][arrays['template_ids'][i]]),
            int(arrays['first_frames'][i]),
            int(arrays['num_frames'][i]),
            arrays['bboxes_xywh'][rows],
            arrays['visible'][rows],
            arrays['scored'][rows],
            arrays['frame_names'][names] if names.start < names.stop else None,
        )

    def __reduce__(self) -> tuple:
        if self.path is None:
            return AnnotationIndex, (self.arrays,)
        return _reopen, (self.path,)


def pack_sequences(
    sequences: Iterable[VideoSequence],
) -> dict[str, np.ndarray]:
    """Make the columns of N sequences with R boxes.

    Returns:
        `names` (N,); `templates`, each once, and their `template_ids` (N,);
        `first_frames` (N,); `num_frames` (N,); `bboxes_xywh` (R, 4),
        `visible` (R,) and `scored` (R,), of which `offsets[i:i + 2]` are
        sequence i's; `frame_names`, likewise with `name_offsets`. Texts are
        bytes.
    """
    sequences = list(sequences)
    frame_names = [s.frame_names or () for s in sequences]
    templates, template_ids = np.unique(
        encode([s.frame_template for s in sequences]), return_inverse=True
    )
    return {
        'names': encode([s.name for s in sequences]),
        'templates': templates,
        'template_ids': template_ids,
        'first_frames': np.array([s.first_frame for s in sequences]),
        'num_frames': np.array([s.num_frames for s in sequences]),
        'offsets': np.cumsum([0, *(len(s.bboxes_xywh) for s in sequences)]),
        'bboxes_xywh': np.concatenate([s.bboxes_xywh for s in sequences]),
        'visible': np.concatenate([s.visible for s in sequences]),
        'scored': np.concatenate([s.scored for s in sequences]),
        'name_offsets': np.cumsum([0, *map(len, frame_names)]),
        'frame_names': encode([n for row in frame_names for n in row]),
    }


def encode(texts: Iterable[str]) -> np.ndarray:
    """Texts as bytes of equal length; as `str`, they would take four times."""
    return np.array([os.fsencode(text) for text in texts], 'S')


def write_index(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a folder of columns, which appears once it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        temporary.mkdir(exist_ok=True)
        for name, array in arrays.items():
            np.save(temporary / f'{name}.npy', array)
        with contextlib.suppress(OSError, ValueError):
            read_index(path)  # another process was faster
            return
        if path.exists() and not path.is_dir():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)  # a broken one
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_index(path: Path) -> AnnotationIndex:
    """Map a folder of columns.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is broken.
    """
    path.stat()
    arrays = {}
    try:
        for file in path.glob('*.npy'):
            if file.is_file():  # a pipe would be waited for
                arrays[file.stem] = np.asarray(np.load(file, mmap_mode='r'))
        _check_columns(arrays)
    except (EOFError, KeyError, OSError, TypeError, ValueError) as error:
        raise ValueError(f'the index is broken ({error})') from error
    return AnnotationIndex(arrays, path)


def _check_columns(arrays: dict[str, np.ndarray]) -> None:
    """Raise whatever it takes, if columns are missing or do not fit."""
    num, rows = len(arrays['names']), len(arrays['bboxes_xywh'])
    lengths = {
        **dict.fromkeys(('template_ids', 'first_frames', 'num_frames'), num),
        **dict.fromkeys(('offsets', 'name_offsets'), num + 1),
        **dict.fromkeys(('visible', 'scored'), rows),
        'templates': len(arrays['templates']),
        'frame_names': arrays['name_offsets'][-1],
    }
    wrong = [k for k, n in lengths.items() if arrays[k].shape != (n,)]
    if wrong or arrays['offsets'][-1] != rows:
        raise ValueError(f'{", ".join(wrong) or "offsets"} do not fit')


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
    the same times and sizes of all that it was parsed from. Otherwise rank 0
    (of each machine) parses and writes it, while the others wait: in a
    distributed run every rank must call this.

    Args:
        dataset: A `SequenceDataset`. `find_sources()` lists its entries, and
            the files and folders from which `parse(entries)` makes arrays.

    Raises:
        Exception: Whatever listing and parsing raise.
        RuntimeError: If they do in another rank.
    """
    local_rank = int(os.environ.get('LOCAL_RANK', dist.get_rank()))
    parses = local_rank == 0 or not dist.is_distributed()
    index, failure = None, None
    try:
        dataset.check_root()
        entries, sources = dataset.find_sources()
        path = _find_path(dataset, entries, sources)
        if parses:
            index = _open_or_parse(path, dataset, entries, write=True)
    except Exception as error:
        failure = error
    _meet(dataset, failure)
    if index is None:
        index = _open_or_parse(path, dataset, entries, write=False)
    return index


def _find_path(dataset, entries, sources: list[str]) -> Path:
    """Name the folder of an index after all that it depends on."""
    type_, root = type(dataset), dataset.data_root
    options = [type_.__module__, osp.abspath(root), root, dataset.options]
    modules = sorted({base.__module__ for base in type_.__mro__})
    code = [_stamp_code(m) for m in modules if m.split('.')[0] not in STABLE]
    content = [VERSION, code, entries, _stamp_all(sources)]
    name = f'{type_.__name__}-{_digest(options)}-{_digest(content)}.index'
    return Path(os.environ.get('MMSIMTRACK_CACHE', CACHE)) / name


def _stamp_code(module: str):
    """Stamp a source; of what is typed in, no two stamps are the same."""
    path = getattr(sys.modules[module], '__file__', None)
    return _stamp(path) if path else time.time_ns()


def _stamp_all(paths: list[str]) -> list:
    """List times in ns and sizes of files and folders.

    For a path that does not exist, take those of the archives that may
    contain it.
    """

    @functools.cache
    def stamp_archives(folder: str) -> str:
        if not osp.exists(folder or '.'):
            return stamp_archives(osp.dirname(folder))
        names = os.listdir(folder or '.') if osp.isdir(folder or '.') else []
        names = sorted(name for name in names if name.endswith('.zip'))
        paths = folder, *(osp.join(folder, name) for name in names)
        return _digest([_stamp(path) for path in paths])

    def stamp(some: list[str]) -> list:
        return [_stamp(p) or stamp_archives(osp.dirname(p)) for p in some]

    # network file systems answer slowly, but several questions at once
    with ThreadPoolExecutor(8) as pool:
        parts = [paths[i : i + 500] for i in range(0, len(paths), 500)]
        return list(pool.map(stamp, parts))


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path or '.')
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_size


def _digest(content) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _meet(dataset, failure: Exception | None) -> None:
    """Wait for all ranks; where one has failed, all raise."""
    failures = [failure and f'{type(failure).__name__}: {failure}']
    if dist.is_distributed():
        # NCCL gives up after 10 minutes, and parsing may take longer
        group = torch.distributed.new_group(
            backend='gloo', timeout=timedelta(days=1)
        )
        failures = dist.all_gather_object(failures[0], group)
        torch.distributed.destroy_process_group(group)
    if failure:
        raise failure
    for rank, text in enumerate(failures):
        if text:
            raise RuntimeError(
                f'{type(dataset).__name__}: rank {rank} could not read the '
                f'annotations. {text}'
            )


def _open_or_parse(path: Path, dataset, entries, write: bool):
    """Open an index, or make it and say why."""
    reason, stale = 'not parsed yet', []
    try:
        path = path.expanduser()
        options = path.name.rpartition('-')[0]
        stale = [p for p in path.parent.glob(f'{options}-*') if p != path]
        return read_index(path)
    except FileNotFoundError:
        if stale:
            reason = 'annotations, options or code have changed'
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error)
    print_log(f'{path}: {reason}; parsing {dataset.data_root}', 'current')
    index = AnnotationIndex(dataset.parse(entries))
    print_log(f'{path}: {len(index)} sequences are parsed', 'current')
    if not write:
        return index
    try:
        path = path.expanduser()
        write_index(path, index.arrays)
        for old in stale:
            shutil.rmtree(old, ignore_errors=True)
        return read_index(path)
    except (OSError, RuntimeError, ValueError) as error:
        print_log(
            f'{path} cannot be kept ({error}): annotations are parsed at '
            'every start. Set MMSIMTRACK_CACHE to a folder that can be '
            'written and has space.',
            'current',
            level=logging.WARNING,
        )
        return index
