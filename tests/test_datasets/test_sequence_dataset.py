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


def test_items_pass_a_test_dataloader(folders, tmp_path):
    dataset = Got10kDataset(tmp_path, 'train', test_mode=True)
    dataset[0]['data_samples'].gt_instances.bboxes.zero_()  # which owns them
    loader = torch.utils.data.DataLoader(
        pickle.loads(pickle.dumps(dataset)),
        num_workers=1,
        collate_fn=pseudo_collate,
    )
    batches = list(loader)
    samples = [batch['data_samples'][0] for batch in batches]
    assert [s.sequence for s in samples] == ['seq_0', 'seq_1', 'seq_2']
    assert samples[0].gt_instances.bboxes[0].tolist() == [16, 12, 32, 24]
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
        (-1, ['seq_2']),
        ([2, 0], ['seq_2', 'seq_0']),
    ],
)
def test_indices(folders, tmp_path, indices, names):
    if names == ['seq_2', 'seq_0']:  # nothing else is read
        (folders[1] / 'groundtruth.txt').unlink()
    dataset = Got10kDataset(tmp_path, 'train', indices=indices)
    found = [dataset.get_sequence(i).name for i in range(len(dataset))]
    assert found == names
    sample = dataset[-1]['data_samples']
    assert (sample.sequence, sample.index) == (names[-1], len(names) - 1)
    with pytest.raises(IndexError):
        dataset.get_sequence(len(names))


@pytest.mark.parametrize(
    'names, message',
    [
        (
            'seq_0\nseq_1\nseq_0\n',
            "lists the sequence 'seq_0' twice. Expected",
        ),
        (
            '\n',
            r'holds no sequence\. Expected .* Correct the list, or data_root',
        ),
    ],
)
def test_wrong_lists(folders, tmp_path, names, message):
    (tmp_path / 'train/list.txt').write_text(names)
    with pytest.raises(
        ValueError, match=f'Got10kDataset: {tmp_path} {message}'
    ):
        Got10kDataset(tmp_path, 'train')


def test_sequence_without_frames(folders, tmp_path):
    for path in folders[1].glob('*.jpg'):
        path.unlink()
    message = r'seq_1 holds 0 frames, but .*groundtruth.txt has 4'
    with pytest.raises(ValueError, match=message):
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
        ((64, 5, 4, 4), '64,5,4,4'),
        ((5, -9, 4, 8.5), '5,-9,4,8.5'),
        ((63, 47, 9, 9), None),  # partly outside
    ],
)
def test_first_boxes(make_got10k, tmp_path, first_box, text):
    """What cannot be tracked is refused by a test, and by no training."""
    make_got10k(tmp_path, num_frames=2, bboxes_xywh=[first_box, (8, 8, 8, 8)])
    assert len(Got10kDataset(tmp_path, 'train')) == 2
    if text is None:
        assert len(Got10kDataset(tmp_path, 'train', test_mode=True)) == 2
        return
    message = (
        rf'Got10kDataset: sequence seq_0: the first box, x,y,w,h = {text}, '
        r'.*; the frame is 64 x 48 px'
    )
    with pytest.raises(ValueError, match=message):
        Got10kDataset(tmp_path, 'train', test_mode=True)
