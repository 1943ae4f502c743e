import numpy as np
import pytest
from layouts import make_trackingnet

from mmsimtrack.datasets import TrackingNetDataset


def names_of(dataset):
    return [dataset.get_sequence(i).name for i in range(len(dataset))]


def test_boxes_and_frames(tmp_path):
    bboxes_xywh = [(1, 2, 3, 4), (0.43, -7.5, 20, 10), (5, 5, 0, 3)]
    make_trackingnet(tmp_path, num_sequences=2, bboxes_xywh=bboxes_xywh)
    sequence = TrackingNetDataset(tmp_path, 'train', [0]).get_sequence(1)
    assert sequence.name == 'TRAIN_0_video_1'
    folder = tmp_path / 'TRAIN_0/frames/TRAIN_0_video_1'
    assert sequence.frame_paths() == [
        str(folder / name) for name in ('0.jpg', '1.jpg', '2.jpg')
    ]
    np.testing.assert_allclose(
        sequence.bboxes, [(1, 2, 4, 6), (0.43, -7.5, 20.43, 2.5), (5, 5, 5, 8)]
    )
    np.testing.assert_array_equal(sequence.visible, [True, True, False])
    np.testing.assert_allclose(sequence.read_frame(0)[40, 60], 10, atol=1)


def test_frame_10_follows_frame_9(tmp_path):
    make_trackingnet(tmp_path, num_frames=12)
    sequence = TrackingNetDataset(tmp_path, 'train', [0]).get_sequence(0)
    np.testing.assert_allclose(sequence.read_frame(10)[40, 60], 110, atol=1)


def test_train_is_all_chunks(tmp_path):
    folders = [f'TRAIN_{chunk}' for chunk in range(12)]
    make_trackingnet(tmp_path, folders, num_frames=1)
    make_trackingnet(tmp_path, ['TEST'], num_frames=1)
    dataset = TrackingNetDataset(tmp_path, 'train')
    assert names_of(dataset) == [f'{folder}_video_0' for folder in folders]
    dataset = TrackingNetDataset(tmp_path, 'train', chunks=(11, 2))
    assert names_of(dataset) == ['TRAIN_11_video_0', 'TRAIN_2_video_0']


def test_test_split_has_one_box(tmp_path):
    make_trackingnet(tmp_path, ['TEST'], num_frames=5)
    dataset = TrackingNetDataset(tmp_path, 'test', test_mode=True)
    sequence = dataset.get_sequence(0)
    assert len(sequence) == 5
    np.testing.assert_array_equal(sequence.bboxes, [(16, 12, 32, 24)])
    assert dataset[0]['data_samples'].num_frames == 5


def test_missing_chunk(tmp_path):
    make_trackingnet(tmp_path)
    message = (
        rf'TrackingNetDataset: {tmp_path}/TRAIN_1/anno is missing\. Expected '
        r'a file of boxes per video there, and its frames in TRAIN_1/frames; '
        r'unpack .*data_root in the config, or set `chunks` there'
    )
    with pytest.raises(FileNotFoundError, match=message):
        TrackingNetDataset(tmp_path, 'train')


def test_video_that_was_not_unpacked(tmp_path):
    make_trackingnet(tmp_path, num_frames=1)
    (tmp_path / 'TRAIN_0/anno/other_0.txt').write_text('1,2,3,4\n')
    message = (
        rf'{tmp_path}/TRAIN_0/frames/other_0 is missing\. Expected a folder of'
    )
    with pytest.raises(FileNotFoundError, match=message):
        TrackingNetDataset(tmp_path, 'train', [0])


def test_annotation_of_another_length(tmp_path):
    make_trackingnet(tmp_path)
    (tmp_path / 'TRAIN_0/frames/TRAIN_0_video_0/7.jpg').unlink()
    message = (
        r'frames/TRAIN_0_video_0 holds 7 frames \(.jpg\), but .*/TRAIN_0/anno/'
        r'TRAIN_0_video_0.txt has 8 boxes\. Expected one box per frame'
    )
    with pytest.raises(ValueError, match=message):
        TrackingNetDataset(tmp_path, 'train', [0])


def test_frames_count_from_0(tmp_path):
    make_trackingnet(tmp_path)
    folder = tmp_path / 'TRAIN_0/frames/TRAIN_0_video_0'
    (folder / '0.jpg').rename(folder / '8.jpg')
    with pytest.raises(FileNotFoundError, match='video_0/0.jpg is missing'):
        TrackingNetDataset(tmp_path, 'train', [0])


def test_unknown_split(tmp_path):
    message = r"split is 'TEST', expected one of \['test', 'train'\]"
    with pytest.raises(ValueError, match=f'TrackingNetDataset: {message}'):
        TrackingNetDataset(tmp_path, 'TEST')
