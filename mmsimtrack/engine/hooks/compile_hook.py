"""A hook that compiles the network with `torch.compile`."""

import torch
from mmcv.cnn.bricks import DropPath
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmsimtrack.registry import HOOKS


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles the network; mmengine's `compile` reaches training steps only.

    `backbone.embed_exemplar`, `backbone.forward` and `head.predict` are
    compiled as a whole. A head's `loss` may call its layers through any
    method, so each part of the head that has parameters is compiled as well.
    Parameters keep their names.

    Args:
        **options: Options of `torch.compile`, such as `mode='max-autotune'`.
    """

    def __init__(self, **options) -> None:
        self.options = options

    def before_train(self, runner: Runner) -> None:
        """Compile for training, the validation in it, or testing."""
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
            if name not in vars(module):  # else it was compiled before
                function = torch.compile(getattr(module, name), **self.options)
                setattr(module, name, function)
        for part in model.head.children():
            fresh = part._compiled_call_impl is None
            if fresh and next(part.parameters(), None) is not None:
                part.compile(**self.options)

    before_test = before_train
