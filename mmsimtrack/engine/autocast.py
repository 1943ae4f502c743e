"""Mixed precision that runs on every device, CPUs included."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmsimtrack.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Runs the forward pass under bfloat16 autocast.

    bfloat16 has the range of float32, so the loss needs no scaling, and
    weights, gradients and the optimizer stay in float32. mmengine's
    `AmpOptimWrapper` refuses CPUs.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass and its loss under autocast."""
        device = next(model.parameters()).device.type
        autocast = torch.autocast(device, torch.bfloat16)
        with super().optim_context(model), autocast:
            yield


def has_native_bfloat16() -> bool:
    """Tell whether bfloat16 is fast: the CPU has instructions for it.

    Older versions of torch do not tell, which counts as no.
    """
    found = getattr(torch.cpu, 'get_capabilities', dict)()
    return any(found.get(name) for name in ('avx512_bf16', 'amx_bf16', 'bf16'))
