import re

import pytest
from layouts import split_rows

from mmsimtrack.evaluation import layouts
from mmsimtrack.evaluation.functional import RefusedFile, get_profile
from mmsimtrack.evaluation.layouts import (
    SPLITS,
    find_annotations,
    find_sequences,
)
from mmsimtrack.evaluation.sequence_files import find_flags, find_results


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('1,1,5,5\n')


@pytest.mark.parametrize(
    'benchmark, files',
    [
        ('custom', ['a.txt', 'b.txt']),
        ('custom', ['a/groundtruth.txt', 'b/groundtruth.txt', 'list.txt']),
        ('lasot', ['a.txt', 'b.txt', 'absent/a.txt', 'att/b.txt']),
        ('lasot', ['c/a/groundtruth.txt', 'd/b/groundtruth.txt']),
        ('tnl2k', ['a/groundtruth.txt', 'b/groundtruth.txt']),
        ('vasttrack', ['c/a/Groundtruth.txt', 'd/b/Groundtruth.txt']),
        (
            'vasttrack',
            ['test/c/a/Groundtruth.txt', 'test/d/b/Groundtruth.txt'],
        ),
        (
            'vasttrack',
            [
                'test/c/a/Groundtruth.txt',
                'test/d/b/Groundtruth.txt',
                'c/a/Groundtruth.txt',
                'e/f/Groundtruth.txt',
            ],
        ),
        (
            'got10k',
            [
                'val/a/groundtruth.txt',
                'val/b/groundtruth.txt',
                'train/c/groundtruth.txt',
                'val/list.txt',
            ],
        ),
        ('got10k', ['a/groundtruth.txt', 'b/groundtruth.txt', 'list.txt']),
        ('got10k', ['a.txt', 'b.txt', 'list.txt']),
        ('trackingnet', ['TEST/anno/a.txt', 'TEST/anno/b.txt']),
        ('trackingnet', ['anno/a.txt', 'anno/b.txt']),
        (
            'uav123',
            ['anno/UAV123/a.txt', 'anno/UAV123/b.txt', 'anno/UAV20L/c.txt'],
        ),
        ('uav123', ['anno/UAV123_10fps/a.txt', 'anno/UAV123_10fps/b.txt']),
        ('nfs', ['a/30/a.txt', 'b/30/b.txt', 'b/240/b.txt']),
        ('nfs', ['anno/nfs_a.txt', 'anno/nfs_b.txt', 'b/30/b.txt']),
    ],
)
def test_annotations(tmp_path, benchmark, files):
    touch(tmp_path, *files)
    found = find_annotations(tmp_path, benchmark)
    assert list(found) == ['a', 'b']
    assert [str(path.relative_to(tmp_path)) for path in found.values()] == (
        files[:2]
    )


def test_otb_has_several_targets_in_a_video(tmp_path):
    touch(
        tmp_path,
        'Jogging/groundtruth_rect.1.txt',
        'Jogging/groundtruth_rect.2.txt',
        'David/groundtruth_rect.txt',
    )
    found = find_annotations(tmp_path, 'otb100')
    assert list(found) == ['David', 'Jogging-1', 'Jogging-2']


def test_official_list_is_taken_out_of_more(tmp_path):
    touch(tmp_path, 'airplane-1.txt')
    assert list(find_annotations(tmp_path, 'lasot')) == ['airplane-1']
    names = (SPLITS / 'lasot_test.txt').read_text().split()
    touch(tmp_path, *(f'{name}.txt' for name in [*names, 'airplane-2']))
    assert list(find_annotations(tmp_path, 'lasot')) == names


def test_one_of_the_two_targets_of_human4_counts(tmp_path):
    rows = [row.split() for row in split_rows('otb100')]
    for name, video, *_ in rows:
        target = name.removeprefix(video).replace('-', '.')
        touch(tmp_path, f'{video}/groundtruth_rect{target}.txt')
    touch(tmp_path, 'Human4/groundtruth_rect.1.txt')
    found = find_annotations(tmp_path, 'otb100')
    assert list(found) == [name for name, *_ in rows]
    path = tmp_path / 'Human4/groundtruth_rect.2.txt'
    assert found['Human4-2'] == path


def test_training_sequences_of_vasttrack_do_not_count(tmp_path):
    names = split_rows('vasttrack_test')
    touch(tmp_path, *(f'{name}.txt' for name in [*names, 'Aardwolf-3']))
    found = find_annotations(tmp_path, 'vasttrack')
    assert list(found) == names
    assert found['Air Hockey-1'] == tmp_path / 'Air Hockey-1.txt'


def test_results(tmp_path):
    touch(
        tmp_path,
        'a.txt',
        'a_001.txt',
        'b_001.txt',
        'b_002.txt',
        'b_time.txt',
        'c/c_001.txt',
        'c/c_003.txt',
        'c/c_time.txt',
    )
    names = {
        name: [path.name for path in find_results(tmp_path, name)]
        for name in 'abc'
    }
    assert names == {
        'a': ['a.txt'],
        'b': ['b_001.txt', 'b_002.txt'],
        'c': ['c_001.txt', 'c_003.txt'],
    }
    with pytest.raises(RefusedFile, match=r'd\.txt: is missing\. Track'):
        find_results(tmp_path, 'd')
    assert find_results(tmp_path, 'd', optional=True) == ()


@pytest.mark.parametrize(
    ('file', 'name'),
    [
        ('nfs_airboard_1.txt', 'airboard_1'),
        ('uav_bike1_002.txt', 'bike1'),
        ('Jogging_1.txt', 'Jogging-1'),
        ('nfs_dog/nfs_dog.txt', 'dog'),
    ],
)
def test_results_of_pytracking(tmp_path, file, name):
    touch(tmp_path, file, file.replace('_002', '_001'))
    paths = find_results(tmp_path, name)
    assert tmp_path / file in paths


def test_flat_annotations_of_pytracking(tmp_path):
    touch(tmp_path, 'nfs_dog.txt')
    assert list(find_annotations(tmp_path, 'nfs')) == ['dog']
    assert list(find_annotations(tmp_path, 'custom')) == ['nfs_dog']


def test_two_sequences_of_one_name(tmp_path):
    touch(tmp_path, 'cat/s1/groundtruth.txt', 'dog/s1/groundtruth.txt')
    message = r'cat/s1/.*txt: has the name of a sequence that .*dog/s1/gr'
    with pytest.raises(RefusedFile, match=message):
        find_annotations(tmp_path, 'custom')


def test_a_part_of_the_official_list(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(
        layouts, 'print_log', lambda line, *_: lines.append(line)
    )
    names = split_rows('lasot_test')
    touch(tmp_path, *(f'{name}.txt' for name in names[1:]))
    assert len(find_annotations(tmp_path, 'lasot')) == 279
    touch(tmp_path, 'cat-99.txt')  # UAV20L and others have names of their own
    assert len(find_annotations(tmp_path, 'lasot')) == 280
    assert lines == [
        f'{tmp_path} has 279 of the 280 official sequences, and not '
        f'{names[0]}: no official number'
    ]


def test_flags_beside_the_annotation(tmp_path):
    touch(
        tmp_path,
        'cat/cat-1/full_occlusion.txt',
        'cat/cat-1/out_of_view.txt',
        'flat/absent/dog-1.txt',
        'got/cover.label',
        'got/absence.label',
    )
    folder = tmp_path / 'cat' / 'cat-1'
    flags = find_flags('cat-1', folder / 'groundtruth.txt', None)
    assert [path.name for path in flags] == [
        'full_occlusion.txt',
        'out_of_view.txt',
    ]
    flags = find_flags('dog-1', tmp_path / 'flat' / 'dog-1.txt', None)
    assert flags == (tmp_path / 'flat' / 'absent' / 'dog-1.txt',)
    annotation = tmp_path / 'got' / 'groundtruth.txt'
    flags = find_flags('got', annotation, None, cover=True)
    assert [path.name for path in flags] == ['cover.label']
    assert find_flags('x', tmp_path / 'x.txt', None) == ()


def test_flags_in_a_folder(tmp_path):
    touch(tmp_path, 'absent/a.txt', 'root/cat/cat-1/out_of_view.txt')
    annotation = tmp_path / 'gt' / 'a.txt'
    folder = tmp_path / 'absent'
    assert find_flags('a', annotation, folder) == (folder / 'a.txt',)
    found = find_flags('cat-1', annotation, tmp_path / 'root')
    assert [path.name for path in found] == ['out_of_view.txt']
    with pytest.raises(RefusedFile, match=r'absent.b\.txt: is missing'):
        find_flags('b', annotation, folder)


class TestSequences:
    @pytest.fixture
    def root(self, tmp_path):
        touch(tmp_path, 'gt/a.txt', 'gt/b.txt', 'out/a.txt', 'absent/a.txt')
        return tmp_path

    def find(self, root, kit='official', benchmark='lasot', **kwargs):
        return find_sequences(
            root / 'gt',
            root / 'out',
            benchmark,
            get_profile(kit, benchmark),
            **kwargs,
        )

    def refuse(self, message, *args, **kwargs):
        with pytest.raises(RefusedFile, match=message):
            self.find(*args, **kwargs)

    def test_chosen(self, root):
        (files,) = self.find(root, absent=root / 'absent', names=['a'])
        assert files.name == 'a'
        assert files.flags == (root / 'absent' / 'a.txt',)
        # pytracking reads flags of LaSOT only
        (files,) = self.find(
            root, 'pytracking', 'tnl2k', absent=root / 'absent', names=['a']
        )
        assert files.flags == ()

    def test_what_stands_in_for_flags(self, root, monkeypatch):
        lines = []
        monkeypatch.setattr(
            layouts, 'print_log', lambda line, *_: lines.append(line)
        )
        self.find(root, names=['a'])
        self.find(root, benchmark='vasttrack', names=['a'])
        assert lines == [
            f'{root}/gt has no flags: every target counts as visible. The '
            'official numbers need them: give --absent.',
            f'{root}/gt has no flags: a box of zeros is an absent target',
        ]

    def test_a_run_that_may_be_another_result(self, root):
        touch(root, 'gt/b_001.txt', 'out/b_001.txt')
        message = (
            r"out/b_001\.txt: is a run of 'b', or the result of 'b_001'\. Name"
        )
        self.refuse(message, root)

    def test_refused(self, root):
        self.refuse(r'out.b\.txt: is missing\. Track', root)
        self.refuse("no annotation of 'c' is there", root, names=['c'])
        self.refuse('no annotation is there', root / 'gt')
        touch(root, 'out/b.txt', 'gt/absent/a.txt')
        self.refuse(r'gt.b\.txt: has no flags of absence, but others', root)
        for name in 'ab':
            (root / 'out' / f'{name}.txt').unlink()
        self.refuse(
            f'{re.escape(str(root / "out"))}: no result is there',
            root,
            benchmark='trackingnet',
        )
