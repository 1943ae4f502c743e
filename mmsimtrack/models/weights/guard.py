"""Refuse weights that do not fit, before they are loaded."""

import re
from collections.abc import Iterator
from functools import partial

from mmengine.logging import MMLogger
from torch import Tensor, nn

from mmsimtrack.models.weights.dinov2 import fit_dinov2

# Buffers that follow from the config or count steps: no loss if missing.
DERIVED = ('num_batches_tracked', 'relative_position_index')


def guard(
    module: nn.Module,
    new: tuple[str, ...] = (),
    config: str = 'model.backbone',
) -> None:
    """Check all weights that are loaded into a module from now on.

    mmengine loads with `strict=False` and only logs what does not fit, which
    leaves parts of the network random. This hook runs wherever weights come
    from, before those of mmpretrain, which resize positions.

    As part of a larger model only the shapes are checked. Loaded by itself,
    as `init_cfg` of type `Pretrained` does, the module must get all of its
    weights and no others, but those of layers or stages beyond its depth.

    Args:
        module: Whose weights to check.
        new: Beginnings of names that no pre-trained file holds.
        config: Where the settings of the module are in a config.

    Raises:
        ValueError: When weights of other shapes or names are loaded.
    """
    # partial, since a module with closures cannot be pickled
    check = partial(_check, new=new, config=config)
    handle = module._register_load_state_dict_pre_hook(check, with_module=True)
    module._load_state_dict_pre_hooks.move_to_end(handle.id, last=False)


def _check(
    module: nn.Module,
    found: dict[str, Tensor],
    prefix: str,
    *_,
    new: tuple[str, ...],
    config: str,
) -> None:
    """Check all shapes, and the names if nothing else is loaded."""
    own = dict(_persistent(module))
    if not prefix:
        fit_dinov2(own, found)
    _check_shapes(own, found, prefix, config)
    if not prefix:
        _check_names(own, found, new, type(module).__name__)


def _persistent(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a state dict, without running its hooks."""
    for path, part in module.named_modules(remove_duplicate=False):
        tensors = *part._parameters.items(), *part._buffers.items()
        for name, tensor in tensors:
            if tensor is None or name in part._non_persistent_buffers_set:
                continue
            yield f'{path}.{name}' if path else name, tensor


def _check_shapes(own: dict, found: dict, prefix: str, config: str) -> None:
    """Refuse tensors of other shapes, but positions that will be resized.

    mmpretrain would resize tables of relative positions as well, by a
    function that SciPy no longer has.

    Raises:
        ValueError: Names the keys and both shapes.
    """
    wrong = []
    for name, tensor in own.items():
        loaded = found.get(prefix + name, tensor)
        if loaded.shape == tensor.shape or (
            name == 'pos_embed' and _is_grid(loaded, tensor.shape[-1])
        ):
            continue
        wrong.append(
            f'{prefix}{name}: {tuple(loaded.shape)} in the file, '
            f'{tuple(tensor.shape)} in the model'
        )
    if wrong:
        raise ValueError(
            f'{len(wrong)} weight(s) do not fit the model:\n  '
            + '\n  '.join(_first(wrong))
            + f'\nChange {config} in the config, or load the checkpoint that '
            'belongs to it.'
        )


def _is_grid(positions: Tensor, dims: int) -> bool:
    """Whether these are positions of a class token and a square."""
    side = (positions.shape[1] - 1) ** 0.5 if positions.ndim == 3 else 0.5
    return side.is_integer() and positions.shape[-1] == dims


def _check_names(
    own: dict, found: dict, new: tuple[str, ...], network: str
) -> None:
    """Refuse a set of weights that leaves a part random, or is another's.

    Args:
        own: Weights of the network.
        found: Weights to load; those beyond its depth are taken out.
        new: Of `guard`.
        network: Its name, for messages.

    Raises:
        ValueError: Names what is missing and what is unknown.
    """
    missing = [
        name
        for name in own
        if name not in found
        if not name.startswith(new) and not name.endswith(DERIVED)
    ]
    groups = {_group(name) for name in own}
    # Sim-B/16* takes the first eight layers of CLIP's twelve
    beyond = [
        name
        for name in found
        if re.match(r'(layers|stages)\.\d+\.', name)
        if _group(name) not in groups and f'{name.split(".")[0]}.0' in groups
    ]
    unknown = [x for x in found if x not in own and x not in set(beyond)]
    if missing or unknown:
        raise ValueError(
            f'The weights are not those of this {network}: '
            f'{len(missing)} are missing, such as {_first(missing, 3)}; '
            f'{len(unknown)} are unknown, such as {_first(unknown, 3)}. '
            + _advice(unknown)
        )
    if beyond:
        MMLogger.get_current_instance().info(
            f'{network} has no place for {len(beyond)} of the loaded '
            f'weights, such as {_first(beyond, 3)}. They are left out.'
        )
    for name in beyond:
        del found[name]


def _group(name: str) -> str:
    """Return the layer or stage of a weight: its first two parts."""
    return '.'.join(name.split('.')[:2])


def _advice(unknown: list[str]) -> str:
    if any(name.startswith('backbone.') for name in unknown):
        return (
            "This is a whole model: add prefix='backbone.' to init_cfg, or "
            'load it through load_from.'
        )
    return (
        'Files of other projects need their format before the address, such '
        "as checkpoint='timm+https://...'; see docs/en/faq.md. If the format "
        'is right, compare the arch of the backbone with the file.'
    )


def _first(items: list, count: int = 5) -> list:
    return items[:count] + (['...'] if len(items) > count else [])
