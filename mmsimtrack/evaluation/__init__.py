"""Evaluation of tracking results."""

from .metrics import OPEMetric

__all__ = ['OPEMetric']
