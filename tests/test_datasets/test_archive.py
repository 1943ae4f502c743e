import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmsimtrack.datasets import archive, read_frame
from mmsimtrack.datasets.archive import (
    is_file,
    is_folder,
    list_folder,
    open_zip,
    read_bytes,
)
from mmsimtrack.fileio import read_bboxes_xywh

FILES = {
    'cat/cat-1/img/1.jpg': b'one' * 99,
    'cat/cat-1/img/2.jpg': b'two',
    'cat/cat-1/boxes.txt': b'1,2,3,4\n',
    'cat/list.txt': 'día\n'.encode(),
}


def write_zip(path, files=None, **kwargs):
    with zipfile.ZipFile(path, 'w', **kwargs) as file:
        for name, content in (files or FILES).items():
            file.writestr(name, content)
    return path


@pytest.fixture(params=[0, 8], ids=['stored', 'deflated'])
def root(request, tmp_path):
    write_zip(tmp_path / 'cat.zip', compression=request.param)
    return tmp_path


def test_read_and_list(root):
    for name, content in FILES.items():
        assert read_bytes(root / name) == content
    bboxes = read_bboxes_xywh(root / 'cat/cat-1/boxes.txt', read_bytes)
    assert bboxes.tolist() == [[1, 2, 3, 4]]
    assert list_folder(root) == (['cat'], ['cat.zip'])
    assert list_folder(root / 'cat') == (['cat-1'], ['list.txt'])
    assert list_folder(root / 'cat/cat-1/img') == ([], ['1.jpg', '2.jpg'])
    assert list_folder(root / 'dog') == ([], [])
    for path in ('cat', 'cat/cat-1', 'cat/cat-1/img', 'cat.zip'):
        assert is_folder(root / path)
    for path in FILES:
        assert is_file(root / path) and not is_folder(root / path)
    for path in ('dog', 'ca', 'cat/cat', 'cat/list', 'cat/list.txt/1'):
        assert not is_file(root / path) and not is_folder(root / path)


def test_the_disk_wins_and_then_the_archive_of_that_name(tmp_path):
    write_zip(tmp_path / '.hidden.zip', {'bird/1.txt': b'x'})
    write_zip(tmp_path / 'all.zip', {'cat/1.txt': b'all', 'dog/1.txt': b'dog'})
    write_zip(tmp_path / 'cat.zip', {'cat/1.txt': b'named'})
    assert read_bytes(tmp_path / 'cat/1.txt') == b'named'
    assert read_bytes(tmp_path / 'dog/1.txt') == b'dog'
    assert list_folder(tmp_path)[0] == ['cat', 'dog']
    (tmp_path / 'cat').mkdir()
    (tmp_path / 'cat/1.txt').write_bytes(b'disk')
    assert read_bytes(tmp_path / 'cat/1.txt') == b'disk'


@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_of_a_name_twice_the_last_counts(tmp_path):
    with zipfile.ZipFile(tmp_path / 'v.zip', 'w') as file:
        for content in ('first', 'second', 'last'):
            file.writestr('a.txt', content)
    assert read_bytes(tmp_path / 'v.zip/a.txt') == b'last'
    assert list_folder(tmp_path / 'v.zip') == ([], ['a.txt'])
    content = (tmp_path / 'v.zip').read_bytes()
    (tmp_path / 'cut.zip').write_bytes(content[:-30])
    message = r'cut.zip is truncated or no zip archive \(.*\)\. Download it'
    with pytest.raises(ValueError, match=message):
        read_bytes(tmp_path / 'cut/a.txt')


def test_missing_frame_names_the_archive(root):
    message = r'img/3.jpg is missing \(not in .*cat.zip\)\. Expected a frame'
    with pytest.raises(FileNotFoundError, match=message):
        read_frame(str(root / 'cat/cat-1/img/3.jpg'))
    message = r'cat-1/gt.txt is missing\. Expected a text file'
    with pytest.raises(FileNotFoundError, match=message):
        read_bboxes_xywh(root / 'cat/cat-1/gt.txt', read_bytes)


def set_field(offset, form, value):
    """Edit the entry of the first member in the list of members."""

    def edit(content):
        start = content.index(b'PK\x01\x02') + offset
        struct.pack_into(form, content, start, value)

    return edit


def overwrite(content):
    content[45:55] = b'damagedbit'


DAMAGES = [
    (overwrite, ''),
    (set_field(8, '<H', 1), 'packed with a password, which is not supp'),
    (set_field(10, '<H', 14), 'packed by method 14, which is not support'),
    (set_field(16, '<I', 0), 'wrong checksum'),
    (set_field(20, '<I', 2**31), '2147483648 bytes, more than 1073741824'),
    (set_field(24, '<I', 2**31), '2147483648 bytes, more than 1073741824'),
    (set_field(24, '<I', 3), 'other than the 3 bytes of its header'),
]


@pytest.mark.parametrize('method', [0, 8])
@pytest.mark.parametrize('edit, reason', DAMAGES)
def test_damaged_member(tmp_path, method, edit, reason):
    """A size that the header does not promise is not unpacked in full."""
    path = write_zip(tmp_path / 'cat.zip', compression=method)
    content = bytearray(path.read_bytes())
    edit(content)
    path.write_bytes(content)
    message = (
        rf'cat.zip: cat/cat-1/img/1.jpg in it cannot be read \(.*{reason}.*\)'
        r'\. Download the archive again, or unpack it'
    )
    with pytest.raises(ValueError, match=message):
        read_bytes(tmp_path / 'cat/cat-1/img/1.jpg')
    assert read_bytes(tmp_path / 'cat/cat-1/img/2.jpg') == b'two'


def test_archives_that_were_streamed_and_large_ones(tmp_path):
    """Sizes after the content, and ZIP64 fields."""
    with zipfile.ZipFile(tmp_path / 'cat.zip', 'w') as file:
        for name, content in FILES.items():
            with file.open(name, 'w', force_zip64=True) as member:
                member.write(content)
    with open(tmp_path / 'dog.zip', 'wb') as file:
        file.seekable = lambda: False
        with zipfile.ZipFile(file, 'w', compression=8) as streamed:
            for name, content in FILES.items():
                streamed.writestr(name.replace('cat', 'dog'), content)
    for name, content in FILES.items():
        assert read_bytes(tmp_path / name) == content
        assert read_bytes(tmp_path / name.replace('cat', 'dog')) == content


def test_many_threads(root):
    names = list(FILES) * 200
    open_zip.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda name: read_bytes(root / name), names)
        assert list(found) == [FILES[name] for name in names]


def test_archives_are_closed(tmp_path):
    path = str(write_zip(tmp_path / 'cat.zip'))
    opened = archive.ZipArchive(path)
    number = opened._file
    assert opened.read('cat/cat-1/img/2.jpg') == b'two'
    del opened
    with pytest.raises(OSError, match='Bad file descriptor'):
        archive.os.fstat(number)
    assert open_zip.cache_info().maxsize == archive.MAX_OPEN
