import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmsimtrack.datasets import FrameReader, Got10kDataset

NAN = float('nan')


@pytest.fixture
def folders(make_got10k, tmp_path):
    return make_got10k(tmp_path, num_sequences=3, num_frames=4, uncovered=(2,))


def test_item(folders, tmp_path):
    item = Got10kDataset(tmp_path, 'train')[1]
    assert sorted(item) == ['data_samples', 'inputs']
    assert isinstance(item['inputs'], FrameReader)
    assert item['inputs'].paths[3] == str(folders[1] / '00000004.jpg')
    assert [frame.shape for frame in item['inputs']] == [(48, 64, 3)] * 4
    sample = item['data_samples']
    assert sample.metainfo == {
        'sequence': 'seq_1',
        'index': 1,
        'img_shape': (48, 64),
        'num_frames': 4,
    }
    bboxes = [(16 + t, 12 + t, 32 + t, 24 + t) for t in range(4)]
    assert sample.gt_instances.bboxes.tolist() == [list(b) for b in bboxes]
    assert sample.gt_instances.bboxes.dtype == torch.float64
    assert sample.gt_instances.visible.tolist() == [True, True, False, True]


def test_item_owns_its_boxes(folders, tmp_path):
    dataset = Got10kDataset(tmp_path, 'train')
    dataset[0]['data_samples'].gt_instances.bboxes.zero_()
    np.testing.assert_array_equal(
        dataset.get_sequence(0).bboxes[0], (16, 12, 32, 24)
    )


def test_items_pass_a_test_dataloader(folders, tmp_path):
    dataset = Got10kDataset(tmp_path, 'train', test_mode=True)
    loader = torch.utils.data.DataLoader(
        dataset, num_workers=1, collate_fn=pseudo_collate
    )
    batches = list(loader)
    names = [batch['data_samples'][0].sequence for batch in batches]
    assert names == ['seq_0', 'seq_1', 'seq_2']
    assert len(list(batches[2]['inputs'][0])) == 4


def test_sequences_of_different_length(make_got10k, tmp_path):
    make_got10k(tmp_path / 'a', num_sequences=1, num_frames=3)
    make_got10k(tmp_path / 'b', num_sequences=1, num_frames=5, absent=(0, 1))
    os.rename(tmp_path / 'b/train/seq_0', tmp_path / 'a/train/long')
    (tmp_path / 'a/train/list.txt').write_text('seq_0\nlong\n')
    dataset = Got10kDataset(tmp_path / 'a', 'train')
    np.testing.assert_array_equal(dataset.num_frames(), [3, 5])
    np.testing.assert_array_equal(dataset.num_visible(), [3, 3])
    sequence = dataset.get_sequence(1)
    np.testing.assert_array_equal(sequence.bboxes[:, 0], 16 + np.arange(5))
    np.testing.assert_array_equal(sequence.visible, [0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    'indices, names',
    [
        (None, ['seq_0', 'seq_1', 'seq_2']),
        (2, ['seq_0', 'seq_1']),
        ([2, 0], ['seq_2', 'seq_0']),
    ],
)
def test_indices(folders, tmp_path, indices, names):
    dataset = Got10kDataset(tmp_path, 'train', indices=indices)
    found = [dataset.get_sequence(i).name for i in range(len(dataset))]
    assert found == names


def test_indices_read_nothing_else(folders, tmp_path):
    (folders[1] / 'groundtruth.txt').unlink()
    dataset = Got10kDataset(tmp_path, 'train', indices=[0, 2])
    np.testing.assert_array_equal(dataset.num_frames(), [4, 4])


def test_negative_index_counts_from_the_end(folders, tmp_path):
    dataset = Got10kDataset(tmp_path, 'train')
    sample = dataset[-1]['data_samples']
    assert (sample.sequence, sample.index) == ('seq_2', 2)
    assert len(sample.gt_instances.bboxes) == 4
    with pytest.raises(IndexError):
        dataset.get_sequence(3)


def test_a_name_that_is_listed_twice(folders, tmp_path):
    (tmp_path / 'train/list.txt').write_text('seq_0\nseq_1\nseq_0\n')
    message = "lists the sequence 'seq_0' twice. Results are files of"
    with pytest.raises(ValueError, match=message):
        Got10kDataset(tmp_path, 'train')


def test_data_set_survives_pickling(folders, tmp_path):
    dataset = Got10kDataset(tmp_path, 'train')
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(
        copy.get_sequence(2).bboxes, dataset.get_sequence(2).bboxes
    )


def test_empty_data_set(folders, tmp_path):
    (tmp_path / 'train/list.txt').write_text('\n')
    message = rf'Got10kDataset: no sequence in {tmp_path}\. Check data_root'
    with pytest.raises(ValueError, match=message):
        Got10kDataset(tmp_path, 'train')


def test_sequence_without_frames(folders, tmp_path):
    for path in folders[1].glob('*.jpg'):
        path.unlink()
    message = r'seq_1 holds 0 frames, but .*groundtruth.txt has 4'
    with pytest.raises(ValueError, match=message):
        Got10kDataset(tmp_path, 'train')


def test_a_missing_sequence_is_named(folders, tmp_path):
    (tmp_path / 'train/list.txt').write_text('seq_0\nseq_7\n')
    message = (
        rf'{tmp_path}/train/seq_7 is missing\. Expected a folder of frames; '
        r'unpack the full archive, correct data_root in the config, or set `i'
    )
    with pytest.raises(FileNotFoundError, match=message):
        Got10kDataset(tmp_path, 'train')


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    dataset = Got10kDataset(tmp_path / 'none', 'train', lazy_init=True)
    with pytest.raises(FileNotFoundError, match='none does not exist'):
        dataset.full_init()


@pytest.mark.parametrize(
    'first_box, text',
    [
        ((NAN, NAN, NAN, NAN), 'nan,nan,nan,nan'),
        ((5, 5, 0, 4), '5,5,0,4'),
        ((5, 5, 4, -2), '5,5,4,-2'),
        ((64, 5, 4, 4), '64,5,4,4'),
        ((5, 48, 4, 4), '5,48,4,4'),
        ((-9, 5, 9, 4), '-9,5,9,4'),
        ((5, -9, 4, 8.5), '5,-9,4,8.5'),
    ],
)
def test_first_box_that_cannot_be_tracked(
    make_got10k, tmp_path, first_box, text
):
    make_got10k(tmp_path, num_frames=2, bboxes_xywh=[first_box, (8, 8, 8, 8)])
    message = (
        rf'Got10kDataset: sequence seq_0: the first box, x,y,w,h = {text}, '
        r'.*; the frame is 64 x 48 px'
    )
    with pytest.raises(ValueError, match=message):
        Got10kDataset(tmp_path, 'train', test_mode=True)


def test_training_does_without_first_box(make_got10k, tmp_path):
    bboxes_xywh = [(NAN, NAN, NAN, NAN), (8, 8, 8, 8)]
    make_got10k(tmp_path, num_frames=2, bboxes_xywh=bboxes_xywh)
    np.testing.assert_array_equal(
        Got10kDataset(tmp_path, 'train').num_visible(), [1, 1]
    )


@pytest.mark.parametrize('first_box', [(63, 47, 9, 9), (-9, -9, 10, 10)])
def test_first_box_partly_outside_is_tracked(make_got10k, tmp_path, first_box):
    make_got10k(tmp_path, num_frames=2, bboxes_xywh=[first_box, (8, 8, 8, 8)])
    assert len(Got10kDataset(tmp_path, 'train', test_mode=True)) == 2


def test_gap_in_the_frames_is_found_before_tracking(folders, tmp_path):
    os.rename(folders[2] / '00000002.jpg', folders[2] / '00000009.jpg')
    message = r'seq_2/00000002.jpg is missing'
    with pytest.raises(FileNotFoundError, match=message):
        Got10kDataset(tmp_path, 'train', test_mode=True)
