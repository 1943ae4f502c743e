"""Where the search image attends to the target, layer by layer: Eq. (8)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def record_attention(
    model: nn.Module,
    inputs: dict[str, Tensor],
    layers: Sequence[int] | None = None,
) -> dict[int, Tensor]:
    """Run a network once and see where each layer attends to the target.

    The network runs in eval mode and without gradients; the modes that it had
    come back. What is recorded is computed for this call only.

    Args:
        model: `SOTTracker`, or one of its backbones.
        inputs: `exemplar`, `exemplar_bbox` and `search`, as for
            `SOTTracker.forward`.
        layers: Numbers counted from 1, as in the paper; see
            `attention_layers` for None.

    Returns:
        Layer number -> (B, h, w) float32, A*(s^l) of Eq. (8): the mean weight
        of an exemplar token in the attention of each search token. The grid
        is that of the layer.

    Raises:
        TypeError: If the model has no `attention_probes`.
        ValueError: If it has no layer of that number.
    """
    backbone = getattr(model, 'backbone', model)
    probes = _probes(backbone)
    layers = attention_layers(len(probes), layers)
    search = inputs['search']
    modules = [probes[layer - 1].module for layer in layers]
    with _record_outputs(modules) as outputs, _eval_mode(backbone):
        with torch.no_grad():
            memory = backbone.embed_exemplar(
                inputs['exemplar'], inputs['exemplar_bbox']
            )
            backbone(memory, search)
            return {
                layer: probes[layer - 1]
                .read(outs, tuple(search.shape[-2:]))
                .float()
                for layer, outs in zip(layers, outputs)
            }


def attention_layers(
    num_layers: int, layers: Sequence[int] | None = None
) -> list[int]:
    """Check numbers of layers, or choose them.

    Args:
        num_layers: How many layers the model has.
        layers: Numbers counted from 1; None chooses six evenly spread ones
            that end with the last (2, 4, ..., 12 of 12), or all of fewer.

    Raises:
        ValueError: If there is no layer of that number, or none is asked for.
    """
    if layers is None:
        count = min(num_layers, 6)
        return [round(num_layers * (i + 1) / count) for i in range(count)]
    wrong = [layer for layer in layers if not 1 <= layer <= num_layers]
    if wrong or not len(layers):
        found = ', '.join(map(str, wrong)) or 'no number'
        raise ValueError(
            f'Layers to visualize: found {found}, but the model has '
            f'{num_layers} layers with attention. Give numbers from 1 to '
            f'{num_layers}.'
        )
    return list(layers)


def _probes(backbone: nn.Module) -> list:
    """One `Probe` per layer."""
    if not hasattr(backbone, 'attention_probes'):
        raise TypeError(
            f'record_attention: {type(backbone).__name__} has no '
            'attention_probes. Give a SOTTracker or one of its backbones, or '
            'list its layers there (mmsimtrack/models/backbones/attention.py).'
        )
    return backbone.attention_probes()


@contextmanager
def _record_outputs(modules: list[nn.Module]) -> Iterator[list[list]]:
    """Outputs of each module, in the order of its calls."""
    outputs = [[] for _ in modules]
    hooks = []
    try:
        for module, outs in zip(modules, outputs):
            hooks.append(
                module.register_forward_hook(
                    lambda _, args, out, outs=outs: outs.append(out)
                )
            )
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    """Eval mode; afterwards every module has its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
