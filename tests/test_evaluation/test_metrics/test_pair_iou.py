import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmsimtrack.evaluation import PairIoU
from mmsimtrack.evaluation.metrics import pair_iou
from mmsimtrack.structures import SOTDataSample


def sample(pred, gt):
    result = SOTDataSample()
    result.pred_instances = InstanceData(bboxes=torch.tensor([pred]))
    result.gt_instances = InstanceData(bboxes=torch.tensor([gt]))
    return result.to_dict()


SAMPLES = [
    sample([0.0, 0, 0.5, 0.5], [0.0, 0, 0.5, 1]),  # 1 / 2
    sample([0.5, 0, 1.0, 1], [0.5, 0, 3.0, 1]),  # in the crop they agree
    sample([0.5, 0.5, 0.2, 0.2], [0.2, 0.2, 0.5, 0.5]),  # inverted: 0
    sample([np.nan, 0, 1, 1], [0.2, 0.2, 0.5, 0.5]),
]


def test_mean_over_batches():
    metric = PairIoU()
    metric.process({}, SAMPLES[:1])
    metric.process({}, SAMPLES[1:])
    # the loop counts sequences; fewer than pairs do not cut the results
    assert metric.evaluate(size=1) == {'pair/iou': pytest.approx(1.5 / 4)}
    metric.process({}, SAMPLES[:1])
    assert metric.evaluate(size=1) == {'pair/iou': pytest.approx(0.5)}


def test_all_processes_count(monkeypatch):
    def collect(results, size, *args, **kwargs):
        return (results + [0.0] * len(results))[:size]

    monkeypatch.setattr('mmengine.evaluator.metric.collect_results', collect)
    monkeypatch.setattr(pair_iou, 'get_world_size', lambda: 2)
    metric = PairIoU()
    metric.process({}, SAMPLES[:2])
    assert metric.evaluate(size=1) == {'pair/iou': pytest.approx(1.5 / 4)}
