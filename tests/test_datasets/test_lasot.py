import shutil

import numpy as np
import pytest
from layouts import make_lasot, split_rows

from mmsimtrack.datasets import LaSOTDataset


def load(root, num_sequences=2, split='train', **kwargs):
    return LaSOTDataset(root, split, indices=num_sequences, **kwargs)


def test_boxes_and_frames(tmp_path):
    bboxes_xywh = [(1, 2, 3, 4), (5, 6, 20, 10), (-2, 0, 9, 9)]
    folders = make_lasot(tmp_path, bboxes_xywh=bboxes_xywh)
    dataset = load(tmp_path)
    sequence = dataset.get_sequence(1)
    assert sequence.name == 'airplane-11'
    assert folders[1] == tmp_path / 'airplane/airplane-11'
    assert sequence.frame_paths() == [
        str(folders[1] / f'img/0000000{number}.jpg') for number in (1, 2, 3)
    ]
    np.testing.assert_array_equal(
        sequence.bboxes, [(1, 2, 4, 6), (5, 6, 25, 16), (-2, 0, 7, 9)]
    )
    assert sequence.visible.all()
    np.testing.assert_allclose(sequence.read_frame(1)[40, 60], 20, atol=1)


def test_mirror_without_classes(tmp_path):
    folders = make_lasot(tmp_path, flat=True)
    path = load(tmp_path).get_sequence(0).frame_path(7)
    assert folders[0] == tmp_path / 'airplane-10'
    assert path == str(folders[0] / 'img/00000008.jpg')


def test_splits_are_the_official_ones():
    train, test = split_rows('lasot_train'), split_rows('lasot_test')
    assert len(train) == len(set(train)) == 1120
    assert len(test) == len(set(test)) == 280
    assert not set(train) & set(test)
    # 70 classes of 20, 4 of each in the test split
    names = [f'{name.rpartition("-")[0]}' for name in train + test]
    assert {names.count(name) for name in set(names)} == {20}
    names = [f'{name.rpartition("-")[0]}' for name in test]
    assert len(set(names)) == 70
    assert {names.count(name) for name in set(names)} == {4}
    assert test[:2] == ['airplane-1', 'airplane-9']


def test_test_split(tmp_path):
    make_lasot(tmp_path, 'test', num_frames=3)
    dataset = load(tmp_path, split='test', test_mode=True)
    assert dataset[1]['data_samples'].sequence == 'airplane-9'
    np.testing.assert_array_equal(dataset.num_frames(), [3, 3])


def test_extension(tmp_path):
    """150 sequences of 15 other classes."""
    names = split_rows('lasot_ext')
    assert len(names) == len(set(names)) == 150
    classes = {name.rpartition('-')[0] for name in names}
    assert len(classes) == 15
    used = split_rows('lasot_train') + split_rows('lasot_test')
    assert not classes & {name.rpartition('-')[0] for name in used}
    make_lasot(tmp_path, 'ext')
    sequence = load(tmp_path, split='ext', test_mode=True).get_sequence(1)
    assert sequence.name == 'atv-2'
    path = tmp_path / 'atv/atv-2/img/00000008.jpg'
    assert sequence.frame_path(7) == str(path)


def test_flags_and_boxes_decide_what_is_visible(tmp_path):
    make_lasot(
        tmp_path,
        bboxes_xywh=[(9, 9, 9, 9)] * 4 + [(0, 0, 0, 0), (613, 731, 247, -11)],
        occluded=(1, 2),
        out_of_view=(2, 3),
    )
    dataset = load(tmp_path)
    np.testing.assert_array_equal(
        dataset.get_sequence(0).visible, [1, 0, 0, 0, 0, 0]
    )
    np.testing.assert_array_equal(dataset.num_visible(), [1, 1])
    # the kits read flags, and have their own rules for such boxes
    scored = dataset[0]['data_samples'].gt_instances.visible
    assert scored.tolist() == [True, False, False, False, True, True]


def test_frames_after_the_last_box_are_not_used(tmp_path, monkeypatch):
    """As in monkey-17."""
    lines = []
    monkeypatch.setattr(
        'mmsimtrack.datasets.lasot.print_log',
        lambda text, logger: lines.append(text),
    )
    folders = make_lasot(tmp_path, num_frames=4)
    frames = folders[1] / 'img'
    shutil.copy(frames / '00000004.jpg', frames / '00000005.jpg')
    dataset = load(tmp_path)
    np.testing.assert_array_equal(dataset.num_frames(), [4, 4])
    assert lines == [
        f'LaSOTDataset: {folders[1]}/groundtruth.txt has 4 boxes for 5 '
        'frames; those after the last box are not used.'
    ]


def test_missing_sequence(tmp_path):
    make_lasot(tmp_path)
    message = (
        rf'{tmp_path}/airplane/airplane-12/img is missing\. Expected a folder '
        'of frames; unpack the full archive, correct data_root in the '
        'config, or set `indices`'
    )
    with pytest.raises(FileNotFoundError, match=message):
        LaSOTDataset(tmp_path, 'train')


def test_missing_frame(tmp_path):
    folders = make_lasot(tmp_path)
    (folders[0] / 'img/00000005.jpg').unlink()
    message = 'airplane-10/img/00000005.jpg is missing'
    with pytest.raises(FileNotFoundError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    'name', ['groundtruth', 'full_occlusion', 'out_of_view']
)
def test_missing_annotation(tmp_path, name):
    folders = make_lasot(tmp_path)
    (folders[1] / f'{name}.txt').unlink()
    message = f'airplane-11/{name}.txt is missing'
    with pytest.raises(FileNotFoundError, match=message):
        load(tmp_path)


@pytest.mark.parametrize('name', ['full_occlusion', 'out_of_view'])
def test_flags_of_another_length(tmp_path, name):
    folders = make_lasot(tmp_path)
    (folders[0] / f'{name}.txt').write_text('0,1,0\n')
    message = (
        rf'airplane-10/{name}.txt has 3 values, but groundtruth.txt beside '
        r'it has 8 boxes\. Expected one value per box; unpack the sequence'
    )
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


def test_unknown_split(tmp_path):
    message = r"split is 'val', expected one of \['ext', 'test', 'train'\]"
    with pytest.raises(ValueError, match=f'LaSOTDataset: {message}'):
        LaSOTDataset(tmp_path, 'val')
