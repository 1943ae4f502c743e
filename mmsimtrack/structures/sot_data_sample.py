"""The annotation of a pair or of a sequence, and the prediction for it."""

from mmengine.structures import BaseDataElement, InstanceData


class SOTDataSample(BaseDataElement):
    """Annotation and prediction of one pair or of one sequence.

    A pair: `gt_instances.bboxes` is (1, 4), xyxy in the unit square of the
    search crop, and `pred_instances` has `bboxes` (1, 4) and `scores` (1,).

    A sequence: `gt_instances` has `bboxes` (T, 4), xyxy in frame pixels, and
    `visible` (T,) bool; `pred_instances` has `bboxes` (T, 4) and `scores`
    (T,); the metainfo holds `sequence` (the name), `num_frames` (T) and
    `img_shape` (H, W).
    """

    gt_instances: InstanceData
    pred_instances: InstanceData
