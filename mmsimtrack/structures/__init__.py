"""Boxes, crop windows and data samples."""

from .bbox import (
    aligned_iou,
    check_first_box,
    clip_bboxes,
    has_area,
    polygon_to_xyxy,
    xywh_to_xyxy,
    xyxy_to_xywh,
)
from .crop_window import CropWindow
from .sot_data_sample import SOTDataSample

__all__ = [
    'CropWindow',
    'SOTDataSample',
    'aligned_iou',
    'check_first_box',
    'clip_bboxes',
    'has_area',
    'polygon_to_xyxy',
    'xywh_to_xyxy',
    'xyxy_to_xywh',
]
