import numpy as np
import pytest
from layouts import make_tnl2k, split_rows

from mmsimtrack.datasets import TNL2KDataset


def test_boxes_and_frames(tmp_path):
    bboxes_xywh = [(1, 2, 3, 4), (0, 0, 0, 0), (-5, 6, 20, 10)]
    make_tnl2k(tmp_path, bboxes_xywh=bboxes_xywh)
    dataset = TNL2KDataset(tmp_path)
    sequence = dataset.get_sequence(0)
    assert sequence.name == 'Cat_video_01-Done'
    assert dataset.get_sequence(1).name == 'INF_woman_1'
    folder = tmp_path / 'Cat_video_01-Done/imgs'
    assert sequence.frame_paths() == [
        str(folder / f'0000{number}.jpg') for number in (1, 2, 3)
    ]
    np.testing.assert_array_equal(
        sequence.bboxes, [(1, 2, 4, 6), (0, 0, 0, 0), (-5, 6, 15, 16)]
    )
    np.testing.assert_array_equal(sequence.visible, [True, False, True])
    np.testing.assert_allclose(sequence.read_frame(2)[40, 60], 30, atol=1)


@pytest.mark.parametrize(
    'frame_name',
    ['{:08d}.png', 'img{:03d}v.jpg', '2021-{:02d}.png', '00{}.jpg'],
)
def test_any_names_in_their_order(tmp_path, frame_name):
    make_tnl2k(tmp_path, ['a'], num_frames=5, frame_name=frame_name)
    folder = tmp_path / 'a/imgs'
    # a gap in the numbers, and what is no frame
    (folder / frame_name.format(5)).rename(folder / frame_name.format(9))
    (folder / 'Thumbs.db').write_text('')
    sequence = TNL2KDataset(tmp_path, test_mode=True).get_sequence(0)
    assert sequence.frame_path(4) == str(folder / frame_name.format(9))
    for t in range(5):
        np.testing.assert_allclose(
            sequence.read_frame(t)[40, 60], 10 * (t + 1), atol=1
        )


def test_item(tmp_path):
    make_tnl2k(tmp_path, num_frames=3)
    item = TNL2KDataset(tmp_path, test_mode=True)[1]
    assert item['data_samples'].sequence == 'INF_woman_1'
    levels = [frame[40, 60, 0] for frame in item['inputs']]
    np.testing.assert_allclose(levels, (10, 20, 30), atol=1)


def test_split(tmp_path):
    names = split_rows('tnl2k')
    assert len(set(names)) == 700
    assert 'advSamp_monitor_bikeyellow' in names
    make_tnl2k(tmp_path, [*names[:2], 'Aa_training'], num_frames=2)
    dataset = TNL2KDataset(tmp_path, split='test', indices=2)
    assert [dataset.get_sequence(i).name for i in range(2)] == names[:2]
    with pytest.raises(ValueError, match="split is 'val', expected one of"):
        TNL2KDataset(tmp_path, split='val')
    with pytest.raises(FileNotFoundError, match=f'{names[2]}/imgs is missing'):
        TNL2KDataset(tmp_path, split='test', indices=3).full_init()


@pytest.mark.parametrize(
    ('name', 'fits'), [('advSamp_monitor_bikeyellow', True), ('cat', False)]
)
def test_a_row_too_many(tmp_path, name, fits):
    make_tnl2k(tmp_path, [name], num_frames=4)
    (tmp_path / name / 'imgs/00004.jpg').unlink()
    if fits:
        sequence = TNL2KDataset(tmp_path).get_sequence(0)
        assert len(sequence) == len(sequence.bboxes) == 3
    else:
        with pytest.raises(ValueError, match='holds 3 frames .* has 4 boxes'):
            TNL2KDataset(tmp_path)


def test_missing_data_root():
    message = (
        r'TNL2KDataset: nowhere is missing\. Expected a folder with one '
        r'folder per sequence; .*correct data_root in the config'
    )
    with pytest.raises(FileNotFoundError, match=message):
        TNL2KDataset('nowhere')


def test_empty_data_root(tmp_path):
    message = rf'TNL2KDataset: no sequence in {tmp_path}\.'
    with pytest.raises(ValueError, match=message):
        TNL2KDataset(tmp_path)


def test_folder_without_frames(tmp_path):
    make_tnl2k(tmp_path)
    (tmp_path / 'Dog').mkdir()
    message = rf'{tmp_path}/Dog/imgs is missing\. Expected a folder of frames'
    with pytest.raises(FileNotFoundError, match=message):
        TNL2KDataset(tmp_path)


def test_missing_annotation(tmp_path):
    make_tnl2k(tmp_path)
    (tmp_path / 'INF_woman_1/groundtruth.txt').unlink()
    message = 'INF_woman_1/groundtruth.txt is missing'
    with pytest.raises(FileNotFoundError, match=message):
        TNL2KDataset(tmp_path)


@pytest.mark.parametrize('num_boxes', [7, 9])
def test_annotation_of_another_length(tmp_path, num_boxes):
    make_tnl2k(tmp_path)
    path = tmp_path / 'INF_woman_1/groundtruth.txt'
    path.write_text('1,2,3,4\n' * num_boxes)
    message = (
        r'TNL2KDataset: .*/INF_woman_1/imgs holds 8 frames \(.jpg, .png\), '
        rf'but .*/groundtruth.txt has {num_boxes} boxes\. Expected one box '
        r'per frame; .*again\. For the 12 .*, take the revised annotations\.$'
    )
    with pytest.raises(ValueError, match=message):
        TNL2KDataset(tmp_path)
