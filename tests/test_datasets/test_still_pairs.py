"""Pairs of single pictures, with all that train_stills.py does to them."""

import json

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmsimtrack.datasets import PairDataset

CONFIG = 'configs/_base_/datasets/train_stills.py'
ELLIPSE = np.linspace(0, 2 * np.pi, 60, endpoint=False)
ELLIPSE = np.stack([np.cos(ELLIPSE), np.sin(ELLIPSE)], -1)


@pytest.fixture
def photos(tmp_path):
    """Gray pictures, each with a green ellipse that has box and outline."""
    rng = np.random.default_rng(0)
    (tmp_path / 'images').mkdir()
    images, annotations = [], []
    for i in range(6):
        height, width = rng.integers(120, 200, 2)
        half = rng.uniform(12, 25, 2)
        center = rng.uniform(half + 5, (width, height) - half - 5)
        outline = center + ELLIPSE * half
        picture = np.full((height, width, 3), 90 + 10 * i, np.uint8)
        points = np.round((outline - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(picture, [points], (0, 255, 0), cv2.LINE_8, 4)
        cv2.imwrite(str(tmp_path / f'images/{i}.png'), picture)
        images.append(dict(id=i, file_name=f'{i}.png'))
        about = dict(id=i, image_id=i, bbox=[*(center - half), *(2 * half)])
        about['segmentation'] = [outline.ravel().tolist()]
        annotations.append(about)
    content = dict(images=images, annotations=annotations)
    (tmp_path / 'instances.json').write_text(json.dumps(content))
    return tmp_path


def build(photos, masks=True, **changes):
    init_default_scope('mmsimtrack')
    cfg = Config.fromfile(CONFIG).train_dataloader.dataset
    cfg.pop('type')
    cfg.datasets[0].update(data_root=str(photos), masks=masks)
    cfg.update(changes)
    return PairDataset(
        **cfg,
        exemplar=dict(size=64, factor=1.5),
        search=dict(size=128, factor=3),
        jitter=dict(center=2.0, scale=0.25),
    )


def test_all_transforms_are_functions_of_the_key(photos):
    first, second = build(photos), build(photos)
    for k in reversed(range(24)):
        second[3, k]
    views = {}
    for k in range(24):
        pairs = [dataset[3, k] for dataset in (first, second)]
        for name in ('exemplar', 'search', 'exemplar_bbox'):
            one, other = (pair['inputs'][name] for pair in pairs)
            assert one.equal(other)
        views[pairs[0]['inputs']['search'].numpy().tobytes()] = k
    assert len(views) == 24


@pytest.mark.parametrize('warped', [True, False])
def test_target_lands_where_box_and_outline_say(photos, warped):
    dataset = build(photos, transforms=[])
    if not warped:
        dataset.warps = None
    for k in range(40):
        pair = dataset[0, k]
        assert 0 <= pair['exemplar_padded'] < 1 > pair['search_padded'] >= 0
        for view in ('exemplar', 'search'):
            size = len(pair[view])
            bbox = pair[f'{view}_bbox']
            (outline,) = pair[f'{view}_outline']
            around = np.concatenate([outline.min(0), outline.max(0)])
            # the box of an ellipse is exact but for the perspective
            np.testing.assert_allclose(bbox, around, atol=0.02)
            if bbox.min() < 0.05 or bbox.max() > 0.95:
                continue  # cut off, or mirrored at the border
            red, green, _ = np.moveaxis(pair[view].astype(int), -1, 0)
            low, high = np.round(bbox * size).astype(int).reshape(2, 2)
            seen = np.zeros((size, size), bool)
            seen[low[1] - 2 : high[1] + 2, low[0] - 2 : high[0] + 2] = True
            seen &= green - red > 60
            columns, rows = (np.flatnonzero(seen.any(a)) for a in (0, 1))
            found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            np.testing.assert_allclose(found, bbox * size, atol=2.5)


def test_pasting_needs_outlines(photos):
    paste = dict(type='PasteObject', occluder=1, distractor=0)
    dataset = build(photos, transforms=[paste], masks=False)
    with pytest.raises(ValueError, match='no data set has outlines.*masks'):
        dataset[0, 0]


def test_videos_are_warped_too(photos, make_got10k, tmp_path):
    make_got10k(tmp_path / 'videos')
    videos = str(tmp_path / 'videos')
    videos = build(
        photos,
        datasets=[dict(type='Got10kDataset', data_root=videos, split='train')],
        sampling=dict(max_gap=30, min_frames=2, min_visible=2),
        transforms=[],
        warp=dict(
            still={},
            video=dict(exemplar=dict(aspect=0.5), search=dict(aspect=0.5)),
            border=dict(black=1),
        ),
    )
    corners = [videos[0, k]['exemplar_bbox'].reshape(2, 2) for k in range(10)]
    sides = np.diff(corners, axis=1)[:, 0]
    assert len({*np.round(sides[:, 0] / sides[:, 1], 3)}) > 8
