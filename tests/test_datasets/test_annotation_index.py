import multiprocessing
import pickle

import numpy as np
import pytest

from mmsimtrack.datasets import VideoSequence
from mmsimtrack.datasets.annotation_index import (
    AnnotationIndex,
    pack_sequences,
    read_index,
    write_index,
)

FORK = multiprocessing.get_context('fork')
NAN = float('nan')
# two frames, of which one box is public; three frames with names
FIRST = VideoSequence(
    'é-1',
    'a/é-1/{:08d}.jpg',
    1,
    2,
    np.array([[0.1, 1 / 3, 2e-9, 12345.678]]),
    np.array([True]),
)
SECOND = VideoSequence(
    'second',
    'a/{}',
    0,
    3,
    np.array([[1, 2, 3, 4], [NAN] * 4, [5, 6, 7, 8.5]]),
    np.array([True, False, False]),
    frame_names=('x.jpg', 'yy.png', 'zzz é.jpg'),
)
THIRD = VideoSequence(
    'third',
    'a/{}',
    5,
    1,
    np.array([[9.0, 9, 9, 9]]),
    np.array([True]),
    frame_names=('w.jpg',),
)


@pytest.fixture
def arrays():
    return pack_sequences([FIRST, SECOND, THIRD])


@pytest.fixture
def path(arrays, tmp_path):
    path = tmp_path / 'three.index'
    write_index(path, 'some key', arrays)
    return path


def assert_equal(info, sequence):
    found = VideoSequence(**info)
    for name in ('name', 'frame_template', 'first_frame', 'num_frames'):
        assert getattr(found, name) == getattr(sequence, name)
    np.testing.assert_array_equal(found.bboxes, sequence.bboxes)
    assert found.bboxes.dtype == np.float64
    np.testing.assert_array_equal(found.visible, sequence.visible)
    assert found.visible.dtype == bool
    assert found.frame_paths() == sequence.frame_paths()


def test_arrays(arrays):
    templates = arrays['templates'].tolist()
    assert templates == [b'a/{}', 'a/é-1/{:08d}.jpg'.encode()]
    assert arrays['template_ids'].tolist() == [1, 0, 0]
    assert arrays['offsets'].tolist() == [0, 1, 4, 5]
    assert arrays['name_offsets'].tolist() == [0, 0, 3, 4]
    assert arrays['num_frames'].tolist() == [2, 3, 1]


@pytest.mark.parametrize('mapped', [False, True])
def test_sequences_survive(arrays, path, mapped):
    index = AnnotationIndex(arrays)
    if mapped:
        index = read_index(path, 'some key')
    assert len(index) == 3
    for i, sequence in enumerate((FIRST, SECOND, THIRD)):
        assert_equal(index[i], sequence)
        assert_equal(index[i - 3], sequence)
        assert_equal(pickle.loads(pickle.dumps(index))[i], sequence)
    for i in (3, -4):
        with pytest.raises(IndexError):
            index[i]


def test_sequences_without_frame_names_only(tmp_path):
    path = tmp_path / 'first.index'
    write_index(path, '', pack_sequences([FIRST]))
    assert_equal(read_index(path, '')[0], FIRST)
    assert read_index(path, '')[0]['frame_names'] is None


def test_file_is_mapped_and_not_writable(path):
    bboxes = read_index(path, 'some key')[1]['bboxes']
    with pytest.raises(ValueError, match='read-only'):
        bboxes[0] = 0
    mapped = open('/proc/self/maps').read()
    assert str(path) in mapped


def test_pickling_passes_no_array_on(path):
    index = read_index(path, 'some key')
    assert len(pickle.dumps(index)) < 500
    assert len(pickle.dumps(AnnotationIndex(index.arrays))) > 500


def test_file_that_changed_before_it_is_reopened(arrays, path):
    sent = pickle.dumps(read_index(path, 'some key'))
    write_index(path, 'other key', arrays)
    message = (
        r'three.index has changed or gone since this run began \(annotations, '
        r'options or code have changed\)\. Start it again; leave the cache'
    )
    with pytest.raises(RuntimeError, match=message):
        pickle.loads(sent)
    path.unlink()
    with pytest.raises(RuntimeError, match='three.index has changed or gone'):
        pickle.loads(sent)


def test_other_key(path):
    with pytest.raises(ValueError, match='options or code have changed'):
        read_index(path, 'other key')


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_index(tmp_path / 'none.index', 'some key')


@pytest.mark.parametrize(
    'change, reason',
    [
        (lambda content: b'', 'empty file'),
        (lambda content: content[:100], ''),
        (lambda content: content[:-1], ''),
        (lambda content: content[:4096], ''),
        (lambda content: b'\0' * len(content), ''),
        (lambda content: b'[1]'.ljust(4096) + content[4096:], ''),
        (lambda content: b'{}'.ljust(4096) + content[4096:], 'key'),
        (
            lambda content: content.replace(
                np.float64(8.5).tobytes(), np.float64(8.25).tobytes()
            ),
            'wrong checksum of bboxes',
        ),
    ],
)
def test_broken_file(path, change, reason):
    path.write_bytes(change(path.read_bytes()))
    message = rf'the file is broken \(.*{reason}'
    with pytest.raises(ValueError, match=message):
        read_index(path, 'some key')


def test_an_old_file_stays_mapped_when_a_new_one_replaces_it(path):
    index = read_index(path, 'some key')
    write_index(path, 'other key', pack_sequences([THIRD]))
    assert_equal(index[1], SECOND)
    assert_equal(read_index(path, 'other key')[0], THIRD)


def test_a_worker_alone_holds_no_page_of_its_own(tmp_path):
    """Since the process that opened the file has read all of it."""
    size = 16 * 2**20
    path = tmp_path / 'large.index'
    write_index(path, '', {'bboxes': np.ones(size, np.uint8)})
    index = read_index(path, '')
    receiver, sender = FORK.Pipe(duplex=False)

    def read():
        before = private_bytes()
        total = int(index.arrays['bboxes'].sum())
        sender.send((total, private_bytes() - before))

    process = FORK.Process(target=read)
    process.start()
    total, added = receiver.recv()
    process.join()
    assert total == size
    assert added < size / 8


def private_bytes():
    rows = open('/proc/self/smaps_rollup').read().splitlines()
    private = [row.split()[1] for row in rows if row.startswith('Private_')]
    return 1024 * sum(map(int, private))
