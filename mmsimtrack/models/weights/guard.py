"""Refuse weights that do not fit, before they are loaded."""

import re
from collections.abc import Iterable
from functools import partial

from torch import nn

from mmsimtrack.log import log
from mmsimtrack.models.weights.dinov2 import fit_dinov2

# Ends of the names of buffers that may be missing: they follow from the config
# or count steps.
DERIVED = ('num_batches_tracked', 'relative_position_index')
WHOLE = (
    "This is a whole model: add prefix='backbone.' to init_cfg, or load it "
    'through load_from.'
)
FOREIGN = (
    'Files of other projects need their format before the address, such as '
    "checkpoint='timm+https://...'; see docs/en/faq.md. If the format is "
    'right, compare the arch of the backbone with the file.'
)


def guard(
    module: nn.Module, new: tuple[str, ...] = (), config='model.backbone'
) -> None:
    """Check all weights that are loaded into a module from now on.

    mmengine loads with `strict=False` and only logs what does not fit, which
    leaves parts of the network random. This hook runs wherever weights come
    from, before those of mmpretrain, which resize positions.

    As part of a larger model only the shapes are checked. Loaded by itself,
    as `init_cfg` of type `Pretrained` does, the module must get all of its
    weights and no others, but those of layers or stages beyond its depth.

    Args:
        module: The network whose weights are checked.
        new: Beginnings of names that no pre-trained file holds.
        config: Where the settings of the module are in a config.

    Raises:
        ValueError: When weights of other shapes or names are loaded.
    """
    # partial, since a module with closures cannot be pickled
    check = partial(_check, new=new, config=config)
    handle = module._register_load_state_dict_pre_hook(check, with_module=True)
    module._load_state_dict_pre_hooks.move_to_end(handle.id, last=False)


def _check(module, found: dict, prefix: str, *_, new: tuple, config: str):
    """Check all shapes, and the names unless it is part of a model."""
    own = {  # a state dict, made without running its hooks
        f'{path}.{name}' if path else name: tensor
        for path, part in module.named_modules(remove_duplicate=False)
        for name, tensor in (part._parameters | part._buffers).items()
        if tensor is not None and name not in part._non_persistent_buffers_set
    }
    if not prefix:
        fit_dinov2(own, found)
    _check_shapes(own, found, prefix, config)
    if not prefix:
        kind = type(module).__name__
        _leave_out_deeper_layers(own, found, kind)
        if problem := compare_names(own, found, new):
            whole = any(name.startswith('backbone.') for name in found)
            raise ValueError(
                f'The weights are not those of this {kind}: {problem}. '
                + (WHOLE if whole else FOREIGN)
            )


def _check_shapes(own: dict, found: dict, prefix: str, config: str) -> None:
    """Refuse tensors of other shapes, except positions, which are resized.

    mmpretrain would resize tables of relative positions as well, by a
    function that SciPy no longer has.

    Raises:
        ValueError: Names the keys and both shapes.
    """
    wrong = []
    for name, tensor in own.items():
        loaded = found.get(prefix + name, tensor)
        fits = loaded.shape == tensor.shape
        if name == 'pos_embed' and loaded.ndim == 3:  # class token and square
            side = (loaded.shape[1] - 1) ** 0.5
            fits |= side.is_integer() and loaded.shape[2] == tensor.shape[2]
        if not fits:
            wrong.append(
                f'\n  {prefix}{name}: {tuple(loaded.shape)} in the file, '
                f'{tuple(tensor.shape)} in the model'
            )
    if wrong:
        more = '\n  ...' if len(wrong) > 5 else ''
        raise ValueError(
            f'{len(wrong)} weight(s) do not fit the model:'
            f'{"".join(wrong[:5])}{more}\nChange {config} in the config, or '
            'load the checkpoint that belongs to it.'
        )


def _leave_out_deeper_layers(own: dict, found: dict, kind: str) -> None:
    """Remove weights of layers or stages beyond the depth of the network.

    Sim-B/16* takes the first eight layers of CLIP's twelve.
    """
    layers = {'.'.join(name.split('.')[:2]) for name in own}
    deeper = [
        name
        for name in found
        if (match := re.match(r'((layers|stages)\.\d+)\.', name))
        if match[1] not in layers and f'{match[2]}.0' in layers
    ]
    if deeper:
        log(
            f'{kind} has no place for {len(deeper)} of the loaded weights, '
            f'such as {_first(deeper)}. They are left out.'
        )
    for name in deeper:
        del found[name]


def compare_names(
    own: Iterable[str], found: Iterable[str], new: tuple[str, ...] = ()
) -> str:
    """Say which weights are missing and which are unknown.

    Args:
        own: Names of the weights of the network.
        found: Names of the weights to load.
        new: Beginnings of names that may be missing.

    Returns:
        The first three of both and their numbers; empty if there are none.
    """
    own, found = dict.fromkeys(own), dict.fromkeys(found)
    missing = [x for x in own if not x.endswith(DERIVED)]
    missing = [x for x in missing if x not in found and not x.startswith(new)]
    unknown = [x for x in found if x not in own]
    kinds = {'missing': missing, 'unknown': unknown}
    return '; '.join(
        f'{len(names)} are {kind}, such as {_first(names)}'
        for kind, names in kinds.items()
        if names
    )


def _first(names: list[str]) -> list[str]:
    return names[:3] + ['...'] * (len(names) > 3)
