import csv
from pathlib import Path

import numpy as np
import pytest
from layouts import make_uav123, split_rows

from mmsimtrack.datasets import UAV123Dataset

REFERENCE = Path(__file__).parents[3] / 'shared/reference/sequences/uav123.csv'
NAMES = [row.split()[0] for row in split_rows('uav123')]


def load(root, *names, **kwargs):
    indices = [NAMES.index(name) for name in names]
    return UAV123Dataset(root, indices=indices, **kwargs)


def test_boxes_and_frames(tmp_path):
    make_uav123(tmp_path, absent=(2, 5))
    sequence = load(tmp_path, 'uav6').get_sequence(0)
    assert sequence.name == 'uav6'
    assert len(sequence) == 109
    frames = tmp_path / 'data_seq/UAV123/uav6'
    assert sequence.frame_path(0) == str(frames / '000001.jpg')
    assert sequence.frame_path(108) == str(frames / '000109.jpg')
    np.testing.assert_array_equal(sequence.bboxes[0], (16, 12, 32, 24))
    np.testing.assert_array_equal(sequence.bboxes[4], (20, 16, 36, 28))
    assert np.isnan(sequence.bboxes[[2, 5]]).all()
    np.testing.assert_array_equal(np.flatnonzero(~sequence.visible), [2, 5])


def test_range_of_a_video(tmp_path):
    make_uav123(tmp_path, ['truck4_2', 'truck4_1'])
    first, second = (
        load(tmp_path, name).get_sequence(0)
        for name in ('truck4_1', 'truck4_2')
    )
    frames = tmp_path / 'data_seq/UAV123/truck4'
    assert len(first) == 577
    assert len(second) == 1261 - 577 + 1
    # the last frame of one is the first of the other
    assert first.frame_path(576) == str(frames / '000577.jpg')
    assert second.frame_path(0) == str(frames / '000577.jpg')
    assert second.frame_path(684) == str(frames / '001261.jpg')
    np.testing.assert_allclose(second.read_frame(3)[40, 60], 40, atol=1)


def test_list():
    rows = [row.split() for row in split_rows('uav123')]
    assert len(rows) == len(set(NAMES)) == 123
    assert ['person12_2', 'person12', '601', '1621'] in rows
    for name, video, first_frame, last_frame in rows:
        assert name == video or name.startswith(f'{video}_')
        assert 1 <= int(first_frame) < int(last_frame)


def test_list_equals_the_reference():
    if not REFERENCE.exists():
        pytest.skip(f'{REFERENCE} is not here')
    with REFERENCE.open() as file:
        expected = [
            ' '.join(
                (
                    Path(row['anno_path']).stem,
                    Path(row['path']).name,
                    row['startFrame'],
                    row['endFrame'],
                )
            )
            for row in csv.DictReader(file)
        ]
    assert split_rows('uav123') == expected


def test_annotation_of_another_length(tmp_path):
    make_uav123(tmp_path)
    (tmp_path / 'anno/UAV123/uav6.txt').write_text('1,2,3,4\n' * 37)
    message = (
        r'UAV123Dataset: .*/anno/UAV123/uav6.txt has 37 boxes, expected 109, '
        r'for frames 1 to 109 of its video\. Unpack the annotations again\. '
        r'Those of UAV123@10fps do not fit\.'
    )
    with pytest.raises(ValueError, match=message):
        load(tmp_path, 'uav6')
