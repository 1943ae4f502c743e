"""What a prediction is compared with, and the prediction itself."""

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

    @property
    def gt_instances(self) -> InstanceData:
        """The annotation."""
        return self._gt_instances

    @gt_instances.setter
    def gt_instances(self, value: InstanceData) -> None:
        self.set_field(value, '_gt_instances', dtype=InstanceData)

    @gt_instances.deleter
    def gt_instances(self) -> None:
        del self._gt_instances

    @property
    def pred_instances(self) -> InstanceData:
        """The prediction."""
        return self._pred_instances

    @pred_instances.setter
    def pred_instances(self, value: InstanceData) -> None:
        self.set_field(value, '_pred_instances', dtype=InstanceData)

    @pred_instances.deleter
    def pred_instances(self) -> None:
        del self._pred_instances
