import json
import re

import cv2
import numpy as np
import pytest
from layouts import make_coco
from pycocotools import mask as rle

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


def test_indices(tmp_path):
    make_coco(tmp_path, objects=OBJECTS)
    dataset = CocoDataset(tmp_path, 'train', indices=[3, 0])
    found = [dataset.get_sequence(i).name for i in range(len(dataset))]
    assert found == ['104', '100']


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


def test_folder_of_other_trackers(tmp_path):
    make_coco(tmp_path)
    (tmp_path / 'images').mkdir()
    (tmp_path / 'train2017').rename(tmp_path / 'images/train2017')
    path = CocoDataset(tmp_path, 'train').get_sequence(0).frame_path(0)
    assert path == str(tmp_path / 'images/train2017/000000000009.jpg')


@pytest.mark.parametrize(
    'change',
    [
        dict(bbox=[1, 2, 3]),
        dict(bbox=[1, 2, 3, 'w']),
        dict(bbox=[1, 2, 3, float('nan')]),
        dict(bbox=[1, 2, 3, float('inf')]),
        dict(bbox=7),
        dict(image_id=7),
        dict(image_id=[]),
    ],
)
def test_wrong_annotation(tmp_path, change):
    make_coco(tmp_path)
    rewrite(tmp_path, lambda c: c['annotations'][1].update(change))
    ((key, value),) = change.items()
    message = (
        'instances_train2017.json, annotation 101: found .*'
        + re.escape(f'{key!r}: {value!r}')
        + '.*, expected an `id`, the `image_id` of an image, and a `bbox` of'
    )
    with pytest.raises(ValueError, match=message):
        CocoDataset(tmp_path, 'train')


@pytest.mark.parametrize('bbox', [None, []])
def test_annotations_without_a_box_are_left_out(tmp_path, bbox):
    make_coco(tmp_path)
    rewrite(tmp_path, lambda c: c['annotations'][0].update(bbox=bbox))
    dataset = CocoDataset(tmp_path, 'train')
    assert [dataset.get_sequence(i).name for i in range(len(dataset))] == [
        '101'
    ]


def test_own_pictures_with_outlines(tmp_path):
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:30, 20:50] = 255
    (tmp_path / 'my photos').mkdir()
    cv2.imwrite(str(tmp_path / 'my photos/a b.png'), picture)
    mask = np.asfortranarray(picture[..., 0] // 255)
    code = rle.encode(mask)
    content = dict(
        images=[dict(id='x', file_name='a b.png')],
        annotations=[
            dict(id=i, image_id='x', bbox=[20, 10, 30, 20], segmentation=part)
            for i, part in enumerate(
                (
                    [[20, 10, 50, 10, 50, 30, 20, 30]],
                    {**code, 'counts': code['counts'].decode()},
                    {
                        'size': [40, 60],
                        'counts': [810] + [20, 20] * 29 + [20, 410],
                    },
                    [],
                )
            )
        ],
    )
    (tmp_path / 'boxes.json').write_text(json.dumps(content))
    dataset = CocoDataset(
        tmp_path,
        ann_file='boxes.json',
        data_prefix='my photos',
        masks=True,
    )
    for i in range(3):
        sequence = dataset.get_sequence(i)
        np.testing.assert_array_equal(sequence.read_frame(0), picture)
        (polygon,) = sequence.outline
        low, high = polygon.min(0), polygon.max(0)
        np.testing.assert_allclose(low, (20, 10), atol=0.5)
        np.testing.assert_allclose(high, (50, 30), atol=0.5)
    assert len(dataset.get_sequence(3).outline) == 0
    np.testing.assert_array_equal(dataset.with_outline(), [0, 1, 2])


def test_a_wrong_outline_is_named(tmp_path):
    make_coco(tmp_path)
    rewrite(
        tmp_path,
        lambda c: c['annotations'][1].update(segmentation=[[1, 2, 3]]),
    )
    assert len(CocoDataset(tmp_path, 'train')) == 2
    with pytest.raises(ValueError, match='annotation 101: its segmentation'):
        CocoDataset(tmp_path, 'train', masks=True)


def test_a_split_and_a_file_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match='expected one of them'):
        CocoDataset(tmp_path, 'train', ann_file='boxes.json')


@pytest.mark.parametrize(
    'edit, message',
    [
        (
            lambda text: text[:-30],
            r'no COCO annotation file.* \(JSONDecodeErr',
        ),
        (
            lambda text: '{"images": []}',
            r"complete one \(KeyError\('annotatio",
        ),
        (lambda text: '[]', r'not a complete one \(TypeError'),
        (
            lambda text: '{"images": [], "annotations": []}',
            r'holds no object, expected `annotations` with a `bbox`\. Unpack',
        ),
    ],
)
def test_wrong_file(tmp_path, edit, message):
    make_coco(tmp_path)
    path = tmp_path / 'annotations/instances_train2017.json'
    path.write_text(edit(path.read_text()))
    with pytest.raises(ValueError, match=f'{path.name} .*{message}'):
        CocoDataset(tmp_path, 'train')
    path.unlink()
    message = f'{path} is missing. Expected annotations in the format of COCO'
    with pytest.raises(FileNotFoundError, match=message):
        CocoDataset(tmp_path, 'train')
