"""`torch.compile`, for training and testing."""

import torch
from mmcv.cnn.bricks import DropPath
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmsimtrack.registry import HOOKS


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles what `forward`, `init` and `track` have in common.

    These are `backbone.embed_exemplar`, `backbone.forward` and
    `head.predict`; mmengine's own `compile` reaches training steps only.
    Parameters keep their names.

    Args:
        **options: Of `torch.compile`, such as `mode='max-autotune'`.
    """

    def __init__(self, **options) -> None:
        self.options = options

    def before_train(self, runner: Runner) -> None:
        """Compile for training, and the validation in it."""
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        for module in model.modules():
            # mmpretrain's rates are NumPy's numbers, which break the graph
            if isinstance(module, DropPath):
                module.drop_prob = float(module.drop_prob)
        for module, name in (
            (model.backbone, 'embed_exemplar'),
            (model.backbone, 'forward'),
            (model.head, 'predict'),
        ):
            if name not in vars(module):  # compiled before
                function = torch.compile(getattr(module, name), **self.options)
                setattr(module, name, function)

    before_test = before_train
