"""Metrics of the test loop and the validation loop."""

from .ope_metric import OPEMetric
from .pair_iou import PairIoU
