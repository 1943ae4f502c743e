"""Evaluation of tracking results."""

from .metrics import OPEMetric, PairIoU

__all__ = ['OPEMetric', 'PairIoU']
