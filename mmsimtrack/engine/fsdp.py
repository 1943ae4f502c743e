"""Fully sharded data parallel training of large networks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmengine._strategy import FSDPStrategy
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.nn.utils import clip_grad_norm_

from mmsimtrack.registry import OPTIM_WRAPPERS


def wrap_layers(
    module: nn.Module,
    recurse: bool,
    nonwrapped_numel: int,
    layers: Sequence[str],
) -> bool:
    """Make one unit of each layer; this is an `auto_wrap_policy`.

    What else the network has is called in more ways than `forward`, and stays
    in the outermost unit.

    Args:
        module: Any part of the network.
        recurse: Whether torch asks if it may look inside.
        nonwrapped_numel: Not used.
        layers: Names of the classes of layers that are called as a whole.
    """
    return recurse or type(module).__name__ in layers


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
    """mmengine's strategy, of which newer versions of torch can resume."""

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load the optimizer; mmengine passes torch < 2.1's arguments."""
        self.optim_wrapper.load_state_dict(
            FullyShardedDataParallel.optim_state_dict_to_load(
                self.model, self.optim_wrapper.optimizer, state_dict
            )
        )
