import numpy as np
import pytest

from mmsimtrack.datasets import Got10kDataset, VideoSequence
from mmsimtrack.datasets.sequence_dataset import SPLITS

NAN = float('nan')


def write_lines(path, values):
    path.write_text(''.join(f'{value}\n' for value in values))


def selected_lines(split):
    lines = (SPLITS / f'got10k_{split}.txt').read_text().split()
    return [int(line) for line in lines]


@pytest.fixture
def no_sequences(monkeypatch):
    """Let sequences load without a file."""

    def load(self, info):
        return VideoSequence(
            info['name'],
            info['frame_template'],
            info['first_frame'],
            num_frames=1,
            bboxes=np.array([[0.0, 0, 1, 1]]),
            visible=np.array([True]),
        )

    monkeypatch.setattr(Got10kDataset, 'load_sequence', load)


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


def test_shipped_splits_part_the_training_sequences():
    train, val = selected_lines('vottrain'), selected_lines('votval')
    assert len(train) == len(set(train)) == 7086
    assert len(val) == len(set(val)) == 1249
    assert not set(train) & set(val)
    assert 0 <= min(train + val) and max(train + val) < 9335


@pytest.mark.parametrize('split', ['vottrain', 'votval'])
def test_vot_splits_count_lines_from_0(tmp_path, no_sequences, split):
    (tmp_path / 'train').mkdir()
    write_lines(
        tmp_path / 'train/list.txt', map('name_{}'.format, range(9335))
    )
    dataset = Got10kDataset(tmp_path, split)
    names = [dataset.get_data_info(i)['name'] for i in range(len(dataset))]
    assert names == [f'name_{line}' for line in selected_lines(split)]
    # frames are those of the train folder
    path = dataset.get_sequence(0).frame_path(0)
    assert path == str(tmp_path / 'train' / names[0] / '00000001.jpg')


@pytest.mark.parametrize('split', ['vottrain', 'votval'])
def test_vot_split_of_a_short_list(make_got10k, tmp_path, split):
    make_got10k(tmp_path)
    message = (
        rf'Got10kDataset: {tmp_path}/train/list.txt has 2 lines, but {split} '
        r"is a selection from the official 9,335 .*split='train'"
    )
    with pytest.raises(ValueError, match=message):
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
        r'seq_1 holds 8 frames \(.jpg\), but .*seq_1/groundtruth.txt has '
        rf'{num_boxes} boxes\. Expected one box per frame'
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
