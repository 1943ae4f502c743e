"""Metrics, and the scores and reports that they are made of."""

from .metrics import OPEMetric, PairIoU
