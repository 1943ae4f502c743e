import functools
import multiprocessing
import os
import pickle
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import make_coco, make_lasot, make_tnl2k, make_trackingnet

from mmsimtrack.datasets import (
    CocoDataset,
    Got10kDataset,
    LaSOTDataset,
    SequenceDataset,
    TNL2KDataset,
    TrackingNetDataset,
    annotation_index,
    index_cache,
)

FORK = multiprocessing.get_context('fork')


@pytest.fixture
def cache():
    return Path(os.environ['MMSIMTRACK_CACHE'])


@pytest.fixture
def parsed(monkeypatch):
    """Names of the sequences that have been parsed."""
    names = []
    load_sequence = SequenceDataset.load_sequence

    def load(self, info):
        names.append(info['name'])
        return load_sequence(self, info)

    monkeypatch.setattr(SequenceDataset, 'load_sequence', load)
    return names


@pytest.fixture
def got10k(make_got10k, tmp_path):
    make_got10k(tmp_path / 'got10k', num_frames=4, absent=(2,))
    return functools.partial(Got10kDataset, tmp_path / 'got10k', 'train')


def contents(dataset):
    sequences = [dataset.get_sequence(i) for i in range(len(dataset))]
    return [
        (s.name, s.frame_paths(), s.bboxes.tolist(), s.visible.tolist())
        for s in sequences
    ]


@pytest.fixture
def logged(monkeypatch):
    """Lines that have been logged."""
    lines = []
    monkeypatch.setattr(
        index_cache, 'print_log', lambda line, *_, **__: lines.append(line)
    )
    return lines


def set_time(path, seconds=1):
    """Let a file or folder look as old as this, whatever happened to it."""
    os.utime(path, (seconds, seconds))


@pytest.mark.parametrize(
    'make, type_',
    [
        (make_lasot, LaSOTDataset),
        (make_tnl2k, TNL2KDataset),
        (make_trackingnet, TrackingNetDataset),
        (make_coco, CocoDataset),
    ],
)
def test_second_start_gives_the_same(
    make, type_, tmp_path, cache, monkeypatch
):
    make(tmp_path)
    options = {
        LaSOTDataset: {'split': 'train', 'indices': 2},
        TNL2KDataset: {},
        TrackingNetDataset: {'split': 'train', 'chunks': [0]},
        CocoDataset: {'split': 'train'},
    }[type_]
    monkeypatch.setattr(index_cache, 'write_index', refuse)
    expected = contents(type_(tmp_path, **options))
    monkeypatch.undo()
    monkeypatch.setenv('MMSIMTRACK_CACHE', str(cache))
    assert contents(type_(tmp_path, **options)) == expected
    monkeypatch.setattr(type_, 'parse', None)
    assert contents(type_(tmp_path, **options)) == expected
    assert len(list(cache.iterdir())) == 1


def refuse(path, *_):
    raise PermissionError(f'[Errno 13] {path}')


def test_parsed_once(got10k, parsed, logged):
    got10k()
    assert parsed == ['seq_0', 'seq_1']
    before, after = logged
    assert re.search(r'not parsed yet; parsing .*got10k$', before)
    assert after.endswith('2 sequences are parsed')
    assert contents(got10k())[1][3] == [True, True, False, True]
    assert parsed == ['seq_0', 'seq_1']
    assert len(logged) == 2


def edit_text(root):
    """An edit of one box, of the same length."""
    path = root / 'seq_1/groundtruth.txt'
    text = path.read_text()
    path.write_text(text.replace('17.0000', '17.5000', 1))
    set_time(path, 2)


def edit_time(root):
    set_time(root / 'seq_1/groundtruth.txt', 2)


def edit_size(root):
    path = root / 'seq_1/groundtruth.txt'
    path.write_text(path.read_text() + '\n')
    set_time(path)


def edit_label(root):
    set_time(root / 'seq_0/cover.label', 2)


def remove_label(root):
    (root / 'seq_0/cover.label').unlink()


def move_frame(root):
    (root / 'seq_1/00000002.jpg').rename(root / 'seq_1/02.jpg')


def remove_sequence(root):
    (root / 'list.txt').write_text('seq_1\n')


@pytest.mark.parametrize(
    'edit',
    [
        edit_text,
        edit_time,
        edit_size,
        edit_label,
        remove_label,
        move_frame,
        remove_sequence,
    ],
)
def test_changes_are_noticed(got10k, tmp_path, parsed, cache, logged, edit):
    root = tmp_path / 'got10k/train'
    for path in [*root.glob('*/*'), *root.glob('*')]:
        set_time(path)
    got10k()
    parsed.clear()
    edit(root)
    dataset = got10k()
    assert parsed == ['seq_0', 'seq_1'][-len(dataset) :]
    message = 'annotations, options or code have changed; parsing'
    assert message in logged[2]
    if edit is edit_text:
        assert dataset.get_sequence(1).bboxes[1].tolist() == [
            17.5,
            13,
            33.5,
            25,
        ]
    # the new file has replaced the old one
    assert len(list(cache.iterdir())) == 1
    parsed.clear()
    got10k()
    assert not parsed


def test_a_sequence_that_is_gone_is_missed(got10k, tmp_path):
    got10k()
    root = tmp_path / 'got10k/train'
    (root / 'seq_1').rename(root / 'seq_2')
    with pytest.raises(FileNotFoundError, match='train/seq_1 is missing'):
        got10k()


def test_a_new_frame_is_noticed(got10k, tmp_path):
    got10k()
    (tmp_path / 'got10k/train/seq_1/00000005.jpg').touch()
    with pytest.raises(ValueError, match='seq_1 holds 5 frames'):
        got10k()


def test_changed_annotation_of_coco(tmp_path, cache):
    make_coco(tmp_path)
    assert len(CocoDataset(tmp_path, 'train')) == 2
    make_coco(tmp_path, objects=[(9, (1, 2, 3, 4), 0)])
    dataset = CocoDataset(tmp_path, 'train')
    assert dataset.get_sequence(0).bboxes.tolist() == [[1, 2, 4, 6]]
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize('name', ['all.zip', 'data.mdb'])
def test_changed_archive(tmp_path, name):
    """Files that are not on disk may lie in archives above them."""
    archive = tmp_path / name
    archive.touch()
    paths = [str(tmp_path / 'a/b.txt'), str(tmp_path / 'c/d/e.txt')]
    before = index_cache._stamp_all(paths)
    assert index_cache._stamp_all(paths) == before
    archive.write_text('x')
    set_time(tmp_path)
    after = index_cache._stamp_all(paths)
    assert all(a != b for a, b in zip(before[0], after[0]))


def test_files_on_a_server_never_count_as_unchanged():
    path = 's3://bucket/a/groundtruth.txt'
    assert index_cache._stamp_all([path]) != index_cache._stamp_all([path])


def test_file_inside_of_an_archive(tmp_path):
    archive = tmp_path / 'video.zip'
    archive.touch()
    before = index_cache._stamp_all([str(archive / '0.jpg')])
    archive.write_text('x')
    assert index_cache._stamp_all([str(archive / '0.jpg')]) != before


def test_stamps_follow_the_order_of_many_paths(tmp_path):
    path = tmp_path / 'file'
    path.write_text('four')
    set_time(path, 7)
    stamps = index_cache._stamp_all([str(path)] * 1001)
    assert [len(part) for part in stamps] == [500, 500, 1]
    assert stamps[-1] == [(7 * 10**9, 4)]


def test_options_do_not_collide(make_got10k, tmp_path, cache, parsed):
    for folder in ('a', 'b'):
        for split in ('train', 'val'):
            make_got10k(tmp_path / folder, split, num_frames=3)
    cases = [
        ('a', 'train', None),
        ('b', 'train', None),
        ('a', 'val', None),
        ('a', 'train', 1),
        ('a', 'train', [1]),
    ]

    def load(folder, split, indices):
        return Got10kDataset(tmp_path / folder, split, indices=indices)

    expected = [contents(load(*case)) for case in cases]
    assert len(list(cache.iterdir())) == len(cases)
    assert expected[3:] == [[expected[0][0]], [expected[0][1]]]
    parsed.clear()
    assert [contents(load(*case)) for case in cases] == expected
    assert not parsed


class AllVisible(Got10kDataset):
    def load_visible(self, info, num_boxes):
        return np.ones(num_boxes, bool)


def test_classes_do_not_collide(got10k, tmp_path, cache):
    got10k()
    dataset = AllVisible(tmp_path / 'got10k', 'train')
    assert dataset.num_visible().tolist() == [4, 4]
    assert got10k().num_visible().tolist() == [3, 3]
    assert len(list(cache.iterdir())) == 2


def test_relative_root(got10k, tmp_path, monkeypatch, cache):
    got10k()
    monkeypatch.chdir(tmp_path)
    dataset = Got10kDataset('got10k', 'train')
    path = dataset.get_sequence(0).frame_path(0)
    assert path == 'got10k/train/seq_0/00000001.jpg'
    assert len(list(cache.iterdir())) == 2


def test_changed_code(got10k, parsed, monkeypatch):
    got10k()
    parsed.clear()
    monkeypatch.setattr(index_cache, 'FORMAT', 2)
    got10k()
    assert len(parsed) == 2
    parsed.clear()
    monkeypatch.setattr(index_cache, '_checksum', len)
    got10k()
    assert len(parsed) == 2


def test_code_without_a_file_is_never_the_same(monkeypatch):
    """As that of a class that is typed into an interpreter."""
    assert index_cache._checksum(__name__) == index_cache._checksum(__name__)
    monkeypatch.delattr('mmsimtrack.datasets.lasot.__file__')
    module = 'mmsimtrack.datasets.lasot'
    assert index_cache._checksum(module) != index_cache._checksum(module)


def test_broken_file_is_replaced(got10k, parsed, cache, logged):
    expected = contents(got10k())
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    parsed.clear()
    assert contents(got10k()) == expected
    assert len(parsed) == 2
    assert re.search(r'the file is broken \(.*\); parsing', logged[2])
    parsed.clear()
    got10k()
    assert not parsed


def test_cache_that_cannot_be_written(got10k, tmp_path, monkeypatch, logged):
    expected = contents(got10k())
    (tmp_path / 'file').touch()
    monkeypatch.setenv('MMSIMTRACK_CACHE', str(tmp_path / 'file/cache'))
    dataset = got10k()
    assert contents(dataset) == expected
    assert contents(pickle.loads(pickle.dumps(dataset))) == expected
    message = (
        'annotations are parsed at every start. Set MMSIMTRACK_CACHE to a '
        'folder that can be written and has space.'
    )
    assert logged[-1].endswith(message)


def test_no_space(got10k, cache, monkeypatch, logged):
    def fill(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(annotation_index.zlib, 'crc32', fill)
    monkeypatch.setattr(index_cache, '_checksum', len)
    assert len(got10k()) == 2
    assert 'cannot be kept ([Errno 28] No space left' in logged[-1]
    assert not list(cache.iterdir())


def test_default_folder(got10k, tmp_path, monkeypatch):
    monkeypatch.delenv('MMSIMTRACK_CACHE')
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    got10k()
    (path,) = (tmp_path / 'home/.cache/mmsimtrack').iterdir()
    assert path.name.startswith('Got10kDataset-')


def in_child(function, *args):
    """Exit code of a forked process."""
    process = FORK.Process(target=function, args=args)
    process.start()
    process.join(30)
    return process.exitcode


def die_before_renaming(load):
    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    os.replace = die
    load()


def test_killed_between_writing_and_renaming(got10k, parsed, cache):
    assert in_child(die_before_renaming, got10k) == -signal.SIGKILL
    (left,) = cache.iterdir()
    assert left.name.startswith('.')  # and is never read
    dataset = got10k()
    assert len(parsed) == len(dataset) == 2
    assert contents(got10k()) == contents(dataset)
    assert len(parsed) == 2


def check_contents(load, expected, barrier):
    barrier.wait(30)
    assert contents(load()) == expected


def test_several_processes_at_once(got10k, cache):
    expected = contents(got10k())
    (path,) = cache.iterdir()
    path.unlink()
    barrier = FORK.Barrier(4)
    processes = [
        FORK.Process(target=check_contents, args=(got10k, expected, barrier))
        for _ in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    assert list(cache.iterdir()) == [path]


class Probe(torch.utils.data.Dataset):
    """Box and visibility of a sequence, as a worker sees them."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, i):
        sequence = self.dataset.get_sequence(i)
        mapped = 'Got10kDataset-' in open('/proc/self/maps').read()
        return sequence.bboxes.tolist(), sequence.visible.tolist(), mapped


@pytest.mark.parametrize('pickled', [False, True])
def test_workers_map_the_file(got10k, pickled):
    probe = Probe(got10k())
    if pickled:  # as for workers that are spawned
        content = pickle.dumps(probe)
        assert len(content) < 2000
        probe = pickle.loads(content)
    loader = torch.utils.data.DataLoader(
        probe, batch_size=None, num_workers=1, multiprocessing_context=FORK
    )
    bboxes = [[16 + t, 12 + t, 32 + t, 24 + t] for t in range(4)]
    visible = [True, True, False, True]
    assert list(loader) == [[bboxes, visible, True]] * 2


def run_rank(rank, store, load, check):
    os.environ['LOCAL_RANK'] = str(rank)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{store}', rank=rank, world_size=2
    )
    check(rank, load)
    torch.distributed.destroy_process_group()


def run_ranks(tmp_path, load, check):
    processes = [
        FORK.Process(
            target=run_rank, args=(rank, tmp_path / 'store', load, check)
        )
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]


def check_who_parses(rank, load):
    if rank == 1:
        Got10kDataset.parse = None  # would raise
    assert load().num_visible().tolist() == [3, 3]


def test_rank_0_parses(got10k, tmp_path):
    run_ranks(tmp_path, got10k, check_who_parses)


def check_errors(rank, load):
    error, message = [
        (ValueError, r'seq_1/groundtruth.txt, line 1: found .one 2 3 4'),
        (
            RuntimeError,
            r'Got10kDataset: rank 0 could not read the annotations\. '
            r'ValueError: .*seq_1/groundtruth.txt, line 1: found .one 2 3 4',
        ),
    ][rank]
    with pytest.raises(error, match=message):
        load()


def test_failure_of_rank_0_reaches_the_others(got10k, tmp_path):
    path = tmp_path / 'got10k/train/seq_1/groundtruth.txt'
    path.write_text('one,2,3,4\n')
    run_ranks(tmp_path, got10k, check_errors)


def check_without_cache(rank, load):
    os.environ['MMSIMTRACK_CACHE'] = '/dev/null/cache'
    assert load().num_visible().tolist() == [3, 3]


def test_ranks_without_a_cache_parse_for_themselves(got10k, tmp_path):
    run_ranks(tmp_path, got10k, check_without_cache)
