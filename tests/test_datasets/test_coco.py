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


def sequences_of(dataset):
    return [dataset.get_sequence(i) for i in range(len(dataset))]


@pytest.mark.parametrize('images', ['', 'images'])
def test_every_object_but_crowds_is_a_sequence(tmp_path, images):
    """In the folder of the download, or in that of other trackers."""
    make_coco(tmp_path, objects=OBJECTS)
    images = tmp_path / images / 'train2017'
    images.parent.mkdir(exist_ok=True)
    (tmp_path / 'train2017').rename(images)
    dataset = CocoDataset(tmp_path, 'train')
    sequences = sequences_of(dataset)
    names = ['100', '102', '103', '104']
    assert [sequence.name for sequence in sequences] == names
    paths = [f'{images}/{i:012d}.jpg' for i in (9, 581929, 9, 9)]
    found = [sequence.frame_paths() for sequence in sequences]
    assert found == [[path] for path in paths]
    bboxes = [(16, 12, 32, 24), (30.5, 20, 39.5, 29), (4, 4, 6, 4.5)]
    for sequence, bbox in zip(sequences, bboxes):
        np.testing.assert_array_equal(sequence.bboxes, [bbox])
    # small objects are visible, empty ones are not
    visible = [sequence.visible.tolist() for sequence in sequences]
    assert visible == [[True], [True], [True], [False]]
    np.testing.assert_array_equal(dataset.num_frames(), [1, 1, 1, 1])
    np.testing.assert_array_equal(dataset.num_visible(), [1, 1, 1, 0])
    assert dataset.single_frame
    some = sequences_of(CocoDataset(tmp_path, 'train', indices=[3, 0]))
    assert [sequence.name for sequence in some] == ['104', '100']


WRONG_ANNOTATIONS = [
    *(dict(bbox=[1, 2, 3, x]) for x in ('w', float('nan'), float('inf'))),
    *(dict(bbox=bbox) for bbox in ([1, 2, 3], 7, None, [])),
    *(dict(image_id=image) for image in (7, [])),
]


@pytest.mark.parametrize('change', WRONG_ANNOTATIONS)
def test_wrong_annotation(tmp_path, change):
    make_coco(tmp_path)
    rewrite(tmp_path, lambda c: c['annotations'][1].update(change))
    ((key, value),) = change.items()
    if key == 'bbox' and not value:  # which is left out
        (sequence,) = sequences_of(CocoDataset(tmp_path, 'train'))
        assert sequence.name == '100'
        return
    found = re.escape(f'{key!r}: {value!r}')
    message = rf'instances_train2017.json, annotation 101: found .*{found}.*, '
    message += 'expected an `id`, the `image_id` of an image, and a `bbox` of'
    with pytest.raises(ValueError, match=message):
        CocoDataset(tmp_path, 'train')


def test_own_pictures_with_outlines(tmp_path):
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:30, 20:50] = 255
    (tmp_path / 'my photos').mkdir()
    cv2.imwrite(str(tmp_path / 'my photos/a b.png'), picture)
    code = rle.encode(np.asfortranarray(picture[..., 0] // 255))
    counts = [810] + [20, 20] * 29 + [20, 410]
    outlines = [
        [[20, 10, 50, 10, 50, 30, 20, 30]],
        {**code, 'counts': code['counts'].decode()},
        {'size': [40, 60], 'counts': counts},
        [],
    ]
    about = dict(image_id='x', bbox=[20, 10, 30, 20])
    parts = enumerate(outlines)
    annotations = [dict(about, id=i, segmentation=part) for i, part in parts]
    images = [dict(id='x', file_name='a b.png')]
    content = dict(images=images, annotations=annotations)
    (tmp_path / 'boxes.json').write_text(json.dumps(content))
    options = dict(ann_file='boxes.json', data_prefix='my photos', masks=True)
    with pytest.raises(ValueError, match='expected one of them'):
        CocoDataset(tmp_path, 'train', **options)
    dataset = CocoDataset(tmp_path, **options)
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
    wrong = dict(segmentation=[[1, 2, 3]])
    rewrite(tmp_path, lambda c: c['annotations'][1].update(wrong))
    assert len(CocoDataset(tmp_path, 'train')) == 2
    with pytest.raises(ValueError, match='annotation 101: its segmentation'):
        CocoDataset(tmp_path, 'train', masks=True)


WRONG_FILES = [
    ('{"images": []}', r"complete one \(KeyError\('annotatio"),
    ('[]', r'not a complete one \(TypeError'),
    (
        '{"images": [], "annotations": []}',
        r'holds no object, expected `annotations` with a `bbox`\. Unpack',
    ),
]


@pytest.mark.parametrize('content, message', WRONG_FILES)
def test_wrong_file(tmp_path, content, message):
    make_coco(tmp_path)
    path = tmp_path / 'annotations/instances_train2017.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=f'{path.name} .*{message}'):
        CocoDataset(tmp_path, 'train')
