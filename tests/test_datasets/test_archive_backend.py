import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from mmengine import fileio
from storage import ARCHIVE

from mmsimtrack.datasets import ArchiveBackend, archives, read_frame
from mmsimtrack.structures.annotation_file import read_bboxes_xywh

FILES = {
    'cat/cat-1/img/1.jpg': b'one' * 99,
    'cat/cat-1/img/2.jpg': b'two',
    'cat/cat-1/boxes.txt': b'1,2,3,4\n',
    'cat/list.txt': 'día\n'.encode(),
}


def write_zip(path, files=None, **kwargs):
    with zipfile.ZipFile(path, 'w', **kwargs) as archive:
        for name, content in (files or FILES).items():
            archive.writestr(name, content)
    return path


def write_lmdb(path, files):
    lmdb = pytest.importorskip('lmdb')
    with lmdb.open(str(path)) as database:  # noqa: SIM117
        with database.begin(write=True) as transaction:
            for name, content in files.items():
                transaction.put(name.encode(), content)


@pytest.fixture(params=['zip', 'deflated', 'lmdb'])
def root(request, tmp_path):
    if request.param == 'lmdb':
        write_lmdb(tmp_path, FILES)
    else:
        method = ['zip', 'deflated'].index(request.param) * 8
        write_zip(tmp_path / 'cat.zip', compression=method)
    return tmp_path


def names_in(folder, *args, **kwargs):
    found = fileio.list_dir_or_file(
        folder, *args, **kwargs, backend_args=ARCHIVE
    )
    return sorted(found)


def test_read(root):
    for name, content in FILES.items():
        assert fileio.get(root / name, ARCHIVE) == content
    text = fileio.get_text(root / 'cat/list.txt', backend_args=ARCHIVE)
    assert text == 'día\n'
    bboxes = read_bboxes_xywh(root / 'cat/cat-1/boxes.txt', ARCHIVE)
    assert bboxes.tolist() == [[1, 2, 3, 4]]


def test_list(root):
    assert names_in(root / 'cat') == ['cat-1', 'list.txt']
    assert names_in(root / 'cat', True, False) == ['cat-1']
    assert names_in(root / 'cat', False, True) == ['list.txt']
    assert names_in(root / 'cat/cat-1', False, suffix='.txt') == ['boxes.txt']
    assert names_in(root / 'cat/cat-1/img') == ['1.jpg', '2.jpg']
    assert names_in(root / 'dog') == []
    assert 'cat' in names_in(root)
    with pytest.raises(NotImplementedError, match='lists one folder'):
        names_in(root, recursive=True)


def test_what_exists(root):
    backend = ArchiveBackend()
    for path in ('cat', 'cat/cat-1', 'cat/cat-1/img'):
        assert backend.isdir(str(root / path))
        assert not backend.isfile(str(root / path))
        assert backend.exists(str(root / path))
    for path in FILES:
        assert not backend.isdir(str(root / path))
        assert backend.isfile(str(root / path))
    for path in ('dog', 'ca', 'cat/cat', 'cat/list', 'cat/list.txt/1'):
        assert not backend.exists(str(root / path))


def test_path_through_an_archive(tmp_path):
    write_zip(tmp_path / 'v.zip')
    path = str(tmp_path / 'v.zip/cat/cat-1/img/2.jpg')
    assert fileio.get(path, ARCHIVE) == b'two'
    assert names_in(tmp_path / 'v.zip') == ['cat']
    assert fileio.isdir(tmp_path / 'v.zip', ARCHIVE)


def test_the_disk_wins_and_then_the_archive_of_that_name(tmp_path):
    write_zip(tmp_path / 'all.zip', {'cat/1.txt': b'all', 'dog/1.txt': b'dog'})
    write_zip(tmp_path / 'cat.zip', {'cat/1.txt': b'named'})
    assert fileio.get(tmp_path / 'cat/1.txt', ARCHIVE) == b'named'
    assert fileio.get(tmp_path / 'dog/1.txt', ARCHIVE) == b'dog'
    assert names_in(tmp_path, True, False) == ['cat', 'dog']
    (tmp_path / 'cat').mkdir()
    (tmp_path / 'cat/1.txt').write_bytes(b'disk')
    assert fileio.get(tmp_path / 'cat/1.txt', ARCHIVE) == b'disk'


def test_missing_frame_names_the_archive(root):
    where = 'cat.zip' if (root / 'cat.zip').exists() else root.name
    message = rf'img/3.jpg is missing \(not in .*{where}\)\. Expected a frame'
    with pytest.raises(FileNotFoundError, match=message):
        read_frame(str(root / 'cat/cat-1/img/3.jpg'), ARCHIVE)
    message = r'cat-1/gt.txt is missing\. Expected a text file'
    with pytest.raises(FileNotFoundError, match=message):
        read_bboxes_xywh(root / 'cat/cat-1/gt.txt', ARCHIVE)


def test_missing_frame_without_any_archive(tmp_path):
    message = r'cat/1.jpg is missing \(not in any archive\)'
    with pytest.raises(FileNotFoundError, match=message):
        read_frame(str(tmp_path / 'cat/1.jpg'), ARCHIVE)


def test_truncated_archive(tmp_path):
    path = write_zip(tmp_path / 'cat.zip')
    path.write_bytes(path.read_bytes()[:-30])
    message = r'cat.zip is truncated or no zip archive \(.*\)\. Download it'
    with pytest.raises(ValueError, match=message):
        fileio.get(tmp_path / 'cat/list.txt', ARCHIVE)


@pytest.mark.parametrize('method', [0, 8])
def test_damaged_member(tmp_path, method):
    path = write_zip(tmp_path / 'cat.zip', compression=method)
    content = bytearray(path.read_bytes())
    content[45:55] = b'damagedbit'
    path.write_bytes(content)
    message = (
        r'cat.zip: cat/cat-1/img/1.jpg in it cannot be read \(.*\)\. Download '
        'the archive again, or unpack it'
    )
    with pytest.raises(ValueError, match=message):
        fileio.get(tmp_path / 'cat/cat-1/img/1.jpg', ARCHIVE)
    assert fileio.get(tmp_path / 'cat/cat-1/img/2.jpg', ARCHIVE) == b'two'


def test_other_compression(tmp_path):
    write_zip(tmp_path / 'cat.zip', compression=zipfile.ZIP_LZMA)
    message = r'cannot be read \(packed by method 14, which is not supported'
    with pytest.raises(ValueError, match=message):
        fileio.get(tmp_path / 'cat/list.txt', ARCHIVE)


def test_password(tmp_path):
    path = write_zip(tmp_path / 'cat.zip')
    content = bytearray(path.read_bytes())
    content[content.index(b'PK\x01\x02') + 8] |= 1
    path.write_bytes(content)
    message = r'cannot be read \(packed with a password, which is not'
    with pytest.raises(ValueError, match=message):
        fileio.get(tmp_path / 'cat/cat-1/img/1.jpg', ARCHIVE)


def test_archives_that_were_streamed_and_large_ones(tmp_path):
    """Sizes after the content, and ZIP64 fields."""
    with zipfile.ZipFile(tmp_path / 'cat.zip', 'w') as archive:
        for name, content in FILES.items():
            with archive.open(name, 'w', force_zip64=True) as member:
                member.write(content)
    with open(tmp_path / 'dog.zip', 'wb') as file:
        file.seekable = lambda: False
        with zipfile.ZipFile(file, 'w', compression=8) as archive:
            for name, content in FILES.items():
                archive.writestr(name.replace('cat', 'dog'), content)
    for name, content in FILES.items():
        assert fileio.get(tmp_path / name, ARCHIVE) == content
        name = name.replace('cat', 'dog')
        assert fileio.get(tmp_path / name, ARCHIVE) == content


def test_many_threads(root):
    names = list(FILES) * 200
    archives.open_zip.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: fileio.get(root / n, ARCHIVE), names)
        assert list(found) == [FILES[name] for name in names]


def test_archives_are_closed(tmp_path):
    path = str(write_zip(tmp_path / 'cat.zip'))
    archive = archives.ZipArchive(path)
    number = archive._file
    assert archive.read('cat/cat-1/img/2.jpg') == b'two'
    del archive
    with pytest.raises(OSError, match='Bad file descriptor'):
        archives.os.fstat(number)
    assert archives.open_zip.cache_info().maxsize == archives.MAX_OPEN


def test_lmdb_needs_its_package(tmp_path, monkeypatch):
    (tmp_path / 'data.mdb').write_bytes(b'')
    monkeypatch.setitem(sys.modules, 'lmdb', None)
    with pytest.raises(ImportError, match='pip install lmdb'):
        fileio.get(tmp_path / 'cat/list.txt', ARCHIVE)
