"""From uint8 crops to normalized tensors on the device."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from mmsimtrack.registry import MODELS


@MODELS.register_module()
class SOTDataPreprocessor(BaseDataPreprocessor):
    """Moves a batch of pairs to the device and normalizes its crops.

    Args:
        mean: Mean of each RGB channel, in 0..255.
        std: Standard deviation of each RGB channel, in 0..255.

    Raises:
        ValueError: If a standard deviation is not positive, or there are not
            three of them.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(std) != 3 or not all(value > 0 for value in std):
            raise ValueError(
                f'SOTDataPreprocessor: std is {std}, expected three numbers '
                'greater than 0: crops are divided by them.'
            )
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), False)

    def normalize(self, crops: Tensor) -> Tensor:
        """Normalize (B, 3, H, W) RGB uint8 from any device, as float."""
        return (crops.to(self.mean.device) - self.mean) / self.std

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch of pairs; the same for training and testing.

        Args:
            data: `inputs` = dict of `exemplar` (B, 3, Hz, Wz) uint8,
                `exemplar_bbox` (B, 4) xyxy in its unit square and `search`
                (B, 3, Hx, Wx) uint8; `data_samples`, a list or
                absent.
            training: Not used.

        Returns:
            The same with normalized crops.
        """
        data = self.cast_data(data)
        inputs = data['inputs']
        for view in ('exemplar', 'search'):
            inputs[view] = self.normalize(inputs[view])
        return {'inputs': inputs, 'data_samples': data.get('data_samples')}
