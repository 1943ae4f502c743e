import pickle

import pytest
import torch

from mmsimtrack.datasets import FrameReader, Got10kDataset

NAN = float('nan')


@pytest.fixture
def folders(make_got10k, tmp_path):
    return make_got10k(tmp_path, num_sequences=3, num_frames=4, uncovered=(2,))


def test_items_of_a_test_dataloader(folders, tmp_path):
    dataset = Got10kDataset(tmp_path, 'train', test_mode=True)
    dataset[1]['data_samples'].gt_instances.bboxes.zero_()  # which owns them
    loader = torch.utils.data.DataLoader(
        pickle.loads(pickle.dumps(dataset)),
        num_workers=1,
        collate_fn=lambda items: items[0],
    )
    _, item, _ = list(loader)
    assert sorted(item) == ['data_samples', 'inputs']
    assert isinstance(item['inputs'], FrameReader)
    assert item['inputs'].paths[3] == str(folders[1] / '00000004.jpg')
    assert [frame.shape for frame in item['inputs']] == [(48, 64, 3)] * 4
    sample = item['data_samples']
    expected = dict(sequence='seq_1', index=1, img_shape=(48, 64))
    assert sample.metainfo == expected | dict(num_frames=4)
    bboxes = [(16 + t, 12 + t, 32 + t, 24 + t) for t in range(4)]
    assert sample.gt_instances.bboxes.tolist() == [list(b) for b in bboxes]
    assert sample.gt_instances.bboxes.dtype == torch.float64
    assert sample.gt_instances.visible.tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    'indices, names', [(None, '012'), (2, '01'), (-1, '2'), ([2, 0], '20')]
)
def test_indices(folders, tmp_path, indices, names):
    names = [f'seq_{i}' for i in names]
    if indices == [2, 0]:  # nothing else is read
        (folders[1] / 'groundtruth.txt').unlink()
    options = dict(indices=indices, lazy_init=True)
    dataset = Got10kDataset(tmp_path, 'train', **options)
    dataset.full_init()
    found = [dataset.get_sequence(i).name for i in range(len(dataset))]
    assert found == names
    sample = dataset[-1]['data_samples']
    assert (sample.sequence, sample.index) == (names[-1], len(names) - 1)
    with pytest.raises(IndexError):
        dataset.get_sequence(len(names))


FIRST_BOXES = [
    ((NAN, NAN, NAN, NAN), 'nan,nan,nan,nan'),
    ((5, 5, 0, 4), '5,5,0,4'),
    ((64, 5, 4, 4), '64,5,4,4'),
    ((5, -9, 4, 8.5), '5,-9,4,8.5'),
    ((63, 47, 9, 9), None),  # partly outside
]


@pytest.mark.parametrize('first_box, text', FIRST_BOXES)
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
