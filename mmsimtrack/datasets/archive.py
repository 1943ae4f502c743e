"""Files and folders that may still be packed in zip archives.

A path that is not on the disk is looked up from the nearest of its folders
that is:

- `zips/video.zip/0.jpg`: this is a zip archive, which holds `0.jpg`;
- `lasot/cat/cat-1/img/00000001.jpg`: a folder that contains zip archives. Each
  is read as if it had been unpacked there; `cat.zip` is tried first.

Hidden files, and what macOS and Jupyter leave behind, are never listed.
"""

import os
import os.path as osp
import struct
import zipfile
import zlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

MAX_OPEN = 256  # zip archives at a time, in each process
MAX_MEMBER = 2**30  # bytes of a member, unpacked
_HEADER = 30  # bytes before the name of a zip member
_FIELDS = dict(offset='i8', packed='i8', size='i8', crc='u4', method='i2')


def read_bytes(path: str | os.PathLike) -> bytes:
    """Read a file, packed or not; a file on the disk wins.

    Raises:
        FileNotFoundError: If there is no such file; names the archives.
        ValueError: If an archive or a file in it is damaged.
    """
    try:
        with open(path, 'rb') as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        missing = FileNotFoundError(*error.args)
    folder, name = osp.split(path)
    searched = []
    for archive, inside in _find_archives(folder):
        content = archive.read(_join(inside, name))
        if content is not None:
            return content
        searched.append(archive.path)
    if not searched:
        raise missing
    where = ', '.join(searched[:3] + ['...'][: len(searched) > 3])
    raise FileNotFoundError(f'not in {where}')


def is_file(path: str | os.PathLike) -> bool:
    """Find out whether there is such a file, packed or not."""
    folder, name = osp.split(path)
    return osp.isfile(path) or any(
        archive.find(_join(inside, name)) is not None
        for archive, inside in _find_archives(folder)
    )


def is_folder(path: str | os.PathLike) -> bool:
    """Find out whether there is such a folder; an archive counts as one."""
    return osp.isdir(path or '.') or any(
        any(archive.list_folder(inside))
        for archive, inside in _find_archives(path)
    )


def list_folder(folder: str | os.PathLike) -> tuple[list[str], list[str]]:
    """List names of folders and of files, on the disk and in archives.

    Both are sorted; what is hidden is left out.
    """
    folders, files = set(), set()
    if osp.isdir(folder or '.'):
        with os.scandir(folder or '.') as entries:
            for entry in entries:
                (folders if entry.is_dir() else files).add(entry.name)
        zips = [osp.join(folder, name) for name in files if _is_zip(name)]
        archives = ((open_zip(path), '') for path in zips)
    else:
        archives = _find_archives(folder)
    for archive, inside in archives:
        more_folders, more_files = archive.list_folder(inside)
        folders.update(more_folders)
        files.update(more_files)
    return tuple(
        sorted(n for n in names if n[0] != '.' and n != '__MACOSX')
        for names in (folders, files)
    )


class ZipArchive:
    """A zip archive, read by many threads and processes at once.

    Python's `ZipFile` locks for every read, and keeps 600 bytes per member.

    Args:
        path: File on the disk, which must not change while it is open.

    Raises:
        ValueError: If the archive is damaged.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, struct.error) as error:
            raise ValueError(
                f'{path} is truncated or no zip archive ({error}). Download '
                'it again.'
            ) from error
        self._subfolders = defaultdict(set)
        folders = defaultdict(dict)
        for member in members:
            folder, _, name = member.filename.rpartition('/')
            if name:  # of two members of one name, the last counts
                folders[folder][name.encode()] = _describe(member)
        self._tables = {
            folder: _make_table(rows) for folder, rows in folders.items()
        }
        for folder in folders:
            while folder:
                parent, _, name = folder.rpartition('/')
                self._subfolders[parent].add(name)
                folder = parent
        self._file = os.open(path, os.O_RDONLY)

    def __del__(self, close=os.close) -> None:
        # bound here: modules are gone when the interpreter ends
        if hasattr(self, '_file'):
            close(self._file)

    def list_folder(self, folder: str) -> tuple[set[str], list[str]]:
        """List names of folders and of files in a folder of the archive."""
        names = self._tables[folder]['name'] if folder in self._tables else ()
        folders = self._subfolders.get(folder, set())
        return folders, [name.decode() for name in names]

    def find(self, path: str) -> np.void | None:
        """Look a member up in the tables; None if there is no such member."""
        folder, _, name = path.rpartition('/')
        table = self._tables.get(folder)
        if table is None:
            return None
        name = name.encode()
        # numpy's search would convert the whole table, for a longer name
        i = bisect_left(table['name'], name)
        found = i < len(table) and table['name'][i] == name
        return table[i] if found else None

    def read(self, path: str) -> bytes | None:
        """Unpack a member; None if there is no such member.

        Raises:
            ValueError: If it is damaged, or too large.
        """
        row = self.find(path)
        if row is None:
            return None
        try:
            return self._unpack(*row.tolist()[1:])
        except (struct.error, zlib.error) as error:
            raise ValueError(
                f'{self.path}: {path} in it cannot be read ({error}). '
                'Download the archive again, or unpack it.'
            ) from error

    def _unpack(
        self, offset: int, packed: int, size: int, crc: int, method: int
    ) -> bytes:
        if size > MAX_MEMBER:
            raise zlib.error(f'{size} bytes, more than {MAX_MEMBER}')
        if packed > os.fstat(self._file).st_size:
            raise zlib.error('larger than the archive')
        # pread has no position that others could move, as seek and read do
        header = os.pread(self._file, _HEADER, offset)
        start = offset + _HEADER + sum(struct.unpack_from('<HH', header, 26))
        content = os.pread(self._file, packed, start)
        if method == zipfile.ZIP_DEFLATED:
            # a byte more than its header says would be enough to refuse it
            inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            content = inflate.decompress(content, size + 1)
        elif method != zipfile.ZIP_STORED:
            how = 'with a password' if method < 0 else f'by method {method}'
            raise zlib.error(f'packed {how}, which is not supported')
        if len(content) != size:
            raise zlib.error(f'other than the {size} bytes of its header')
        if zlib.crc32(content) != crc:
            raise zlib.error('wrong checksum')
        return content


@lru_cache(MAX_OPEN)
def open_zip(path: str) -> ZipArchive:
    """Open an archive; each process reads its list of members once."""
    return ZipArchive(path)


def _find_archives(folder: str) -> Iterator[tuple[ZipArchive, str]]:
    """Yield archives that may contain a folder, and its path in each."""
    place, inside = os.fspath(folder), ''
    while place and not osp.exists(place):
        place, name = osp.split(place)
        inside = _join(name, inside) if inside else name
    if place.endswith('.zip') and osp.isfile(place):
        yield open_zip(place), inside
    elif osp.isdir(place or '.'):
        first = inside.partition('/')[0] + '.zip'
        names = _list_zips(place, os.stat(place or '.').st_mtime_ns)
        for name in sorted(names, key=lambda name: (name != first, name)):
            yield open_zip(osp.join(place, name)), inside


@lru_cache(1024)
def _list_zips(folder: str, modified: int) -> list[str]:
    """List the archives of a folder, as it was modified last."""
    return [name for name in os.listdir(folder or '.') if _is_zip(name)]


def _is_zip(name: str) -> bool:
    return name.endswith('.zip') and not name.startswith('.')


def _join(folder: str, name: str) -> str:
    """Join a path in an archive, which always has slashes."""
    return f'{folder}/{name}' if folder else name


def _describe(member: zipfile.ZipInfo) -> tuple[int, int, int, int, int]:
    """Say where a member is, its sizes, checksum and method; -1: encrypted."""
    method = -1 if member.flag_bits & 1 else member.compress_type
    sizes = member.compress_size, member.file_size
    return member.header_offset, *sizes, member.CRC, method


def _make_table(rows: dict[bytes, tuple]) -> np.ndarray:
    """(N,) records, sorted by name: 38 bytes for a frame."""
    fields = {'name': f'S{max(map(len, rows))}', **_FIELDS}
    records = [(name, *row) for name, row in sorted(rows.items())]
    return np.array(records, list(fields.items()))
