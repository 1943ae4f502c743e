"""Metrics of the test loop."""

from .ope_metric import OPEMetric

__all__ = ['OPEMetric']
