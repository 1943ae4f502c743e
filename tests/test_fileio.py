import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmsimtrack import fileio
from mmsimtrack.datasets.layouts.nfs import read_nfs_xywh

DATA = Path(__file__).parent / 'data' / 'eval'
DIALECTS = sorted((DATA / 'formats').glob('*.txt'))


@pytest.fixture
def write(tmp_path):
    def _write(content):
        path = tmp_path / 'boxes.txt'
        path.write_bytes(content)
        return path

    return _write


@pytest.mark.parametrize('path', DIALECTS, ids=lambda path: path.stem)
def test_every_dialect_reads_the_same(path):
    expected = json.loads((DATA / 'formats' / 'expected.json').read_text())
    bboxes = fileio.read_bboxes_xywh(path)
    assert bboxes.dtype == np.float64
    expected = np.array(expected['boxes'], dtype=np.float64)
    np.testing.assert_array_equal(bboxes, expected)
    assert len(DIALECTS) == 14


@pytest.mark.parametrize(
    'read', [fileio.read_bboxes_xywh, fileio.read_flags, fileio.read_names]
)
def test_missing_and_empty_files(write, tmp_path, read):
    expected = (
        'a list of seq' if read is fileio.read_names else 'a text file with o'
    )
    message = rf'none\.txt is missing\. Expected {expected}'
    with pytest.raises(FileNotFoundError, match=message):
        read(tmp_path / 'none.txt')
    if read is fileio.read_names:
        assert read(write(b' \n\n')) == []
        return
    with pytest.raises(ValueError, match=r'boxes\.txt is empty'):
        read(write(b' \n\n'))


@pytest.mark.parametrize(
    'content',
    [b'0\n8\n1\n', b'0,8,1', b'0,8,1\r\n', b'0 8 1\n', b'0.0\n8.0\n1.0\n\n'],
)
def test_flags_in_lines_or_in_one_line(write, content):
    flags = fileio.read_flags(write(content))
    assert flags.dtype == np.int64
    assert flags.tolist() == [0, 8, 1]
    assert fileio.read_flags(write(b'1\n')).tolist() == [1]


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_marks_of_encodings(tmp_path, encoding):
    """As PowerShell and editors of Windows write them."""
    path = tmp_path / 'file.txt'
    path.write_text('1\t2,3 4\r\n', encoding=encoding)  # one row
    assert fileio.read_bboxes_xywh(path).tolist() == [[1, 2, 3, 4]]
    path.write_text('0\n1\n', encoding=encoding)
    assert fileio.read_flags(path).tolist() == [0, 1]
    path.write_text('\nAir Hockey-1\t\n día\r\n', encoding=encoding)
    assert fileio.read_names(path) == ['Air Hockey-1', 'día']


BOX, FLAG = 'four numbers x, y, w, h', 'one integer'


BAD_ROWS = [
    (b'1,2,3,4\n1,2,3\n', 2, '1 2 3', BOX),
    (b'1,2,3,4\n\n1,2,3,4,5\n', 3, '1 2 3 4 5', BOX),
    (b'1,2,3\n1,2,3\n', 1, '1 2 3', BOX),
    (b'1,2,3,4\r\n1,,3,4\r\n', 2, '1  3 4', BOX),
    (b'x,y,w,h\n1,2,3,4\n', 1, 'x y w h', BOX),
    (b'1,2,3,4\n1,inf,3,4\n', 2, '1 inf 3 4', BOX),
    (b'1,2,3,4\n1,2,\xff,4\n', 2, '1 2 \ufffd 4', BOX),
    (b'1,2,3,4\n1,2,1_0,4\n', 2, '1 2 1_0 4', BOX),
    (b'# comment\n1,2,3,4\n', 1, '# comment', BOX),
    (b'0\n1\nyes\n', 3, 'yes', FLAG),
    (b'0\n0.5\n', 2, '0.5', FLAG),
    (b'0,1,nan', 3, 'nan', FLAG),
    (b'0\ninf\n', 2, 'inf', FLAG),
    (b'0,1\n1,0\n', 1, '0 1', FLAG),
    (b'0\n1,0\n', 2, '1 0', FLAG),
]


@pytest.mark.parametrize('content, line, found, expected', BAD_ROWS)
def test_bad_rows_name_file_and_line(write, content, line, found, expected):
    read = fileio.read_bboxes_xywh if expected is BOX else fileio.read_flags
    place = 'line' if expected is BOX else '(line|value)'
    message = rf"boxes\.txt, {place} {line}: found '{found}', expected "
    with pytest.raises(ValueError, match=message + expected):
        read(write(content))


def test_nfs_has_every_eighth_line(write):
    lines = [f'0 {n} 2 {n + 10} 22 {n} 0 0 0 "ball"' for n in range(10)]
    boxes = read_nfs_xywh(write('\n'.join(lines).encode()))
    assert boxes.tolist() == [[0, 2, 10, 20], [8, 2, 10, 20]]
    path = write(b'0 1 2 3 4 5\n\n0 1 2 3 4\n')
    with pytest.raises(ValueError, match='line 3: found .0 1 2 3 4., expect'):
        read_nfs_xywh(path)


def test_write_and_read_again(tmp_path):
    path = tmp_path / 'result.txt'
    message = r'found boxes of shape \(4,\), expected \(T, 4\)'
    with pytest.raises(ValueError, match=message):
        fileio.write_bboxes_xywh(path, [1, 2, 3, 4])
    assert not os.listdir(tmp_path)
    fileio.write_bboxes_xywh(path, [[1, 2, 3, 4], [0.12345, -5.5, 1e3, 1e-9]])
    text = '1.0000,2.0000,3.0000,4.0000\n0.1235,-5.5000,1000.0000,0.0000\n'
    assert path.read_text() == text
    assert fileio.read_bboxes_xywh(path)[1].tolist() == [0.1235, -5.5, 1000, 0]
    # an interrupted write keeps the old file
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with fileio.replace_atomically(path) as temporary:
            temporary.write_text('ne')
            raise KeyboardInterrupt
    assert path.read_text() == text
    assert os.listdir(tmp_path) == ['result.txt']


HOLD = """
import sys, time
from mmsimtrack.fileio import lock_folder
with lock_folder(sys.argv[1]):
    print('locked', flush=True)
    time.sleep(60)
"""


def test_a_folder_is_locked_until_its_process_ends(tmp_path):
    command = [sys.executable, '-c', HOLD, str(tmp_path / 'work')]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b'locked\n'
        message = rf'work is in use by process {holder.pid} on .*\. Wait unt'
        with pytest.raises(RuntimeError, match=message):
            with fileio.lock_folder(tmp_path / 'work'):
                pass
        holder.kill()
    for _ in range(2):
        with fileio.lock_folder(tmp_path / 'work'):
            assert str(os.getpid()) in (tmp_path / 'work/.lock').read_text()


@pytest.mark.parametrize('name', ['submission.zip', 'cat.index', 'clip.mp4'])
def test_what_a_killed_process_left_is_swept_up(tmp_path, name):
    with subprocess.Popen(['true']) as dead:
        dead.wait()
    stem, suffix = name.split('.')
    here = socket.gethostname()
    left = tmp_path / f'.{stem}.{dead.pid}-{here}.{suffix}'
    others = [
        tmp_path / f'.{stem}.{os.getppid()}-{here}.{suffix}',  # still runs
        tmp_path / f'.{stem}.{dead.pid}-elsewhere.{suffix}',
        tmp_path / f'.other.{dead.pid}-{here}.{suffix}',
        tmp_path / f'.{stem}.{suffix}',
    ]
    for path in (left, *others):
        path.touch()
    with fileio.replace_atomically(tmp_path / name) as temporary:
        temporary.write_text('new')
    assert not left.exists() and all(path.exists() for path in others)
    assert (tmp_path / name).read_text() == 'new'


def test_no_link_is_followed_where_a_file_is_written(tmp_path):
    (tmp_path / 'victim').write_text('mine')
    own = tmp_path / f'.a.{os.getpid()}-{socket.gethostname()}.txt'
    own.symlink_to(tmp_path / 'victim')
    with fileio.replace_atomically(tmp_path / 'a.txt') as temporary:
        assert temporary == own and not own.is_symlink()
        temporary.write_text('new')
    assert (tmp_path / 'victim').read_text() == 'mine'
    assert (tmp_path / 'a.txt').read_text() == 'new'
