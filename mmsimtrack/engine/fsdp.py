"""Fully sharded data parallel training of large networks."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine._strategy import FSDPStrategy
from mmengine.optim import OptimWrapper
from mmpretrain.models.backbones.vision_transformer import (
    TransformerEncoderLayer,
)
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel

from mmsimtrack.registry import OPTIM_WRAPPERS


def wrap_encoder_layers(
    module: nn.Module, recurse: bool, nonwrapped_numel: int
) -> bool:
    """The `auto_wrap_policy`: one unit per encoder layer of a ViT.

    What else the network has is called in more ways than `forward`, and stays
    in the outermost unit.
    """
    return recurse or isinstance(module, TransformerEncoderLayer)


@OPTIM_WRAPPERS.register_module()
class FSDPOptimWrapper(OptimWrapper):
    """Clips gradients by their norm over all shards.

    mmengine's wrapper takes the norm of the shard of each process.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Get to know the sharded model."""
        if hasattr(model, 'clip_grad_norm_'):  # else it is not sharded
            self.model = model
            self.clip_func = self._clip
        with super().optim_context(model):
            yield

    def _clip(
        self, params: list, error_if_nonfinite: bool = False, **options
    ) -> Tensor:
        norm = self.model.clip_grad_norm_(**options)
        if error_if_nonfinite and not norm.isfinite():
            raise FloatingPointError('The gradient is not finite.')
        return norm


class ResumableFSDPStrategy(FSDPStrategy):
    """mmengine's strategy, of which newer versions of torch can resume."""

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load the optimizer; mmengine passes torch < 2.1's arguments."""
        self.optim_wrapper.load_state_dict(
            FullyShardedDataParallel.optim_state_dict_to_load(
                self.model, self.optim_wrapper.optimizer, state_dict
            )
        )
