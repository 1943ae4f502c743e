import numpy as np
import torch

from mmsimtrack.datasets.transforms import PackPair
from mmsimtrack.structures import SOTDataSample


def test_a_packed_pair():
    about = dict(key=(7, 2), sequence='cat-1', frames=(3, 15), num_corrupt=2)
    pair = {
        'exemplar': np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
        'search': np.arange(48, dtype=np.uint8).reshape(4, 4, 3),
        'exemplar_bbox': np.array([0.25, 0.25, 0.75, 0.5]),
        'search_bbox': np.array([0.1, -0.2, 0.3, 1.4]),
        'rng': np.random.default_rng(0),
        **about,
    }
    packed = PackPair()(pair)
    inputs, sample = packed['inputs'], packed['data_samples']
    assert sorted(inputs) == ['exemplar', 'exemplar_bbox', 'search']
    for view in ('exemplar', 'search'):  # channels first
        found = inputs[view].permute(1, 2, 0)
        np.testing.assert_array_equal(found, pair[view])
    assert inputs['exemplar_bbox'].tolist() == [0.25, 0.25, 0.75, 0.5]
    assert isinstance(sample, SOTDataSample)
    bboxes = sample.gt_instances.bboxes
    assert bboxes.dtype == inputs['exemplar_bbox'].dtype == torch.float32
    # not clipped: the head's loss decides what to do outside of the crop
    torch.testing.assert_close(bboxes, torch.tensor([[0.1, -0.2, 0.3, 1.4]]))
    assert sample.metainfo == about
