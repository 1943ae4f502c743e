"""Measure how fast a tracker is, in one video and in many at once.

    python tools/analysis_tools/benchmark_speed.py CONFIG [CHECKPOINT]

Frames are generated, or taken from a folder. docs/en/speed.md says what the
numbers mean.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import cv2
import mmengine
import numpy as np
import torch
from benchmark_dataloader import describe_machine
from benchmark_frames import QUALITY, SIZE, noise
from mmengine.config import Config, DictAction
from mmengine.utils.dl_utils import set_multi_processing
from speed_timing import STAGES, Subject, time_latency, time_throughput

from mmsimtrack.apis import SOTInferencer
from mmsimtrack.apis.sources import IMAGE_ENDINGS
from mmsimtrack.datasets import read_frame
from mmsimtrack.engine.hooks import CompileHook
from mmsimtrack.structures import xywh_to_xyxy
from mmsimtrack.structures.annotation_file import replace_atomically

DTYPES = {'fp32': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}
SIDE = 120  # of the default target, in pixels
