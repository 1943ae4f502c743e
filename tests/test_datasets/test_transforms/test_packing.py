import numpy as np
import torch

from mmsimtrack.datasets.transforms import PackPair
from mmsimtrack.structures import SOTDataSample


def make_pair(k=0):
    """A pair whose pixels count up."""
    return {
        'exemplar': np.arange(12, dtype=np.uint8).reshape(2, 2, 3) + k,
        'search': np.arange(48, dtype=np.uint8).reshape(4, 4, 3) + k,
        'exemplar_bbox': np.array([0.25, 0.25, 0.75, 0.5]),
        'search_bbox': np.array([0.1, -0.2, 0.3, 1.4]),
        'rng': np.random.default_rng(0),
        'key': (7, k),
        'sequence': 'cat-1',
        'frames': (3, 15),
        'num_corrupt': 2,
    }


def test_a_packed_pair():
    packed = PackPair()(make_pair(k=2))
    inputs, sample = packed['inputs'], packed['data_samples']
    assert sorted(inputs) == ['exemplar', 'exemplar_bbox', 'search']
    # channels first
    assert inputs['exemplar'].tolist() == [
        [[2, 5], [8, 11]],
        [[3, 6], [9, 12]],
        [[4, 7], [10, 13]],
    ]
    assert inputs['exemplar_bbox'].tolist() == [0.25, 0.25, 0.75, 0.5]
    assert isinstance(sample, SOTDataSample)
    bboxes = sample.gt_instances.bboxes
    assert bboxes.dtype == inputs['exemplar_bbox'].dtype == torch.float32
    # not clipped: the head's loss decides what to do outside of the crop
    torch.testing.assert_close(bboxes, torch.tensor([[0.1, -0.2, 0.3, 1.4]]))
    assert sample.metainfo == {
        'key': (7, 2),
        'sequence': 'cat-1',
        'frames': (3, 15),
        'num_corrupt': 2,
    }
