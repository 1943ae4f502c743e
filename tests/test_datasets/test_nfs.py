import csv
from pathlib import Path

import numpy as np
import pytest
from layouts import make_nfs, split_rows

from mmsimtrack.datasets import NfSDataset, nfs
from mmsimtrack.evaluation.layouts import find_annotations
from mmsimtrack.evaluation.result_files import read_annotation

REFERENCE = Path(__file__).parents[3] / 'shared/reference/sequences/nfs.csv'
NAMES = split_rows('nfs')


def load(root, name='dog_1', **kwargs):
    return NfSDataset(root, indices=[NAMES.index(name)], **kwargs)


@pytest.fixture
def logged(monkeypatch):
    lines = []
    monkeypatch.setattr(nfs, 'print_log', lambda line, _: lines.append(line))
    return lines


@pytest.mark.parametrize('repacked', [False, True])
def test_boxes_and_frames(tmp_path, repacked, logged):
    """And the boxes that the scorer reads are the same."""
    make_nfs(tmp_path, repacked=repacked)
    sequence = load(tmp_path).get_sequence(0)
    folder = 'sequences/dog_1' if repacked else 'dog_1/30/dog_1'
    assert sequence.name == 'dog_1'
    assert sequence.frame_paths() == [
        str(tmp_path / folder / f'0000{number}.jpg') for number in range(1, 9)
    ]
    np.testing.assert_array_equal(
        sequence.bboxes, [(16 + t, 12 + t, 32 + t, 24 + t) for t in range(8)]
    )
    assert sequence.visible.all()
    np.testing.assert_allclose(sequence.read_frame(7)[40, 60], 80, atol=1)
    assert not logged
    ((name, path),) = find_annotations(tmp_path, 'nfs').items()
    assert name == 'dog_1'
    assert read_annotation(path, name, 'nfs').tolist() == [
        [16 + t, 12 + t, 16, 12] for t in range(8)
    ]


def test_absent_target(tmp_path):
    make_nfs(tmp_path, repacked=True)
    path = tmp_path / 'anno/nfs_dog_1.txt'
    lines = path.read_text().splitlines()
    lines[3] = '0\t0\t0\t0'
    path.write_text('\n'.join(lines))
    visible = load(tmp_path).get_sequence(0).visible
    assert np.flatnonzero(~visible).tolist() == [3]


def test_a_frame_less(tmp_path, logged):
    make_nfs(tmp_path)
    frames = tmp_path / 'dog_1/30/dog_1'
    (frames / '00008.jpg').unlink()
    scored = read_annotation(frames.with_suffix('.txt'), 'dog_1', 'nfs')
    assert len(scored) == 7
    sequence = load(tmp_path).get_sequence(0)
    assert len(sequence) == len(sequence.bboxes) == len(sequence.visible) == 7
    assert sequence.frame_path(6) == str(frames / '00007.jpg')
    assert logged == [
        f'NfSDataset: {frames} holds 7 frames, but {frames}.txt has 8 boxes '
        'at 30 per second. The one too many, the last, is not used.'
    ]


def test_a_box_less(tmp_path, logged):
    make_nfs(tmp_path)
    path = tmp_path / 'dog_1/30/dog_1.txt'
    path.write_text('0 1 2 3 4 0 0\n' * 8 * 7)
    sequence = load(tmp_path).get_sequence(0)
    assert len(sequence) == len(sequence.bboxes) == 7
    assert len(sequence.frame_names) == 7
    assert len(logged) == 1


@pytest.mark.parametrize('num_boxes', [7, 9])
def test_repacked_files_have_a_box_per_frame(tmp_path, num_boxes, logged):
    """There is no eighth row that could make one more or one less."""
    make_nfs(tmp_path, repacked=True)
    path = tmp_path / 'anno/nfs_dog_1.txt'
    path.write_text('1\t2\t3\t4\n' * num_boxes)
    message = (
        rf'NfSDataset: {tmp_path}/sequences/dog_1 holds 8 frames \(.*\), but '
        rf'{path} has {num_boxes} boxes\. Expected one box per frame'
    )
    with pytest.raises(ValueError, match=message):
        load(tmp_path)
    assert not logged


@pytest.mark.parametrize('repacked', [False, True])
@pytest.mark.parametrize('number', [1, 3])
@pytest.mark.parametrize('others', [8, 9])
def test_missing_frame(tmp_path, repacked, number, others, logged):
    """All later boxes would be of other frames, however many there are."""
    make_nfs(tmp_path, repacked=repacked)
    frames = tmp_path / ('sequences/dog_1' if repacked else 'dog_1/30/dog_1')
    (frames / '00008.jpg').rename(frames / f'0000{others}.jpg')
    (frames / f'0000{number}.jpg').unlink()
    message = rf'{frames}/0000{number}.jpg is missing\. Expected a frame of'
    with pytest.raises(FileNotFoundError, match=message):
        load(tmp_path)
    assert not logged


def test_other_digits(tmp_path):
    make_nfs(tmp_path)
    frames = tmp_path / 'dog_1/30/dog_1'
    for path in list(frames.iterdir()):
        path.rename(frames / path.name.lstrip('0'))
    sequence = load(tmp_path).get_sequence(0)
    assert sequence.frame_path(7) == str(frames / '8.jpg')
    (frames / '8.jpg').rename(frames / 'last.jpg')
    with pytest.raises(FileNotFoundError, match='dog_1/00008.jpg is missing'):
        load(tmp_path)


@pytest.mark.parametrize('num_boxes', [1, 6, 10])
def test_more_than_one(tmp_path, num_boxes, logged):
    """A box for each of no frames included."""
    make_nfs(tmp_path)
    frames = tmp_path / 'dog_1/30/dog_1'
    if num_boxes == 1:
        for path in frames.iterdir():
            path.unlink()
    text = '0 1 2 3 4 0 0\n' * 8 * num_boxes
    frames.with_suffix('.txt').write_text(text)
    message = (
        rf'NfSDataset: {frames} holds [08] frames \(.*\), but {frames}.txt '
        rf'has {num_boxes} boxes\. Expected one box per frame; unpack or '
        r'create the sequence again\. Of files as downloaded, every eighth ro'
    )
    with pytest.raises(ValueError, match=message):
        load(tmp_path)
    assert not logged


def test_list():
    assert len(NAMES) == len(set(NAMES)) == 100
    assert NAMES[0] == 'Gymnastics'
    assert NAMES[-1] == 'zebra_fish'


def test_list_equals_the_reference():
    if not REFERENCE.exists():
        pytest.skip(f'{REFERENCE} is not here')
    with REFERENCE.open() as file:
        expected = list(csv.DictReader(file))
    for name, row in zip(NAMES, expected, strict=True):
        assert row['name'] == f'nfs_{name}'
        assert row['path'] == f'sequences/{name}'
        assert row['anno_path'] == f'anno/nfs_{name}.txt'
        assert row['startFrame'] == '1'


@pytest.mark.parametrize('repacked', [False, True])
def test_missing_files(tmp_path, repacked):
    make_nfs(tmp_path, repacked=repacked)
    folder = 'sequences/dog_2' if repacked else 'dog_2/30/dog_2'
    message = rf'{tmp_path}/{folder} is missing\. Expected a folder of frames'
    with pytest.raises(FileNotFoundError, match=message):
        load(tmp_path, 'dog_2')
    boxes = 'anno/nfs_dog_1.txt' if repacked else 'dog_1/30/dog_1.txt'
    (tmp_path / boxes).unlink()
    message = f'{tmp_path}/{boxes} is missing'
    with pytest.raises(FileNotFoundError, match=message):
        load(tmp_path)
