"""Annotations are parsed once, and mapped by everyone."""

import functools
import multiprocessing
import os
import pickle
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import storage

from mmsimtrack.datasets import Got10kDataset, SequenceDataset, index
from mmsimtrack.datasets.video_sequence import VideoSequence
from mmsimtrack.registry import DATASETS

FORK = multiprocessing.get_context('fork')
NAN = float('nan')
TRUE = np.array([True])
SQUARE = np.array([[1, 1], [9, 1], [9, 9]], np.float32)
# two frames, of which one box is public; three frames with names; a picture
FIRST = VideoSequence(
    *('é-1', 'a/{é}/{:08d}.jpg', 1, 2),
    np.array([[0.1, 1 / 3, 2e-9, 12]]),
    *(TRUE, ~TRUE),
)
SECOND = VideoSequence(
    *('second', 'a/{}', 0, 3),
    np.array([[1, 2, 3, 4], [NAN] * 4, [5, 6, 7, 8.5]]),
    np.array([True, False, False]),
    np.array([True, False, True]),
    ('x.jpg', 'yy.png', 'zzz é.jpg'),
)
THIRD = VideoSequence(
    *('third', 'a/{}', 5, 1, np.ones((1, 4)), TRUE, TRUE, ('w.jpg',)),
    [SQUARE] * 2,
)


@pytest.fixture
def parsed(monkeypatch, tmp_path_factory):
    """A function that lists the names that have been parsed since its call.

    It counts in all processes.
    """
    log = tmp_path_factory.mktemp('parsed') / 'names.txt'
    load_sequence = SequenceDataset.load_sequence

    def load(self, info):
        with log.open('a') as file:
            file.write(f'{info["name"]}\n')
        return load_sequence(self, info)

    def names():
        found = log.read_text().split() if log.exists() else []
        log.write_text('')
        return found

    monkeypatch.setattr(SequenceDataset, 'load_sequence', load)
    return names


@pytest.fixture
def got10k(make_got10k, tmp_path):
    make_got10k(tmp_path / 'got10k', num_frames=4, absent=(2,))
    return functools.partial(Got10kDataset, tmp_path / 'got10k', 'train')


def find_indices():
    return sorted(Path(os.environ['MMSIMTRACK_CACHE']).glob('*/*.index'))


def describe(sequence):
    arrays = sequence.visible, sequence.scored, sequence.bboxes_xywh
    arrays = [f'{x.dtype} {x.tolist()}' for x in arrays]
    outline = [points.tolist() for points in sequence.outline]
    return sequence.name, sequence.frame_paths(), *arrays, outline


def contents(dataset):
    return [describe(dataset.get_sequence(i)) for i in range(len(dataset))]


def set_time(path, seconds=1):
    """Let a file or folder look as old as this, whatever happened to it."""
    os.utime(path, (seconds, seconds))


@pytest.mark.parametrize('sequences', [(FIRST, SECOND, THIRD), (FIRST,)])
@pytest.mark.parametrize('mapped', [False, True])
def test_sequences_survive(tmp_path, sequences, mapped):
    found = index.AnnotationIndex(index.pack_sequences(sequences))
    if mapped:
        index.write_index(tmp_path / 'index', found.arrays)
        found = index.read_index(tmp_path / 'index')
        assert len(pickle.dumps(found)) < 500
        with pytest.raises(ValueError, match='read-only'):
            found[0].bboxes_xywh[0] = 0
        assert str(tmp_path / 'index') in open('/proc/self/maps').read()
    for i, sequence in enumerate(sequences):
        expected = describe(sequence)
        assert describe(found[i]) == expected
        assert describe(found[i - len(sequences)]) == expected
        assert describe(pickle.loads(pickle.dumps(found))[i]) == expected
    if mapped:  # it stays so when it is gone
        sent = pickle.dumps(found)
        (tmp_path / 'index').rename(tmp_path / 'other')
        assert describe(found[0]) == describe(FIRST)
        with pytest.raises(RuntimeError, match='has changed or gone since'):
            pickle.loads(sent)


@pytest.mark.parametrize('name', sorted(storage.LAYOUTS))
def test_parsed_once(name, tmp_path, monkeypatch, logged):
    cfg = storage.make(name, tmp_path / 'data')
    expected = contents(DATASETS.build(cfg))
    before, after = logged
    assert re.search(r'not parsed yet, .*; parsing .*data$', before)
    assert after.endswith(f'{len(expected)} sequences are parsed')
    monkeypatch.setattr(DATASETS.get(cfg['type']), 'parse', None)
    assert contents(DATASETS.build(cfg)) == expected
    assert len(find_indices()) == 1


def edit_text(root):
    """An edit of one box, of the same length."""
    path = root / 'seq_1/groundtruth.txt'
    path.write_text(path.read_text().replace('17.0000', '17.5000', 1))
    set_time(path, 2)


def edit_size(root):
    path = root / 'seq_1/groundtruth.txt'
    path.write_text(path.read_text() + '\n')
    set_time(path)


EDITS = [
    edit_text,
    edit_size,
    lambda root: (root / 'list.txt').write_text('seq_1\n'),
    lambda root: set_time(root / 'seq_0/cover.label', 2),
    lambda root: (root / 'seq_0/cover.label').unlink(),
    lambda root: (root / 'seq_1/00000002.jpg').rename(root / 'seq_1/02.jpg'),
]


@pytest.mark.parametrize('edit', EDITS)
def test_changes_are_noticed(got10k, tmp_path, parsed, edit):
    root = tmp_path / 'got10k/train'
    for path in [*root.glob('*/*'), *root.glob('*')]:
        set_time(path)
    got10k()
    (old,) = find_indices()
    parsed()
    edit(root)
    dataset = got10k()
    assert parsed() == ['seq_0', 'seq_1'][-len(dataset) :]
    x = dataset.get_sequence(-1).bboxes_xywh[1, 0]
    assert x == (17.5 if edit is edit_text else 17)
    (new,) = find_indices()
    assert new != old
    got10k()
    assert not parsed()


def test_changed_archive(tmp_path):
    """Files that are not on disk may lie in archives above or around them."""
    archive = tmp_path / 'all.zip'
    archive.touch()
    paths = [str(tmp_path / 'a/b.txt'), str(archive / '0.jpg')]
    before = index._stamp_all(paths)
    assert index._stamp_all(paths) == before
    archive.write_text('x')
    set_time(tmp_path)
    after = index._stamp_all(paths)
    assert all(a != b for a, b in zip(before[0], after[0]))


class Unlabelled(Got10kDataset):
    labels = {}


def test_data_sets_do_not_collide(make_got10k, tmp_path, parsed, monkeypatch):
    """Classes, roots, splits and indices have an index each."""
    for folder in ('a', 'b'):
        for split in ('train', 'val'):
            make_got10k(tmp_path / folder, split, num_frames=3, absent=(1,))
    monkeypatch.chdir(tmp_path)
    a, b = tmp_path / 'a', tmp_path / 'b'
    cases = [
        (Got10kDataset, a, 'train', None),
        (Got10kDataset, b, 'train', None),
        (Got10kDataset, 'a', 'train', None),
        (Got10kDataset, a, 'val', None),
        (Got10kDataset, a, 'train', 1),
        (Got10kDataset, a, 'train', [1]),
        (Unlabelled, a, 'train', None),
    ]

    def read_all():
        return [contents(kind(*args, indices=i)) for kind, *args, i in cases]

    expected = read_all()
    assert expected[2][0][1][0] == 'a/train/seq_0/00000001.jpg'
    assert expected[4:6] == [[expected[0][0]], [expected[0][1]]]
    assert expected[6][0][2] == 'bool [True, True, True]'
    assert len(find_indices()) == len(cases)
    parsed()
    assert read_all() == expected
    assert not parsed()


def test_changed_code_is_noticed(got10k, tmp_path, parsed, monkeypatch):
    """That of a class outside of the package, and a new version of ours."""
    load = functools.partial(Unlabelled, tmp_path / 'got10k', 'train')
    load(), got10k(), parsed()
    load()
    assert not parsed()
    with monkeypatch.context() as patch:
        patch.delattr(f'{__name__}.__file__')  # as what is typed in
        load(), load(), got10k()
        assert len(parsed()) == 4
    monkeypatch.setattr(index, 'VERSION', 0)
    load(), got10k()
    assert len(parsed()) == 4


def replace_by_file(path):
    path.rename(path.with_name('moved'))
    path.write_text('')


def save(name, array):
    return lambda path: np.save(path / f'{name}.npy', array)


def pipe(path):
    path.unlink()
    os.mkfifo(path)


OBJECTS = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
OBJECTS = b'\x93NUMPY\x01\0v\0' + OBJECTS.ljust(118).encode()


DAMAGES = [
    replace_by_file,
    lambda path: pipe(path / 'names.npy'),
    lambda path: pipe(path / 'shapes.json'),
    lambda path: (path / 'scored.npy').unlink(),
    lambda path: (
        (path / 'visible.npy').unlink(),
        (path / 'visible.npy').mkdir(),
    ),
    lambda path: (path / 'shapes.json').unlink(),
    lambda path: (path / 'shapes.json').write_text('[1, 2]'),
    lambda path: (path / 'shapes.json').write_text('null'),
    lambda path: (path / 'shapes.json').write_text(''),
    lambda path: (path / 'shapes.json').write_text('{"../x": ["<f8", 1]}'),
    lambda path: (path / 'offsets.npy').write_bytes(b''),
    lambda path: os.truncate(path / 'bboxes_xywh.npy', 200),
    lambda path: (path / 'names.npy').write_text('[1, 2]'),
    lambda path: (path / 'names.npy').write_bytes(OBJECTS),
    lambda path: (shutil.rmtree(path), path.mkdir()),
    lambda path: (shutil.rmtree(path), os.mkfifo(path)),
    lambda path: (shutil.rmtree(path), path.symlink_to(path.name)),
    save('names', np.array(['a', 'b'], object)),
    save('bboxes_xywh', np.zeros((7, 4))),
    save('bboxes_xywh', np.zeros(3, complex)),
]


@pytest.mark.parametrize('damage', DAMAGES)
def test_a_broken_index_is_replaced(got10k, parsed, logged, damage):
    expected = contents(got10k())
    (path,) = find_indices()
    damage(path)
    linked = path.is_symlink()
    parsed()
    assert contents(got10k()) == expected
    assert len(parsed()) == 2
    told = re.search(r'the index is broken \(.*\); parsing', logged[2])
    assert told or linked
    got10k()
    assert not parsed()


@pytest.mark.parametrize(
    'folder', ['/dev/null/cache', '/proc/x', '~nobody-here/x', None]
)
def test_cache_that_cannot_be_written(got10k, monkeypatch, logged, folder):
    expected = contents(got10k())

    def fill(*_):
        raise OSError(28, 'No space left on device')

    if folder:
        monkeypatch.setenv('MMSIMTRACK_CACHE', folder)
    else:
        monkeypatch.setattr(index, 'VERSION', 0)
        monkeypatch.setattr(np, 'save', fill)
    dataset = got10k()
    assert contents(dataset) == expected
    assert contents(pickle.loads(pickle.dumps(dataset))) == expected
    message = 'annotations are parsed at every start. Set MMSIMTRACK_CACHE to'
    assert message in logged[-1]
    assert not Path('~nobody-here').exists()
    assert len(find_indices()) == (0 if folder else 1)  # the first one


def run_processes(num, function, *args):
    """Exit codes of forked processes."""
    processes = [FORK.Process(target=function, args=args) for _ in range(num)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def die_before_renaming(load):
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    load()


def test_what_a_killed_process_leaves_is_swept(got10k, parsed):
    assert run_processes(1, die_before_renaming, got10k) == [-signal.SIGKILL]
    (left,) = find_indices()
    assert left.name.startswith('.')  # and is never read
    assert contents(got10k()) == contents(got10k())
    assert len(parsed()) == 4
    (path,) = find_indices()
    assert not path.name.startswith('.')


def check_contents(load, expected, barrier):
    barrier.wait(30)
    assert contents(load()) == expected


@pytest.mark.parametrize('locks', [True, False])
def test_one_process_parses_for_all(got10k, parsed, monkeypatch, locks):
    """Without locks, as on some network disks, more of them may."""
    expected = contents(got10k())
    monkeypatch.setattr(index, 'VERSION', 0)
    if not locks:
        monkeypatch.setattr('fcntl.flock', lambda *_: os.stat('/none'))
    parsed()
    args = got10k, expected, FORK.Barrier(4)
    assert run_processes(4, check_contents, *args) == [0] * 4
    assert len(parsed()) in ([2] if locks else range(2, 9))
    assert contents(got10k()) == contents(got10k()) == expected
    assert len(parsed()) in ([0] if locks else [0, 2])
    assert len(find_indices()) == 1
