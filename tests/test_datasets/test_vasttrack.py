import numpy as np
import pytest
from layouts import make_vasttrack

from mmsimtrack.datasets import VastTrackDataset


def names_of(dataset):
    return [dataset.get_sequence(i).name for i in range(len(dataset))]


def test_boxes_and_frames(tmp_path):
    bboxes_xywh = [(1, 2, 3, 4), (0, 0, 0, 0), (5, 6, 20, 10)]
    make_vasttrack(tmp_path, bboxes_xywh=bboxes_xywh)
    dataset = VastTrackDataset(tmp_path)
    assert names_of(dataset) == ['Zebra-1', 'Zebra-2', 'abacus-7']
    sequence = dataset.get_sequence(1)
    frames = tmp_path / 'Zebra/Zebra-2/imgs'
    assert sequence.frame_paths() == [
        str(frames / f'0000{number}.jpg') for number in (1, 2, 3)
    ]
    np.testing.assert_array_equal(
        sequence.bboxes, [(1, 2, 4, 6), (0, 0, 0, 0), (5, 6, 25, 16)]
    )
    np.testing.assert_array_equal(sequence.visible, [True, False, True])
    np.testing.assert_allclose(sequence.read_frame(2)[40, 60], 30, atol=1)


def test_list(tmp_path):
    make_vasttrack(tmp_path)
    (tmp_path / 'test.txt').write_text('abacus-7\nZebra-1\n')
    dataset = VastTrackDataset(tmp_path, list_file='test.txt')
    assert names_of(dataset) == ['abacus-7', 'Zebra-1']


def test_missing_sequence_of_a_list(tmp_path):
    make_vasttrack(tmp_path)
    (tmp_path / 'test.txt').write_text('abacus-7\nabacus-8\n')
    message = rf'{tmp_path}/abacus/abacus-8/imgs is missing\. Expected a fol'
    with pytest.raises(FileNotFoundError, match=message):
        VastTrackDataset(tmp_path, list_file='test.txt')


def test_missing_data_root():
    message = r'VastTrackDataset: nowhere is missing\. Expected a folder with'
    with pytest.raises(FileNotFoundError, match=message):
        VastTrackDataset('nowhere')


def test_missing_list(tmp_path):
    message = rf'VastTrackDataset: {tmp_path}/all.txt is missing\. Expected a'
    with pytest.raises(FileNotFoundError, match=message):
        VastTrackDataset(tmp_path, list_file='all.txt')
