"""The released data pipeline, which the benchmark times ours against."""

import cv2
import numpy as np
import pytest
import torch

from mmsimtrack.datasets import PairDataset

from .released_pairs import ReleasedPairs


@pytest.fixture
def pairs(tmp_path, make_got10k):
    make_got10k(tmp_path, num_sequences=2, num_frames=3)
    return PairDataset(
        datasets=[
            dict(type='Got10kDataset', data_root=str(tmp_path), split='train')
        ],
        ratios=[1],
        exemplar=dict(size=112, factor=2),
        search=dict(size=224, factor=4),
        jitter=dict(center=1, scale=0.5),
        sampling=dict(max_gap=200, min_frames=2, min_visible=2),
        transforms=[dict(type='PackPair')],
    )


class Draws:
    """A generator whose next numbers in [0, 1) are known."""

    def __init__(self, *values):
        self.values = list(values)

    def random(self):
        return self.values.pop(0)

    def uniform(self, low, high):
        return low + (high - low) * self.values.pop(0)


def test_both_make_the_same_pairs(pairs):
    """The boxes of a key are as large in the crops of both pipelines."""
    released = ReleasedPairs(pairs)
    for k in range(8):
        found, ours = released[0, k], pairs[0, k]
        gt = ours['data_samples'].gt_instances.bboxes[0]
        for bbox_xywh, bbox in (
            (found['exemplar_bbox'], ours['inputs']['exemplar_bbox']),
            (found['search_bbox'], gt),
        ):
            sides = bbox[2:] - bbox[:2]
            torch.testing.assert_close(bbox_xywh[2:], sides, atol=1e-5, rtol=0)
        assert found['search'].dtype == torch.float32
        assert found['search'].shape == (3, 224, 224)
        assert found['exemplar_mask'].shape == (112, 112)


def test_augmentation(pairs):
    rng = np.random.default_rng(0)
    released = ReleasedPairs(pairs)
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    bboxes_xywh = np.array([[4.0, 5, 6, 7]])
    (same,), boxes = released.augment_frames(
        [image], bboxes_xywh, Draws(0.05, 0.5)
    )
    assert same is image and boxes is bboxes_xywh
    (found,), boxes = released.augment_frames(
        [image], bboxes_xywh, Draws(0.04, 0.4)
    )
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, ::-1]
    np.testing.assert_array_equal(found, gray[..., None].repeat(3, axis=2))
    # of columns 0 to 29
    assert boxes.tolist() == [[29 - 10, 5, 6, 7]]
    mask = np.zeros((20, 30), bool)
    mask[:, 0] = True
    crop, bbox_xywh, mask = released.augment_crop(
        image, torch.tensor([0.1, 0.2, 0.3, 0.4]), mask, Draws(0.75, 0.4)
    )
    expected = np.clip(image[:, ::-1] / 255 * 1.1, 0, 1)
    expected = (expected - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(
        crop.numpy().transpose(1, 2, 0), expected, atol=1e-5
    )
    torch.testing.assert_close(bbox_xywh, torch.tensor([0.6, 0.2, 0.3, 0.4]))
    assert mask[:, -1].all() and mask.sum() == 20
