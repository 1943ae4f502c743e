"""A tracker that needs no torch: numpy, OpenCV and onnxruntime or OpenVINO.

It runs what `mmsimtrack export` wrote. Imports in this package are relative:
the distribution `mmsimtrack-light` holds the same files under another name.
"""

from .tracker import Tracker

__all__ = ['Tracker']
