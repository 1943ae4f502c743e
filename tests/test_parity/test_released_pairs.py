"""The released data pipeline, which the benchmark times ours against."""

import pytest
import torch

from mmsimtrack.datasets import PairDataset

from .released_pairs import ReleasedPairs


@pytest.fixture
def pairs(tmp_path, make_got10k):
    make_got10k(tmp_path, num_sequences=2, num_frames=3)
    dataset = dict(type='Got10kDataset', split='train')
    return PairDataset(
        datasets=[dict(dataset, data_root=str(tmp_path))],
        ratios=[1],
        exemplar=dict(size=112, factor=2),
        search=dict(size=224, factor=4),
        jitter=dict(center=1, scale=0.5),
        sampling=dict(max_gap=200, min_frames=2, min_visible=2),
        transforms=[dict(type='PackPair')],
    )


def test_both_make_the_same_pairs(pairs):
    """The boxes of a key are as large in the crops of both pipelines."""
    released = ReleasedPairs(pairs)
    for k in range(8):
        found, ours = released[0, k], pairs[0, k]
        gt = ours['data_samples'].gt_instances.bboxes[0]
        views = [(found['search_bbox'], gt)]
        views.append((found['exemplar_bbox'], ours['inputs']['exemplar_bbox']))
        for bbox_xywh, bbox in views:
            sides = bbox[2:] - bbox[:2]
            torch.testing.assert_close(bbox_xywh[2:], sides, atol=1e-5, rtol=0)
        assert found['search'].dtype == torch.float32
        assert found['search'].shape == (3, 224, 224)
        assert found['exemplar_mask'].shape == (112, 112)
