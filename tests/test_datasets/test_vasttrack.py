import numpy as np
import pytest
from layouts import make_vasttrack, split_rows
from mmengine import fileio

from mmsimtrack.datasets import VastTrackDataset
from mmsimtrack.evaluation.layouts import find_annotations
from mmsimtrack.evaluation.result_files import read_annotation
from mmsimtrack.structures import xywh_to_xyxy


def names_of(dataset):
    return [dataset.get_sequence(i).name for i in range(len(dataset))]


def test_boxes_and_frames(tmp_path):
    bboxes_xywh = [(1, 2, 3, 4), (0, 0, 0, 0), (5, 6, 20, 10)]
    make_vasttrack(tmp_path, bboxes_xywh=bboxes_xywh)
    dataset = VastTrackDataset(tmp_path)
    assert names_of(dataset) == [
        'Air Hockey-1',
        'Air Hockey-2',
        'Blue-Crowned Hanging-Parrot-15',
    ]
    sequence = dataset.get_sequence(1)
    frames = tmp_path / 'Air Hockey/Air Hockey-2/imgs'
    assert sequence.frame_paths() == [
        str(frames / f'0000{number}.jpg') for number in (1, 2, 3)
    ]
    np.testing.assert_array_equal(
        sequence.bboxes, [(1, 2, 4, 6), (0, 0, 0, 0), (5, 6, 25, 16)]
    )
    np.testing.assert_array_equal(sequence.visible, [True, False, True])
    np.testing.assert_allclose(sequence.read_frame(2)[40, 60], 30, atol=1)


@pytest.mark.parametrize('frame_name', ['img/{:08d}.jpg', 'imgs/{}.jpg'])
def test_other_names_of_frames(tmp_path, frame_name):
    make_vasttrack(tmp_path, ['Afm-1'], num_frames=11, frame_name=frame_name)
    sequence = VastTrackDataset(tmp_path).get_sequence(0)
    folder = tmp_path / 'Afm/Afm-1'
    assert sequence.frame_paths() == [
        str(folder / frame_name.format(number)) for number in range(1, 12)
    ]
    np.testing.assert_allclose(sequence.read_frame(10)[40, 60], 110, atol=1)


@pytest.mark.parametrize(
    'frames, asked', [('imgs', ['imgs']), ('img', ['imgs', 'img'])]
)
def test_first_sequence_tells_the_folder_of_frames(
    tmp_path, monkeypatch, frames, asked
):
    """To ask for each would take long at every start."""
    make_vasttrack(tmp_path, frame_name=f'{frames}/{{}}.jpg')
    folders = [str(path) for path in sorted(tmp_path.glob('*/*'))]
    dataset = VastTrackDataset(tmp_path)
    paths, isdir = [], fileio.isdir

    def note(path, backend_args):
        paths.append(path)
        return isdir(path, backend_args)

    monkeypatch.setattr(fileio, 'isdir', note)
    _, sources = dataset.find_sources()
    of_sequences = [p for p in paths if p.startswith(tuple(folders))]
    assert of_sequences == [f'{folders[0]}/{name}' for name in asked]
    # changed frames are noticed
    assert sources[::2] == [f'{folder}/{frames}' for folder in folders]


def test_frames_of_one_sequence_elsewhere(tmp_path):
    make_vasttrack(tmp_path)
    folder = tmp_path / 'Air Hockey/Air Hockey-2'
    (folder / 'imgs').rename(folder / 'img')
    with pytest.raises(FileNotFoundError, match=f'{folder}/imgs is missing'):
        VastTrackDataset(tmp_path)


def test_kits_take_boxes_of_zeros_as_absent(tmp_path):
    """And others without an area not, which have rules of their own."""
    bboxes_xywh = [(1, 2, 3, 4), (0, 0, 0, 0), (5, 6, 0, 9), (0, 0, 0, 3)]
    make_vasttrack(tmp_path, ['Afm-1'], bboxes_xywh=bboxes_xywh)
    dataset = VastTrackDataset(tmp_path)
    visible = dataset.get_sequence(0).visible
    assert visible.tolist() == [True, False, False, False]
    scored = dataset[0]['data_samples'].gt_instances.visible
    assert scored.tolist() == [True, False, True, True]


def test_official_list():
    names = split_rows('vasttrack_test')
    assert len(names) == len(set(names)) == 3500
    assert names[0] == 'Aardwolf-1'
    assert 'Blue-Crowned Hanging-Parrot-15' in names
    for name in names:
        class_name, _, number = name.rpartition('-')
        assert class_name == class_name.strip() != ''
        assert number.isdigit()


@pytest.mark.parametrize('level', ['', 'test'])
def test_split(tmp_path, level):
    """Training sequences may lie in the same folder."""
    make_vasttrack(tmp_path / level, ['Aardwolf-1', 'Aardwolf-3'])
    dataset = VastTrackDataset(tmp_path, split='test', indices=1)
    assert names_of(dataset) == ['Aardwolf-1']
    path = tmp_path / level / 'Aardwolf/Aardwolf-1/imgs/00001.jpg'
    assert dataset.get_sequence(0).frame_path(0) == str(path)
    message = rf'{path.parents[2]}/Aardwolf-2/imgs is missing\. Expected a fol'
    with pytest.raises(FileNotFoundError, match=message):
        VastTrackDataset(tmp_path, split='test')


def test_classes_beside_the_test_set(tmp_path):
    """The loader and the scorer take those in `test/`."""
    make_vasttrack(tmp_path, ['Aardwolf-1', 'Aardwolf-3'], num_frames=2)
    make_vasttrack(tmp_path / 'test', ['Aardwolf-1'], num_frames=3)
    dataset = VastTrackDataset(tmp_path, split='test', indices=1)
    sequence = dataset.get_sequence(0)
    folder = tmp_path / 'test/Aardwolf/Aardwolf-1'
    assert sequence.frame_path(2) == str(folder / 'imgs/00003.jpg')
    path = folder / 'Groundtruth.txt'
    assert find_annotations(tmp_path, 'vasttrack') == {'Aardwolf-1': path}
    bboxes_xywh = read_annotation(path, 'Aardwolf-1', 'vasttrack')
    assert xywh_to_xyxy(bboxes_xywh).tolist() == sequence.bboxes.tolist()


def test_list(tmp_path):
    make_vasttrack(tmp_path)
    (tmp_path / 'some.txt').write_text(
        'Blue-Crowned Hanging-Parrot-15\n\n Air Hockey-1 \r\n'
    )
    dataset = VastTrackDataset(tmp_path, list_file='some.txt')
    assert names_of(dataset) == [
        'Blue-Crowned Hanging-Parrot-15',
        'Air Hockey-1',
    ]


def test_missing_sequence_of_a_list(tmp_path):
    make_vasttrack(tmp_path)
    (tmp_path / 'some.txt').write_text('Air Hockey-2\nAir Hockey-3\n')
    message = rf'{tmp_path}/Air Hockey/Air Hockey-3/imgs is missing\. Expected'
    with pytest.raises(FileNotFoundError, match=message):
        VastTrackDataset(tmp_path, list_file='some.txt')


def test_missing_data_root():
    message = r'VastTrackDataset: nowhere is missing\. Expected a folder with'
    with pytest.raises(FileNotFoundError, match=message):
        VastTrackDataset('nowhere')


def test_missing_list(tmp_path):
    message = rf'VastTrackDataset: {tmp_path}/all.txt is missing\. Expected a'
    with pytest.raises(FileNotFoundError, match=message):
        VastTrackDataset(tmp_path, list_file='all.txt')


def test_wrong_split(tmp_path):
    message = r"VastTrackDataset: split is 'val', expected one of \['test'\]"
    with pytest.raises(ValueError, match=message):
        VastTrackDataset(tmp_path, split='val')


def test_split_and_list(tmp_path):
    message = (
        r"VastTrackDataset: found split='test' and list_file='a.txt', "
        r'expected one of them, .*\. Remove one in the config'
    )
    with pytest.raises(ValueError, match=message):
        VastTrackDataset(tmp_path, split='test', list_file='a.txt')
