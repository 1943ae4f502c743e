"""The last transform: it packs a pair for the network and the loss."""

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData

from mmsimtrack.registry import TRANSFORMS
from mmsimtrack.structures import SOTDataSample


@TRANSFORMS.register_module()
class PackPair(BaseTransform):
    """Split a pair into `inputs` and `data_samples`.

    The exemplar's box is an input, since Eq. (7) uses it; the search box is
    the ground truth.
    """

    def transform(self, results: dict) -> dict:
        """Pack one pair.

        Returns:
            `inputs`: `exemplar` and `search`, (3, S, S) uint8, and
            `exemplar_bbox` (4,); `data_samples`: a sample with
            `gt_instances.bboxes` (1, 4) and where the pair comes from.
        """
        where = ('key', 'sequence', 'frames', 'num_corrupt')
        sample = SOTDataSample(metainfo={k: results[k] for k in where})
        exemplar_bbox, search_bbox = (
            torch.from_numpy(results[f'{view}_bbox'].astype(np.float32))
            for view in ('exemplar', 'search')
        )
        sample.gt_instances = InstanceData(bboxes=search_bbox[None])
        inputs = {
            'exemplar': _to_tensor(results['exemplar']),
            'exemplar_bbox': exemplar_bbox,
            'search': _to_tensor(results['search']),
        }
        return {'inputs': inputs, 'data_samples': sample}


def _to_tensor(image: np.ndarray) -> torch.Tensor:
    """Make a tensor (3, H, W) of an image (H, W, 3)."""
    # three times as fast as permuting a tensor of bytes
    return torch.from_numpy(np.stack(cv2.split(image)))
