"""The metric of the validation on pairs."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric

from mmsimtrack.registry import METRICS
from mmsimtrack.structures import aligned_iou


@METRICS.register_module()
class PairIoU(BaseMetric):
    """Computes `pair/iou`, the mean IoU of boxes in search crops.

    As in the loss, parts of the true box outside of the crop do not count.
    """

    default_prefix = 'pair'

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Note the IoU of each pair of a batch.

        Args:
            data_batch: Not used.
            data_samples: With `gt_instances` and `pred_instances`, whose
                `bboxes` are (1, 4) xyxy in the unit square of the crop.
        """
        pred, gt = (
            torch.cat([s[name]['bboxes'] for s in data_samples]).float().cpu()
            for name in ('pred_instances', 'gt_instances')
        )
        self.results += aligned_iou(pred, gt.clamp(0, 1)).tolist()

    def evaluate(self, size: int) -> dict:
        """Take the mean over all processes, which see equally many pairs.

        Args:
            size: Not used: the loop gives the number of sequences, which is
                not that of pairs.
        """
        return super().evaluate(len(self.results) * get_world_size())

    def compute_metrics(self, results: list) -> dict:
        """Take the mean over the pairs of all processes."""
        return {'iou': float(np.mean(results))}
