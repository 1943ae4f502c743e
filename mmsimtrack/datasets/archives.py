"""Zip archives and LMDBs whose keys are paths."""

import os
import struct
import threading
import zipfile
import zlib
from bisect import bisect_left
from collections import defaultdict
from functools import lru_cache

import numpy as np
from mmengine.fileio import LmdbBackend

MAX_OPEN = 256  # zip archives at a time, in each process
_HEADER = 30  # bytes before the name of a zip member


class ZipArchive:
    """A zip archive, read by many threads and processes at once.

    Python's `ZipFile` locks for every read, and keeps 600 bytes per member.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except zipfile.BadZipFile as error:
            raise ValueError(
                f'{path} is truncated or no zip archive ({error}). Download '
                'it again.'
            ) from error
        self._subfolders = defaultdict(set)
        rows = defaultdict(list)
        for member in members:
            folder, _, name = member.filename.rpartition('/')
            if name:
                rows[folder].append((name.encode(), *_describe(member)))
        self._tables = {
            folder: _make_table(members) for folder, members in rows.items()
        }
        for folder in rows:
            while folder:
                parent, _, name = folder.rpartition('/')
                self._subfolders[parent].add(name)
                folder = parent
        self._file = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, '_file'):
            os.close(self._file)

    def list_folder(self, folder: str) -> tuple[set[str], list[str]]:
        """Names of folders and of files in a folder."""
        names = self._tables[folder]['name'] if folder in self._tables else ()
        folders = self._subfolders.get(folder, set())
        return folders, [name.decode() for name in names]

    def has(self, path: str) -> bool:
        """Whether there is such a member."""
        return self._find(path) is not None

    def read(self, path: str) -> bytes | None:
        """A member, or None; raises `ValueError` if it is damaged."""
        row = self._find(path)
        if row is None:
            return None
        try:
            return self._unpack(*row.tolist()[1:])
        except (struct.error, zlib.error) as error:
            raise ValueError(
                f'{self.path}: {path} in it cannot be read ({error}). '
                'Download the archive again, or unpack it.'
            ) from error

    def _unpack(self, offset: int, size: int, crc: int, method: int) -> bytes:
        # pread has no position that others could move, as seek and read do
        header = os.pread(self._file, _HEADER, offset)
        start = offset + _HEADER + sum(struct.unpack_from('<HH', header, 26))
        content = os.pread(self._file, size, start)
        if method == zipfile.ZIP_DEFLATED:
            content = zlib.decompress(content, -zlib.MAX_WBITS)
        elif method != zipfile.ZIP_STORED:
            how = 'with a password' if method < 0 else f'by method {method}'
            raise zlib.error(f'packed {how}, which is not supported')
        if zlib.crc32(content) != crc:
            raise zlib.error('wrong checksum')
        return content

    def _find(self, path: str) -> np.void | None:
        folder, _, name = path.rpartition('/')
        table = self._tables.get(folder)
        if table is None:
            return None
        name = name.encode()
        # numpy's search would convert the whole table, for a longer name
        i = bisect_left(table['name'], name)
        found = i < len(table) and table['name'][i] == name
        return table[i] if found else None


class LmdbArchive(LmdbBackend):
    """An LMDB whose keys are paths."""

    _client = None  # for what mmengine does if `lmdb` is missing

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path
        self._client = self._get_client()

    def close(self) -> None:
        """Close it in this process."""
        self._client.close()

    def list_folder(self, folder: str) -> tuple[list[str], list[str]]:
        """Names of folders and of files in a folder."""
        names = [], []
        prefix = f'{folder}/'.encode() if folder else b''
        with self._client.begin() as transaction:
            cursor = transaction.cursor()
            found = cursor.set_range(prefix)
            while found and (key := cursor.key()).startswith(prefix):
                name, slash, _ = key[len(prefix) :].partition(b'/')
                names[not slash].append(name.decode())
                # over all that is in a folder: '0' follows '/'
                found = (
                    cursor.set_range(prefix + name + b'0')
                    if slash
                    else cursor.next()
                )
        return names

    def has(self, path: str) -> bool:
        """Whether there is such a key."""
        return self.read(path) is not None

    def read(self, path: str) -> bytes | None:
        """A value, or None."""
        return self.get(path)


@lru_cache(MAX_OPEN)
def open_zip(path: str) -> ZipArchive:
    """A zip archive; its list of members is read once per process."""
    return ZipArchive(path)


def open_lmdb(path: str) -> LmdbArchive:
    """An LMDB, which a process may open once only."""
    with _lock:
        if path not in _lmdbs:
            _lmdbs[path] = LmdbArchive(path)
        return _lmdbs[path]


_lmdbs: dict[str, LmdbArchive] = {}
_lock = threading.Lock()


def _close_inherited() -> None:
    """An LMDB must not be used after a fork; the child opens its own."""
    global _lock
    _lock = threading.Lock()
    for lmdb in _lmdbs.values():
        lmdb.close()
    _lmdbs.clear()


os.register_at_fork(after_in_child=_close_inherited)


def _describe(member: zipfile.ZipInfo) -> tuple[int, int, int, int]:
    """Where it is, its packed size, checksum and method; -1: encrypted."""
    method = -1 if member.flag_bits & 1 else member.compress_type
    return member.header_offset, member.compress_size, member.CRC, method


def _make_table(members: list[tuple]) -> np.ndarray:
    """(N,) records, sorted by name: 30 bytes for a frame."""
    width = max(len(name) for name, *_ in members)
    fields = ('offset', 'i8'), ('size', 'i8'), ('crc', 'u4'), ('method', 'i2')
    return np.array(sorted(members), [('name', f'S{width}'), *fields])
