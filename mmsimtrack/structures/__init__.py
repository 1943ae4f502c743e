"""Boxes, crop windows and data samples.

`SOTDataSample` is imported when it is used, since it needs torch.
"""

from .bbox import (
    aligned_iou,
    check_first_box,
    clip_bboxes,
    has_area,
    read_boxes,
    xywh_to_xyxy,
    xyxy_to_xywh,
)
from .crop_window import CropWindow


def __getattr__(name: str):
    if name == 'SOTDataSample':
        from .sot_data_sample import SOTDataSample

        return SOTDataSample
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
