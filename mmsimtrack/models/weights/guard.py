"""Refuse weights that do not fit, before they are loaded."""

import re
from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from torch import Tensor, nn

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
    from. Call it last: mmpretrain's hooks resize the positions before it.

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
    early = partial(_check_before_resizing, config=config)
    handle = module._register_load_state_dict_pre_hook(early, with_module=True)
    module._load_state_dict_pre_hooks.move_to_end(handle.id, last=False)
    check = partial(_check, new=new, config=config)
    module._register_load_state_dict_pre_hook(check, with_module=True)


def _check_before_resizing(
    module: nn.Module, found: dict[str, Tensor], prefix: str, *_, config: str
) -> None:
    """Check all shapes but those of positions on another grid.

    Only these are mmpretrain's to resize. It would resize tables of relative
    positions as well, by a function that SciPy no longer has.
    """
    own = dict(_persistent(module))
    if not prefix and 'layers.0.attn.gamma1.weight' in found:
        _fit_dinov2(own, found)
    for name in list(own):
        loaded = found.get(prefix + name)
        if loaded is not None and name.endswith('pos_embed'):
            if loaded.shape[-1:] == own[name].shape[-1:]:
                del own[name]
    _check_shapes(own, found, prefix, config)


def _fit_dinov2(own: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    """Resize patches and positions of DINOv2 to those of the network.

    Only DINOv2's pre-trained ViT has LayerScale and patches of 14 px. Patches
    that grow must not make larger tokens, so each weight shrinks; positions
    are smoothed where the grid gets coarser, unlike by mmpretrain's hook.
    """
    patch, positions = 'patch_embed.projection.weight', 'pos_embed'
    kernel = found.get(patch)
    if not {patch, positions} <= own.keys() or kernel is None:
        return
    size = own[patch].shape[-2:]
    if kernel.shape[-2:] == (14, 14) != size:
        resized = F.interpolate(kernel.float(), size, mode='bicubic')
        found[patch] = resized * (14 * 14 / size.numel())
    theirs = found.get(positions)
    if theirs is not None and theirs.shape[1] != own[positions].shape[1]:
        sides = [
            int((t.shape[1] - 1) ** 0.5) for t in (theirs, own[positions])
        ]
        grid = theirs[:, 1:].mT.unflatten(2, (sides[0], sides[0])).float()
        grid = F.interpolate(
            grid, (sides[1], sides[1]), mode='bicubic', antialias=True
        )
        found[positions] = torch.cat([theirs[:, :1], grid.flatten(2).mT], 1)


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
    _check_shapes(own, found, prefix, config)
    if not prefix:
        _check_names(own, found, new, type(module).__name__)


def _persistent(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a state dict, without running its hooks."""
    for path, part in module.named_modules(remove_duplicate=False):
        for name, tensor in (
            *part._parameters.items(),
            *part._buffers.items(),
        ):
            if tensor is None or name in part._non_persistent_buffers_set:
                continue
            yield f'{path}.{name}' if path else name, tensor


def _check_shapes(own: dict, found: dict, prefix: str, config: str) -> None:
    """Refuse tensors of other shapes.

    Raises:
        ValueError: Names the keys, both shapes and the settings to change.
    """
    wrong, hints = [], {}
    for name, tensor in own.items():
        loaded = found.get(prefix + name)
        if loaded is None or loaded.shape == tensor.shape:
            continue
        shapes = tuple(loaded.shape), tuple(tensor.shape)
        wrong.append(
            f'{prefix}{name}: {shapes[0]} in the file, {shapes[1]} '
            'in the model'
        )
        hints[_setting(prefix + name, *shapes, config)] = None
    if wrong:
        raise ValueError(
            f'{len(wrong)} weight(s) do not fit the model:\n  '
            + '\n  '.join(_first(wrong))
            + f'\nChange {", ".join(_first(list(hints), 3))} in the config, '
            'or load the checkpoint that belongs to it.'
        )


def _setting(name: str, found: tuple, expected: tuple, config: str) -> str:
    """The line of a config that decides about the shape of a weight."""
    if config.endswith('head'):
        # the bottleneck's input is the backbone's output
        inputs = name.endswith('bottleneck.weight') and found[0] == expected[0]
        return 'model.backbone' if inputs else f'{config}.channels'
    if part := re.search(r'(?:^|\.)(decoder|interaction)\.', name):
        return f'model.backbone.{part[1]}'
    pvt = re.search(r'(^|backbone\.)layers\.\d+\.\d+\.', name)
    same_width = found[:1] == expected[:1]
    if 'relative_position_bias_table' in name and not same_width:
        return f'{config}.window_size'
    if 'pos_embed' in name and found[-1:] == expected[-1:]:
        return f'{config}.{"pretrain_img_size" if pvt else "img_size"}'
    if name.endswith('projection.weight') and same_width:
        return f'{config}.{"patch_sizes" if pvt else "patch_size"}'
    if name.endswith('attn.sr.weight') and same_width:
        return f'{config}.sr_ratios'
    if pvt:
        return f'{config}.embed_dims, num_heads or mlp_ratios'
    if re.search(r'(^|\.)(conv1|layer\d)\.', name):  # a ResNet
        return f'{config}.depth'
    return f'{config}.arch'


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
        if name not in found and not name.startswith(new)
        if not name.endswith(DERIVED)
    ]
    groups = {_group(name) for name in own}
    # Sim-B/16* takes the first eight layers of CLIP's twelve
    beyond = [
        name
        for name in found
        if re.match(r'(layers|stages)\.\d+\.', name)
        if _group(name) not in groups and f'{name.split(".")[0]}.0' in groups
    ]
    unknown = [name for name in found if name not in own]
    unknown = [name for name in unknown if name not in beyond]
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
    """Layer or stage of a weight: its first two parts."""
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
