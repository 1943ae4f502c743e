import csv
from pathlib import Path

import numpy as np
import pytest
from layouts import make_otb100, split_rows

from mmsimtrack.datasets import OTB100Dataset
from mmsimtrack.evaluation.layouts import find_annotations
from mmsimtrack.evaluation.result_files import read_annotation

REFERENCE = Path(__file__).parents[3] / 'shared/reference/sequences/otb100.csv'
ROWS = [row.split() for row in split_rows('otb100')]
NAMES = [name for name, *_ in ROWS]


def load(root, *names, **kwargs):
    indices = [NAMES.index(name) for name in names]
    return OTB100Dataset(root, indices=indices, **kwargs)


def touch_frames(folder, numbers):
    """Frames that nobody decodes."""
    folder.mkdir(parents=True)
    for number in numbers:
        (folder / f'{number:04d}.jpg').touch()


def test_boxes_and_frames(tmp_path):
    make_otb100(tmp_path)
    path = tmp_path / 'Deer/groundtruth_rect.txt'
    lines = path.read_text().splitlines()
    # separators as they come
    lines[1:4] = ['17,13,16,12', '18, 14\t16 12', '0\t0\t0\t0']
    path.write_text('\r\n'.join(lines))
    sequence = load(tmp_path, 'Deer').get_sequence(0)
    assert sequence.name == 'Deer'
    assert len(sequence) == 71
    assert sequence.frame_path(0) == str(tmp_path / 'Deer/img/0001.jpg')
    assert sequence.frame_path(70) == str(tmp_path / 'Deer/img/0071.jpg')
    np.testing.assert_array_equal(
        sequence.bboxes[:4],
        [(16, 12, 32, 24), (17, 13, 33, 25), (18, 14, 34, 26), (0, 0, 0, 0)],
    )
    np.testing.assert_array_equal(np.flatnonzero(~sequence.visible), [3])
    np.testing.assert_allclose(sequence.read_frame(4)[40, 60], 50, atol=1)


def test_several_targets_in_a_video(tmp_path):
    """And the names that the scorer gives to their files."""
    touch_frames(tmp_path / 'Jogging/img', range(1, 308))
    for number in (1, 2):
        path = tmp_path / f'Jogging/groundtruth_rect.{number}.txt'
        path.write_text(f'{number} 2 3 4\n' * 307)
    dataset = load(tmp_path, 'Jogging-2', 'Jogging-1')
    first, second = (dataset.get_sequence(i) for i in (1, 0))
    assert [first.name, second.name] == ['Jogging-1', 'Jogging-2']
    assert first.bboxes[0].tolist() == [1, 2, 4, 6]
    assert second.bboxes[0].tolist() == [2, 2, 5, 6]
    assert first.frame_paths() == second.frame_paths()
    found = find_annotations(tmp_path, 'otb100')
    assert list(found) == ['Jogging-1', 'Jogging-2']


def test_range_of_a_video(tmp_path):
    """Frames before and after it do not matter."""
    touch_frames(tmp_path / 'BlurCar3/img', range(1, 361))
    boxes = ''.join(f'{t},1,5,5\n' for t in range(3, 360))
    (tmp_path / 'BlurCar3/groundtruth_rect.txt').write_text(boxes)
    sequence = load(tmp_path, 'BlurCar3').get_sequence(0)
    frames = tmp_path / 'BlurCar3/img'
    assert len(sequence) == len(sequence.bboxes) == 357
    assert sequence.frame_path(0) == str(frames / '0003.jpg')
    assert sequence.frame_path(356) == str(frames / '0359.jpg')
    assert sequence.bboxes[[0, -1], 0].tolist() == [3, 359]


@pytest.mark.parametrize('from_start', [True, False])
@pytest.mark.parametrize(
    'name, first, last', [('Tiger1', 6, 354), ('David', 300, 770)]
)
def test_boxes_before_the_range(tmp_path, name, first, last, from_start):
    """The file of Tiger1 has 354, or only the 349 that count."""
    touch_frames(tmp_path / f'{name}/img', range(1, last + 1))
    path = tmp_path / f'{name}/groundtruth_rect.txt'
    numbers = range(1 if from_start else first, last + 1)
    path.write_text(''.join(f'{t},1,5,5\n' for t in numbers))
    sequence = load(tmp_path, name).get_sequence(0)
    assert sequence.bboxes[:, 0].tolist() == list(range(first, last + 1))
    frames = tmp_path / f'{name}/img'
    assert sequence.frame_path(0) == str(frames / f'{first:04d}.jpg')
    assert sequence.frame_path(len(sequence) - 1) == str(
        frames / f'{last:04d}.jpg'
    )
    scored = read_annotation(path, name, 'otb100')
    assert scored[:, 0].tolist() == list(range(first, last + 1))


def test_list():
    assert len(ROWS) == len(set(NAMES)) == 100
    assert len({video for _, video, *_ in ROWS}) == 98
    assert ['David', 'David', '300', '770', '4'] in ROWS
    assert ['Board', 'Board', '1', '698', '5'] in ROWS
    assert ['Human4-2', 'Human4', '1', '667', '4'] in ROWS
    assert ['Tiger1', 'Tiger1', '6', '354', '4'] in ROWS
    assert sum(int(last) - int(first) + 1 for *_, first, last, _ in ROWS) == (
        59035
    )


def test_list_equals_the_reference():
    if not REFERENCE.exists():
        pytest.skip(f'{REFERENCE} is not here')
    with REFERENCE.open() as file:
        expected = [
            ' '.join(
                (
                    row['name'].replace('_', '-'),
                    row['path'].removesuffix('/img'),
                    str(int(row['startFrame']) + int(row['initOmit'] or 0)),
                    row['endFrame'],
                    row['nz'],
                )
            )
            for row in csv.DictReader(file)
        ]
    assert split_rows('otb100') == expected


def test_annotation_of_another_length(tmp_path):
    make_otb100(tmp_path)
    path = tmp_path / 'Deer/groundtruth_rect.txt'
    path.write_text('1,2,3,4\n' * 72)
    message = (
        rf'OTB100Dataset: {path} has 72 boxes, expected 71, for frames 1 to '
        r'71 of its video\. Unpack the annotations again\. Take those from '
        r'the site of the benchmark\.'
    )
    with pytest.raises(ValueError, match=message):
        load(tmp_path, 'Deer')
