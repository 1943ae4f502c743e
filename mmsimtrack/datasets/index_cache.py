"""Annotations are parsed once, and kept in a file until they change.

Parsing the 30,000 text files of TrackingNet takes minutes, mapping their
numbers into memory less than a second. The files lie in `$MMSIMTRACK_CACHE`,
by default `~/.cache/mmsimtrack`; they can be deleted when nothing runs.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import os.path as osp
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import torch
from mmengine import dist
from mmengine.logging import print_log

from mmsimtrack.datasets import annotation_index, frame_files
from mmsimtrack.datasets.annotation_index import (
    AnnotationIndex,
    read_index,
    write_index,
)
from mmsimtrack.structures import annotation_file, bbox

FORMAT = 1  # raise it when the layout of the file changes
# Their sources are part of the key, as are those of the data set's classes.
PARSERS = (annotation_file, annotation_index, bbox, frame_files)


def open_index(dataset) -> AnnotationIndex:
    """The annotations of a data set, from a file if nothing has changed.

    It is valid for the same entries, options and code of the data set, and
    the same times and sizes of all sources. Otherwise rank 0 (of each
    machine) parses and writes it, while the others wait: in a distributed
    run every rank must call this.

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
        entries, sources = dataset.find_sources()
        path, key = _identify(dataset, entries, sources)
        if parses:
            index = _open_or_parse(path, key, dataset, entries, write=True)
    except Exception as error:
        failure = error
    _meet(dataset, failure)
    if index is None:
        index = _open_or_parse(path, key, dataset, entries, write=False)
    return index


def _identify(dataset, entries, sources: list[str]) -> tuple[Path, str]:
    """Path of the file for a data set, and the key of its content."""
    type_, root = type(dataset), dataset.data_root
    options = [type_.__module__, osp.abspath(root), root, dataset.options]
    folder = os.environ.get('MMSIMTRACK_CACHE', '~/.cache/mmsimtrack')
    name = f'{type_.__name__}-{_digest(options)[:16]}.index'
    modules = [base.__module__ for base in type_.__mro__[:-1]]
    modules += [module.__name__ for module in PARSERS]
    code = [_checksum(module) for module in modules]
    key = _digest([FORMAT, code, options, entries, _stamp_all(sources)])
    return Path(folder).expanduser() / name, key


def _stamp_all(paths: list[str]) -> list:
    """Times in ns and sizes of files and folders.

    Of what is missing, those of the archives that may contain it.
    """

    @functools.cache
    def stamp_archives(folder: str) -> str:
        if not osp.exists(folder or '.'):
            return stamp_archives(osp.dirname(folder))
        names = os.listdir(folder or '.') if osp.isdir(folder or '.') else []
        names = sorted(n for n in names if n.endswith(('.zip', 'data.mdb')))
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
        # what a server has may change at any time
        return (time.time_ns(), 0) if '://' in path else None
    return found.st_mtime_ns, found.st_size


def _checksum(module: str) -> int:
    """Checksum of a source; never the same for what has no file."""
    path = getattr(sys.modules[module], '__file__', None)
    return zlib.crc32(Path(path).read_bytes()) if path else time.time_ns()


def _digest(content) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


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


def _open_or_parse(path, key, dataset, entries, write) -> AnnotationIndex:
    """Open a file, or create it and say why."""
    try:
        return read_index(path, key)
    except FileNotFoundError:
        reason = 'not parsed yet'
    except (OSError, ValueError) as error:
        reason = str(error)
    print_log(f'{path}: {reason}; parsing {dataset.data_root}', 'current')
    index = AnnotationIndex(dataset.parse(entries))
    print_log(f'{path}: {len(index)} sequences are parsed', 'current')
    if not write:
        return index
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_index(path, key, index.arrays)
        return read_index(path, key)
    except (OSError, ValueError) as error:
        print_log(
            f'{path} cannot be kept ({error}): annotations are parsed at '
            'every start. Set MMSIMTRACK_CACHE to a folder that can be '
            'written and has space.',
            'current',
            level=logging.WARNING,
        )
        return index
