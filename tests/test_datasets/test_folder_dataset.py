import shutil

import numpy as np
import pytest
import storage
from layouts import moving_bboxes, write_frames

from mmsimtrack.datasets import FolderDataset


def levels(sequence):
    """Gray levels of all frames, which tell their numbers."""
    return [sequence.read_frame(t)[40, 60, 0] for t in range(len(sequence))]


def test_boxes_beside_the_folders(tmp_path):
    storage.make_folders(tmp_path)
    dataset = FolderDataset(tmp_path, boxes='{}.txt')
    sequences = [dataset.get_sequence(i) for i in range(len(dataset))]
    names = ['Cat_video_01-Done', 'INF_woman_1']
    assert [sequence.name for sequence in sequences] == names
    assert sequences[1].frame_path(7) == str(
        tmp_path / names[1] / 'shot 8.png'
    )
    np.testing.assert_array_equal(
        sequences[0].bboxes[:2], [(16, 12, 32, 24), (17, 13, 33, 25)]
    )


def test_frames_are_sorted_by_their_numbers(tmp_path):
    """And boxes lie in the folder, by default."""
    folder = tmp_path / 'clip'
    bboxes = moving_bboxes(12, (64, 48))
    write_frames(folder, 'take 2 frame {}.png', 1, bboxes, (64, 48))
    np.savetxt(folder / 'groundtruth.txt', bboxes, '%d')
    (folder / 'notes.md').write_text('')
    (sequence,) = [FolderDataset(tmp_path).get_sequence(0)]
    assert levels(sequence) == [10 * t for t in range(1, 13)]


def test_separate_folders_and_a_list(tmp_path):
    storage.make_folders(tmp_path / 'videos/day')
    (tmp_path / 'boxes/day').mkdir(parents=True)
    for path in (tmp_path / 'videos/day').glob('*.txt'):
        shutil.move(path, tmp_path / 'boxes/day')
    (tmp_path / 'part.txt').write_text('day/INF_woman_1\n')
    dataset = FolderDataset(
        tmp_path, 'videos/{}', 'boxes/{}.txt', list_file='part.txt'
    )
    assert len(dataset) == 1
    assert dataset.get_sequence(0).name == 'day_INF_woman_1'
    assert levels(dataset.get_sequence(0))[0] == 10


def test_names_with_spaces(tmp_path):
    storage.make_folders(tmp_path)
    (tmp_path / 'INF_woman_1').rename(tmp_path / 'a  woman')
    (tmp_path / 'INF_woman_1.txt').rename(tmp_path / 'a  woman.txt')
    (tmp_path / 'part.list').write_text('\na  woman\t\r\n')
    dataset = FolderDataset(tmp_path, '{}', '{}.txt', 'part.list')
    assert [dataset.get_sequence(i).name for i in range(len(dataset))] == [
        'a  woman'
    ]


def test_absent_targets(tmp_path):
    storage.make_folders(tmp_path)
    path = tmp_path / 'INF_woman_1.txt'
    lines = path.read_text().splitlines()
    lines[2:4] = ['nan,nan,nan,nan', '0,0,0,0']
    path.write_text('\n'.join(lines))
    visible = FolderDataset(tmp_path, boxes='{}.txt').get_sequence(1).visible
    assert visible.tolist() == [True] * 2 + [False] * 2 + [True] * 4


@pytest.mark.parametrize('key', ['frames', 'boxes'])
@pytest.mark.parametrize('value', ['img', '{}/{}', 'x/{name}'])
def test_path_without_a_place_for_the_name(tmp_path, key, value):
    message = (
        f"FolderDataset: {key} is '{value}', expected a path with {{}} where "
        'the name of the sequence stands. Change it in the config'
    )
    with pytest.raises(ValueError, match=message):
        FolderDataset(tmp_path, **{key: value})


def test_missing_list(tmp_path):
    message = (
        rf'FolderDataset: {tmp_path}/all.txt is missing\. Expected a list of '
        r'sequences, one name per line; .*data_root or list_file'
    )
    with pytest.raises(FileNotFoundError, match=message):
        FolderDataset(tmp_path, list_file='all.txt')


def test_missing_folder(tmp_path):
    message = (
        rf'FolderDataset: {tmp_path}/videos is missing\. Expected a folder '
        'with one folder per sequence'
    )
    with pytest.raises(FileNotFoundError, match=message):
        FolderDataset(tmp_path, frames='videos/{}/img')


def test_boxes_and_frames_that_do_not_fit(tmp_path):
    storage.make_folders(tmp_path)
    (tmp_path / 'INF_woman_1/shot 3.png').unlink()
    message = (
        r'FolderDataset: .*/INF_woman_1 holds 7 frames '
        r'\(.jpg, .jpeg, .png, .bmp, .webp\), but .*INF_woman_1.txt has 8 '
        r'boxes\. Expected one box per frame; unpack or create the sequence '
        r'again\.$'
    )
    with pytest.raises(ValueError, match=message):
        FolderDataset(tmp_path, boxes='{}.txt')
