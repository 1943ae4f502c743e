"""What a user may add: a head, a backbone, a metric and a data set."""

from .backbone import ToyBackbone
from .dataset import ToyDataset
from .head import ToyCenterHead
from .metric import ToyMeanScore

__all__ = ['ToyBackbone', 'ToyCenterHead', 'ToyDataset', 'ToyMeanScore']
