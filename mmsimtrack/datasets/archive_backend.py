"""Read files from zip archives and LMDBs as if they were unpacked."""

import os
import os.path as osp
from collections.abc import Iterator
from functools import lru_cache

from mmengine.fileio import BaseStorageBackend, register_backend

from mmsimtrack.datasets.archives import (
    LmdbArchive,
    ZipArchive,
    open_lmdb,
    open_zip,
)


@register_backend('archive')
class ArchiveBackend(BaseStorageBackend):
    """Files that may still be packed: `backend_args=dict(backend='archive')`.

    A path is looked up from the nearest of its folders that exists on disk:

    - `zips/video.zip/0.jpg`: this is a zip archive, which holds `0.jpg`;
    - `got10k_lmdb/train/list.txt`: it contains `data.mdb`, so it is an LMDB
      whose keys are the paths in it;
    - `lasot/cat/cat-1/img/00000001.jpg`: it contains zip archives. Each is
      read as if it had been unpacked there; `cat.zip` is tried first.

    Files on disk win. Archives must not change while they are in use.

    Raises:
        FileNotFoundError: If there is no such file; names the archives.
        ValueError: If an archive or a file in it is damaged.
        ImportError: If there is an LMDB, but not the package `lmdb`.
    """

    def get(self, filepath: str) -> bytes:
        """Content of a file."""
        try:
            with open(filepath, 'rb') as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            pass
        folder, name = osp.split(str(filepath))
        searched = []
        for archive, inside in _archives(folder):
            content = archive.read(_join(inside, name))
            if content is not None:
                return content
            searched.append(archive.path)
        where = ', '.join(searched[:3] + ['...'][: len(searched) > 3])
        raise FileNotFoundError(f'not in {where or "any archive"}')

    def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
        """Content of a text file."""
        return self.get(filepath).decode(encoding)

    def exists(self, filepath: str) -> bool:
        """Whether there is such a file or folder."""
        return self.isfile(filepath) or self.isdir(filepath)

    def isfile(self, filepath: str) -> bool:
        """Whether there is such a file."""
        folder, name = osp.split(str(filepath))
        return osp.isfile(filepath) or any(
            archive.has(_join(inside, name))
            for archive, inside in _archives(folder)
        )

    def isdir(self, filepath: str) -> bool:
        """Whether there is such a folder; a zip archive counts as one."""
        return osp.isdir(filepath) or any(
            any(archive.list_folder(inside))
            for archive, inside in _archives(str(filepath))
        )

    def list_dir_or_file(
        self,
        dir_path: str,
        list_dir: bool = True,
        list_file: bool = True,
        suffix: str | tuple[str, ...] | None = None,
        recursive: bool = False,
    ) -> Iterator[str]:
        """Names in a folder, of all archives and the disk together."""
        if recursive:
            raise NotImplementedError('ArchiveBackend lists one folder.')
        folders, files = set(), set()
        if osp.isdir(dir_path):
            with os.scandir(dir_path) as entries:
                for entry in entries:
                    (folders if entry.is_dir() else files).add(entry.name)
        for archive, inside in _archives(str(dir_path)):
            more_folders, more_files = archive.list_folder(inside)
            folders.update(more_folders)
            files.update(more_files)
        if list_dir:
            yield from folders
        if list_file:
            yield from (n for n in files if n.endswith(suffix or ''))


def _archives(folder: str) -> Iterator[tuple[ZipArchive | LmdbArchive, str]]:
    """Archives that may contain a folder, and its path in each."""
    place, inside = _nearest_on_disk(folder)
    if place.endswith('.zip') and osp.isfile(place):
        yield open_zip(place), inside
    elif osp.exists(osp.join(place, 'data.mdb')):
        yield open_lmdb(place), inside
    elif osp.isdir(place or '.'):
        named = osp.join(place, inside.partition('/')[0] + '.zip')
        paths = _list_zips(place)
        for path in sorted(paths, key=lambda path: path != named):
            yield open_zip(path), inside


def _nearest_on_disk(folder: str) -> tuple[str, str]:
    """The nearest parent that exists, or the folder, and the way from it."""
    place, inside = folder, ''
    while place and not osp.exists(place):
        place, name = osp.split(place)
        inside = _join(name, inside) if inside else name
    return place, inside


def _join(folder: str, name: str) -> str:
    """A path in an archive, which always has slashes."""
    return f'{folder}/{name}' if folder else name


@lru_cache(1024)
def _list_zips(folder: str) -> list[str]:
    names = sorted(os.listdir(folder or '.'))
    return [osp.join(folder, n) for n in names if n.endswith('.zip')]
