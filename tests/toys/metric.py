"""A metric as mmengine's tutorial teaches."""

from mmengine.evaluator import BaseMetric

from mmsimtrack.registry import METRICS


@METRICS.register_module()
class ToyMeanScore(BaseMetric):
    default_prefix = 'toy'

    def process(self, data_batch, data_samples):
        for sample in data_samples:
            scores = sample['pred_instances']['scores']
            self.results.append(float(scores.mean()))

    def compute_metrics(self, results):
        return {'mean_score': sum(results) / len(results)}
