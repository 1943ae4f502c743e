"""Fully sharded data parallel training of large networks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from mmengine._strategy import FSDPStrategy
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import lambda_auto_wrap_policy
from torch.nn.utils import clip_grad_norm_

from mmsimtrack.registry import OPTIM_WRAPPERS


def layer_policy(model: nn.Module) -> Callable:
    """Return the `auto_wrap_policy` that makes a unit of each layer.

    Layers are what a backbone has in `layers`, each called as a whole. What
    else the network has is called in more ways than `forward`, and stays in
    the outermost unit.
    """
    layers = set(getattr(model.backbone, 'layers', ()))
    return partial(lambda_auto_wrap_policy, lambda_fn=layers.__contains__)


@OPTIM_WRAPPERS.register_module()
class FSDPOptimWrapper(OptimWrapper):
    """Clips gradients by their norm over all shards.

    mmengine's wrapper takes the norm of the shard of each process.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.model = None
        self.clip_func = self._clip

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Get to know the model."""
        self.model = model
        with super().optim_context(model):
            yield

    def _clip(self, params: list, **options) -> Tensor:
        if hasattr(self.model, 'clip_grad_norm_'):  # it is sharded
            return self.model.clip_grad_norm_(**options)
        return clip_grad_norm_(params, **options)


class ResumableFSDPStrategy(FSDPStrategy):
    """mmengine's strategy, sharding layers, and resuming with newer torch."""

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        self.model_wrapper = {
            'type': 'MMFullyShardedDataParallel',
            'auto_wrap_policy': layer_policy(model),
        } | (self.model_wrapper or {})
        return super()._wrap_model(model)

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load the optimizer; mmengine passes torch < 2.1's arguments."""
        self.optim_wrapper.load_state_dict(
            FullyShardedDataParallel.optim_state_dict_to_load(
                self.model, self.optim_wrapper.optimizer, state_dict
            )
        )
