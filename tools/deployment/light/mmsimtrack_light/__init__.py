"""Trackers of mmsimtrack without torch: numpy, OpenCV and onnxruntime."""

from .runtime import Tracker

__all__ = ['Tracker']
