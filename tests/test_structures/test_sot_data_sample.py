import torch
from mmengine.structures import InstanceData

from mmsimtrack.structures import SOTDataSample


def test_holds_annotation_and_prediction():
    sample = SOTDataSample(metainfo={'sequence': 'cat-1'})
    sample.gt_instances = InstanceData(bboxes=torch.zeros(3, 4))
    sample.pred_instances = InstanceData(bboxes=torch.ones(3, 4))
    assert sample.sequence == 'cat-1'
    assert sample.gt_instances.bboxes.sum() == 0
    assert sample.pred_instances.bboxes.sum() == 12
    del sample.pred_instances, sample.gt_instances
    assert 'pred_instances' not in sample and 'gt_instances' not in sample
