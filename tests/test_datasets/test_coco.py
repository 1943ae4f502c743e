import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from layouts import make_coco

from mmsimtrack.datasets import CocoDataset

OBJECTS = [
    (9, (16, 12, 16, 12), 0),
    (9, (0, 0, 60, 40), 1),
    (581929, (30.5, 20, 9, 9), 0),
    (9, (4, 4, 2, 0.5), 0),
    (9, (4, 4, 0, 8), 0),
]


def rewrite(root, change, split='train'):
    """Let `change` edit the annotation file."""
    path = root / f'annotations/instances_{split}2017.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_every_object_but_crowds_is_a_sequence(tmp_path):
    make_coco(tmp_path, objects=OBJECTS)
    dataset = CocoDataset(tmp_path, 'train')
    sequences = [dataset.get_sequence(i) for i in range(len(dataset))]
    assert [sequence.name for sequence in sequences] == [
        '100',
        '102',
        '103',
        '104',
    ]
    images = tmp_path / 'train2017'
    assert [sequence.frame_paths() for sequence in sequences] == [
        [str(images / f'{image:012d}.jpg')] for image in (9, 581929, 9, 9)
    ]
    bboxes = [(16, 12, 32, 24), (30.5, 20, 39.5, 29), (4, 4, 6, 4.5)]
    for sequence, bbox in zip(sequences, bboxes):
        np.testing.assert_array_equal(sequence.bboxes, [bbox])
    # small objects are visible, empty ones are not
    visible = [sequence.visible.tolist() for sequence in sequences]
    assert visible == [[True], [True], [True], [False]]
    np.testing.assert_array_equal(dataset.num_frames(), [1, 1, 1, 1])
    np.testing.assert_array_equal(dataset.num_visible(), [1, 1, 1, 0])
    assert dataset.single_frame


def test_image(tmp_path):
    make_coco(tmp_path)
    sequence = CocoDataset(tmp_path, 'train').get_sequence(-1)
    frame = sequence.read_frame(0)
    assert frame.shape == (48, 64, 3)
    np.testing.assert_allclose(frame[24, 34], (255, 0, 0), atol=20)
    np.testing.assert_allclose(frame[4, 4], 10, atol=1)


def test_folder_of_other_trackers(tmp_path):
    make_coco(tmp_path)
    (tmp_path / 'images').mkdir()
    (tmp_path / 'train2017').rename(tmp_path / 'images/train2017')
    path = CocoDataset(tmp_path, 'train').get_sequence(0).frame_path(0)
    assert path == str(tmp_path / 'images/train2017/000000000009.jpg')


def test_val_split(tmp_path):
    make_coco(tmp_path, 'val')
    path = CocoDataset(tmp_path, 'val').get_sequence(0).frame_path(0)
    assert path == str(tmp_path / 'val2017/000000000009.jpg')


@pytest.mark.parametrize(
    'indices, names',
    [(2, ['100', '102']), ([3, 0], ['104', '100'])],
)
def test_indices(tmp_path, indices, names):
    make_coco(tmp_path, objects=OBJECTS)
    dataset = CocoDataset(tmp_path, 'train', indices=indices)
    found = [dataset.get_sequence(i).name for i in range(len(dataset))]
    assert found == names


def test_index_out_of_range(tmp_path):
    make_coco(tmp_path)
    with pytest.raises(IndexError):
        CocoDataset(tmp_path, 'train').get_sequence(2)


def test_is_compact(tmp_path):
    """62 bytes per object in the file, of which 3 are its name."""
    make_coco(tmp_path)
    sizes = []
    for num_copies in (1000, 2000):

        def repeat(content, num_copies=num_copies):
            content['annotations'] = content['annotations'][:1] * num_copies

        rewrite(tmp_path, repeat)
        dataset = CocoDataset(tmp_path, 'train')
        assert len(dataset) == num_copies
        (path,) = Path(os.environ['MMSIMTRACK_CACHE']).iterdir()
        sizes.append(sum(p.stat().st_size for p in path.iterdir()))
        assert len(pickle.dumps(dataset)) < 2000
    assert (sizes[1] - sizes[0]) / 1000 == pytest.approx(62, abs=1)


def test_survives_pickling(tmp_path):
    make_coco(tmp_path)
    dataset = CocoDataset(tmp_path, 'train')
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.get_sequence(1).name == '101'
    np.testing.assert_array_equal(
        copy.get_sequence(1).bboxes, [(30, 20, 39, 29)]
    )


def test_missing_image_is_named_when_it_is_read(tmp_path):
    make_coco(tmp_path)
    (tmp_path / 'train2017/000000581929.jpg').unlink()
    sequence = CocoDataset(tmp_path, 'train').get_sequence(1)
    message = rf'{tmp_path}/train2017/000000581929.jpg is missing'
    with pytest.raises(FileNotFoundError, match=message):
        sequence.read_frame(0)


def test_missing_images(tmp_path):
    make_coco(tmp_path)
    (tmp_path / 'train2017').rename(tmp_path / 'images')
    message = rf'{tmp_path}/train2017 is missing\. Expected a folder of frames'
    with pytest.raises(FileNotFoundError, match=message):
        CocoDataset(tmp_path, 'train')


def test_missing_annotations(tmp_path):
    make_coco(tmp_path)
    (tmp_path / 'annotations/instances_train2017.json').unlink()
    message = (
        rf'CocoDataset: {tmp_path}/annotations/instances_train2017.json is '
        r'missing\. Unpack the annotations of COCO 2017 there, or correct '
    )
    with pytest.raises(FileNotFoundError, match=message):
        CocoDataset(tmp_path, 'train')


def test_truncated_annotations(tmp_path):
    make_coco(tmp_path)
    path = tmp_path / 'annotations/instances_train2017.json'
    path.write_text(path.read_text()[:-30])
    message = (
        r'instances_train2017.json is no COCO annotation file, or not a '
        r'complete one \(JSONDecodeError.* after 2 objects\)\. Expected `id`, '
        r'`image_id` and `bbox`.*unpack or create the file again'
    )
    with pytest.raises(ValueError, match=message):
        CocoDataset(tmp_path, 'train')


@pytest.mark.parametrize(
    'key, value, found',
    [
        ('bbox', [1, 2, 3], 'ValueError'),
        ('bbox', [1, 2, 3, '4'], 'TypeError'),
        ('id', 'first', 'TypeError'),
        ('image_id', None, 'TypeError'),
    ],
)
def test_wrong_annotation(tmp_path, key, value, found):
    make_coco(tmp_path)
    rewrite(tmp_path, lambda c: c['annotations'][1].update({key: value}))
    message = rf'train2017.json is no COCO .*\({found}\(.*\) after \d objects'
    with pytest.raises(ValueError, match=message):
        CocoDataset(tmp_path, 'train')


def test_annotation_without_image(tmp_path):
    make_coco(tmp_path)
    rewrite(
        tmp_path, lambda content: content['annotations'][1].pop('image_id')
    )
    message = r"no COCO annotation file, .*\(KeyError\('image_id'\) after"
    with pytest.raises(ValueError, match=message):
        CocoDataset(tmp_path, 'train')


def test_no_object(tmp_path):
    make_coco(tmp_path, objects=[OBJECTS[1]])
    message = (
        r'instances_train2017.json holds no object, expected `annotations` '
        r'with a `bbox`\. Unpack or create the file again'
    )
    with pytest.raises(ValueError, match=message):
        CocoDataset(tmp_path, 'train')


def test_unknown_split(tmp_path):
    message = r"split is 'test', expected one of \['train', 'val'\]"
    with pytest.raises(ValueError, match=f'CocoDataset: {message}'):
        CocoDataset(tmp_path, 'test')
