"""Learning rates for pre-trained and for fresh parameters."""

from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from mmsimtrack.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PretrainedConstructor(DefaultOptimWrapperConstructor):
    """Lets the pre-trained parameters of a backbone learn slower.

    `paramwise_cfg.pretrained_lr_mult` is the factor of their learning rate.
    What the backbone names in `fresh` gets the full rate, like the head. All
    other keys are mmengine's; `custom_keys` go before.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer and its wrapper."""
        network = model.module if is_model_wrapper(model) else model
        own = self.paramwise_cfg.get('custom_keys', {})
        mult = self.paramwise_cfg['pretrained_lr_mult']
        # the longest key wins
        keys = {'backbone.': dict(lr_mult=mult)}
        for name in getattr(network.backbone, 'fresh', ()):
            keys[f'backbone.{name}'] = dict(lr_mult=1.0)
        self.paramwise_cfg = {**self.paramwise_cfg, 'custom_keys': keys | own}
        return super().__call__(model)
