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
import weakref
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from mmsimtrack.fileio import read_file

MAX_OPEN = 256  # zip archives at a time, in each process
MAX_MEMBER = 2**30  # bytes of a member, unpacked
_HEADER = 30  # bytes before the name of a zip member
_FIELDS = list(zip(('offset', 'packed', 'size'), ('i8',) * 3))
_FIELDS += [('crc', 'u4'), ('method', 'i2')]


def read_bytes(path: str | os.PathLike) -> bytes:
    """Read a file, packed or not; a file on the disk wins.

    Raises:
        FileNotFoundError: If there is no such file; names the archives.
        ValueError: If an archive or a file in it is damaged.
    """
    try:
        return read_file(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        missing = error
    searched = []
    for archive, inside in _find_archives(path):
        content = archive.read(inside)
        if content is not None:
            return content
        searched.append(archive.path)
    if not searched:
        raise FileNotFoundError(*missing.args)
    where = ', '.join(searched[:3] + ['...'][: len(searched) > 3])
    raise FileNotFoundError(f'not in {where}')


def is_file(path: str | os.PathLike) -> bool:
    """Find out whether there is such a file, packed or not."""
    return osp.isfile(path) or any(
        archive.find(inside) is not None
        for archive, inside in _find_archives(path)
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
        paths = (osp.join(folder, name) for name in files)
        zips = filter(_is_zip, paths)
        found = [open_zip(path).list_folder('') for path in zips]
    else:
        found = [
            archive.list_folder(inside)
            for archive, inside in _find_archives(folder)
        ]
    folders.update(*(more for more, _ in found))
    files.update(*(more for _, more in found))
    return tuple(
        sorted(n for n in names - {'', '__MACOSX'} if n[0] != '.')
        for names in (folders, files)
    )


class ZipArchive:
    """A zip archive that many threads and processes read at once.

    Python's `ZipFile` locks for every read, and keeps 600 bytes per member;
    this class keeps one sorted table, about 60 bytes per member.

    Args:
        path: File on the disk, which must not change while it is open.

    Raises:
        ValueError: If the archive is damaged.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                # of two members of one name, the last counts
                rows = dict(map(_describe, archive.infolist()))
        except (zipfile.BadZipFile, struct.error) as error:
            raise ValueError(
                f'{path} is truncated or no zip archive ({error}). Download '
                'it again.'
            ) from error
        width = max(map(len, rows), default=1)
        records = [(name, *row) for name, row in sorted(rows.items())]
        self._table = np.array(records, [('name', f'S{width}'), *_FIELDS])
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def list_folder(self, folder: str) -> tuple[set[str], list[str]]:
        """List names of folders and of files in a folder of the archive."""
        prefix = f'{folder}/'.encode() if folder else b''
        start = self._find_row(prefix)
        # '0' is the character after '/'
        stop = self._find_row(prefix[:-1] + b'0') if folder else None
        names = self._table['name'][start:stop].tolist()
        parts = [name[len(prefix) :].decode().partition('/') for name in names]
        folders = {first for first, slash, _ in parts if slash}
        return folders, [n for n, slash, _ in parts if n and not slash]

    def find(self, path: str) -> np.void | None:
        """Look a member up in the table; None if there is no such member."""
        row = self._table[self._find_row(path.encode()) :][:1]
        return row[0] if len(row) and row['name'][0] == path.encode() else None

    def _find_row(self, name: bytes) -> int:
        # numpy's search would convert the whole table, for a longer name
        return bisect_left(self._table['name'], name)

    def read(self, path: str) -> bytes | None:
        """Unpack a member; None if there is no such member.

        Raises:
            ValueError: If the member is damaged, or too large.
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
        if (largest := max(packed, size)) > MAX_MEMBER:
            raise zlib.error(f'{largest} bytes, more than {MAX_MEMBER}')
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


# each process reads the list of members of an archive once
open_zip = lru_cache(MAX_OPEN)(ZipArchive)


def _find_archives(path: str) -> Iterator[tuple[ZipArchive, str]]:
    """Yield the archives that may contain a path, and its path in each."""
    place, inside = os.fspath(path), ''
    while place and not osp.exists(place):
        place, name = osp.split(place)
        # a path in an archive has slashes on every system
        inside = f'{name}/{inside}' if inside else name
    if place.endswith('.zip') and osp.isfile(place):
        yield open_zip(place), inside
    elif inside and osp.isdir(place or '.'):
        first = inside.partition('/')[0] + '.zip'
        names = _list_zips(place, os.stat(place or '.').st_mtime_ns)
        for name in sorted(names, key=lambda name: (name != first, name)):
            yield open_zip(osp.join(place, name)), inside


@lru_cache(1024)
def _list_zips(folder: str, modified: int) -> list[str]:
    """List the archives of a folder, as it was modified last."""
    names = os.listdir(folder or '.')
    return [name for name in names if _is_zip(osp.join(folder, name))]


def _is_zip(path: str) -> bool:
    is_named_so = path.endswith('.zip') and osp.basename(path)[0] != '.'
    return is_named_so and osp.isfile(path)  # a pipe would hang


def _describe(member: zipfile.ZipInfo) -> tuple[bytes, tuple]:
    """Give the name of a member, its place, sizes, checksum and method.

    The method is -1 where the member is encrypted.
    """
    method = -1 if member.flag_bits & 1 else member.compress_type
    sizes = member.compress_size, member.file_size
    row = member.header_offset, *sizes, member.CRC, method
    return member.filename.encode(), row
