from pathlib import Path

import numpy as np
import pytest
from layouts import split_rows

from mmsimtrack.datasets import Got10kDataset

DATA = Path(__file__).parents[1] / 'data'
NAN = float('nan')


def write_lines(path, values):
    path.write_text(''.join(f'{value}\n' for value in values))


def test_boxes_and_frames(make_got10k, tmp_path):
    folders = make_got10k(
        tmp_path,
        num_frames=3,
        bboxes_xywh=[(1, 2, 3, 4), (0.5, -2, 10, 20), (NAN, NAN, NAN, NAN)],
    )
    sequence = Got10kDataset(tmp_path, 'train').get_sequence(1)
    assert sequence.name == 'seq_1'
    assert len(sequence) == 3
    np.testing.assert_array_equal(
        sequence.bboxes,
        [(1, 2, 4, 6), (0.5, -2, 10.5, 18), (NAN, NAN, NAN, NAN)],
    )
    assert sequence.frame_paths() == [
        str(folders[1] / f'0000000{number}.jpg') for number in (1, 2, 3)
    ]
    # the gray of frame 1
    level = sequence.read_frame(1)[40, 60]
    np.testing.assert_allclose(level, 20, atol=1)


def test_sequences_come_in_the_order_of_the_list(make_got10k, tmp_path):
    make_got10k(tmp_path, num_sequences=3)
    write_lines(tmp_path / 'train/list.txt', ('seq_2', 'seq_0'))
    dataset = Got10kDataset(tmp_path, 'train')
    names = [dataset.get_sequence(i).name for i in range(len(dataset))]
    assert names == ['seq_2', 'seq_0']


def test_labels_decide_what_is_visible(make_got10k, tmp_path):
    make_got10k(tmp_path, num_frames=5, absent=(1, 3), uncovered=(3, 4))
    dataset = Got10kDataset(tmp_path, 'train')
    visible = dataset.get_sequence(0).visible
    np.testing.assert_array_equal(visible, [True, False, True, False, False])
    np.testing.assert_array_equal(dataset.num_visible(), [2, 2])
    np.testing.assert_array_equal(dataset.num_frames(), [5, 5])
    # the kit reads the cover only
    scored = dataset[0]['data_samples'].gt_instances.visible
    assert scored.tolist() == [True, True, True, False, False]


def test_barely_covered_target_is_visible(make_got10k, tmp_path):
    (folder,) = make_got10k(tmp_path, num_sequences=1, num_frames=3)
    write_lines(folder / 'cover.label', (0, 1, 8))
    sequence = Got10kDataset(tmp_path, 'train').get_sequence(0)
    np.testing.assert_array_equal(sequence.visible, [False, True, True])


def test_boxes_decide_what_is_visible(make_got10k, tmp_path):
    bboxes_xywh = [
        (5, 5, 4, 4),
        (5, 5, 0, 4),
        (5, 5, 4, -1),
        (NAN, NAN, NAN, NAN),
        (NAN, 5, 4, 4),
        (-90, 5, 4, 4),
    ]
    make_got10k(tmp_path, num_frames=6, bboxes_xywh=bboxes_xywh)
    sequence = Got10kDataset(tmp_path, 'train').get_sequence(0)
    np.testing.assert_array_equal(
        sequence.visible, [True, False, False, False, False, True]
    )


def test_labels_are_optional(make_got10k, tmp_path):
    (folder,) = make_got10k(
        tmp_path, num_sequences=1, num_frames=3, absent=(1,), uncovered=(2,)
    )
    (folder / 'absence.label').unlink()
    sequence = Got10kDataset(tmp_path, 'train').get_sequence(0)
    np.testing.assert_array_equal(sequence.visible, [True, True, False])
    (folder / 'cover.label').unlink()
    sequence = Got10kDataset(tmp_path, 'train').get_sequence(0)
    assert sequence.visible.all()


def test_test_split_has_one_box(make_got10k, tmp_path):
    make_got10k(tmp_path, 'test', num_frames=4, bboxes_xywh=[(8, 8, 8, 8)] * 4)
    dataset = Got10kDataset(tmp_path, 'test', test_mode=True)
    sequence = dataset.get_sequence(1)
    assert len(sequence) == 4
    np.testing.assert_array_equal(sequence.bboxes, [(8, 8, 16, 16)])
    np.testing.assert_array_equal(sequence.visible, [True])
    np.testing.assert_array_equal(dataset.num_visible(), [1, 1])


def test_vot_splits_are_all_but_the_forbidden_sequences():
    """The VOT challenge forbids 1,000, by name."""
    train, val = split_rows('got10k_vottrain'), split_rows('got10k_votval')
    assert len(train) == len(set(train)) == 7086
    assert len(val) == len(set(val)) == 1249
    forbidden = set((DATA / 'got10k_vot_exclude.txt').read_text().split())
    assert len(forbidden) == 1000
    everything = {f'GOT-10k_Train_{number:06d}' for number in range(1, 9336)}
    assert not set(train) & set(val)
    assert set(train) | set(val) == everything - forbidden
    assert train[:2] == ['GOT-10k_Train_003784', 'GOT-10k_Train_008998']


@pytest.mark.parametrize('split', ['vottrain', 'votval'])
def test_vot_split_does_not_depend_on_the_list(make_got10k, tmp_path, split):
    names = split_rows(f'got10k_{split}')[:2]
    for folder, name in zip(make_got10k(tmp_path), names):
        folder.rename(folder.parent / name)
    (tmp_path / 'train/list.txt').unlink()
    dataset = Got10kDataset(tmp_path, split, indices=2)
    assert [dataset.get_sequence(i).name for i in range(2)] == names
    path = dataset.get_sequence(0).frame_path(0)
    assert path == str(tmp_path / 'train' / names[0] / '00000001.jpg')
    message = f'{split_rows(f"got10k_{split}")[2]} is missing'
    with pytest.raises(FileNotFoundError, match=message):
        Got10kDataset(tmp_path, split)


def test_unknown_split(tmp_path):
    message = (
        r"split is 'training', expected one of \['test', 'train', 'val', "
        r"'vottrain', 'votval'\]"
    )
    with pytest.raises(ValueError, match=message):
        Got10kDataset(tmp_path, 'training')


def test_missing_data_root():
    message = r'Got10kDataset: nowhere/val/list.txt is missing.*data_root'
    with pytest.raises(FileNotFoundError, match=message):
        Got10kDataset('nowhere', 'val')


def test_missing_list(make_got10k, tmp_path):
    make_got10k(tmp_path)
    (tmp_path / 'train/list.txt').unlink()
    message = rf'{tmp_path}/train/list.txt is missing.*folder of each split'
    with pytest.raises(FileNotFoundError, match=message):
        Got10kDataset(tmp_path, 'train')


def test_missing_annotation(make_got10k, tmp_path):
    folders = make_got10k(tmp_path)
    (folders[1] / 'groundtruth.txt').unlink()
    message = r'seq_1/groundtruth.txt is missing'
    with pytest.raises(FileNotFoundError, match=message):
        Got10kDataset(tmp_path, 'train')


@pytest.mark.parametrize('num_boxes', [2, 7, 9])
def test_annotation_of_another_length(make_got10k, tmp_path, num_boxes):
    folders = make_got10k(tmp_path)
    write_lines(folders[1] / 'groundtruth.txt', ['1,2,3,4'] * num_boxes)
    message = (
        r'Got10kDataset: .*/seq_1 holds 8 frames \(.jpg\), but '
        rf'.*seq_1/groundtruth.txt has {num_boxes} boxes\. Expected one box '
        'per frame'
    )
    with pytest.raises(ValueError, match=message):
        Got10kDataset(tmp_path, 'train')


@pytest.mark.parametrize('name', ['absence', 'cover'])
def test_labels_of_another_length(make_got10k, tmp_path, name):
    folders = make_got10k(tmp_path)
    write_lines(folders[0] / f'{name}.label', [1] * 7)
    message = rf'seq_0/{name}.label has 7 values, but .* has 8 boxes'
    with pytest.raises(ValueError, match=message):
        Got10kDataset(tmp_path, 'train')
