"""Names of weights in other projects -> names in ours, as tables.

In a table, `#` stands for a number and `*` for the rest of a name; on the
right they stand for what they were on the left. The first row that fits a
whole name renames it. A name that fits no row stays, and the guard of the
network refuses it if it is not one of ours.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

Weights = dict[str, Tensor]
Table = dict[str, str]

# keys under which trainings keep their weights
WRAPPERS = ('net', 'model', 'state_dict')
# what DataParallel and torch.compile put before names
PARALLEL = r'^(module\.|_orig_mod\.)+'


@dataclass(frozen=True)
class Format:
    """How another project names its weights, and how to get to our names.

    Args:
        table: New names by old ones.
        prefix: Regular expression of what stands before the names of the
            backbone in a larger network. All weights without it are dropped.
        drop: Regular expression of how the names begin of weights that are
            dropped since our network has no place for them.
        reshape: Function that changes names and tensors before the table.
    """

    table: Table = field(default_factory=dict)
    prefix: str = ''
    drop: str = '(?!)'  # matches nothing
    reshape: Callable[[Weights], Weights] = dict


def peel(checkpoint: dict) -> dict:
    """Return the dictionary inside the wrappers of a checkpoint."""
    for wrapper in WRAPPERS * len(WRAPPERS):  # in any order
        inner = checkpoint.get(wrapper)
        checkpoint = inner if isinstance(inner, dict) else checkpoint
    return checkpoint


def unwrap(checkpoint: dict, path: str) -> Weights:
    """Take the weights out of a checkpoint, without `module.` before them.

    Args:
        checkpoint: Content of a file.
        path: Path of the file, for error messages.

    Raises:
        ValueError: If there are no tensors under names, or two under one.
    """
    weights = peel(checkpoint)
    named = (
        isinstance(name, str) and isinstance(tensor, Tensor)
        for name, tensor in weights.items()
    )
    if not weights or not all(named):
        keys = ', '.join(map(str, list(checkpoint)[:10])) or '(none)'
        raise ValueError(
            f'{path} holds the keys {keys}. Expected tensors under their '
            f'names, or a dictionary of these under {", ".join(WRAPPERS)}: '
            'is it a file of another format?'
        )
    return renamed(
        weights, {k: re.sub(PARALLEL, '', k) for k in weights}, path
    )


def convert(format_: Format, checkpoint: dict, path: str) -> Weights:
    """Convert a checkpoint of another project to our names.

    Raises:
        ValueError: If it holds no weights, or two get the same name.
    """
    weights = unwrap(checkpoint, path)
    short = {k: re.sub(f'^{format_.prefix}', '', k) for k in weights}
    if any(short[name] != name for name in weights):
        weights = {k: t for k, t in weights.items() if short[k] != k}
        weights = renamed(weights, short, path)
    drop = re.compile(format_.drop)
    weights = {k: t for k, t in weights.items() if not drop.match(k)}
    weights = format_.reshape(weights)
    return renamed(weights, new_names(weights, format_.table), path)


def renamed(weights: Weights, names: dict[str, str], path: str) -> Weights:
    """Give weights other names.

    Raises:
        ValueError: If two would get the same name.
    """
    new = [names[name] for name in weights]
    double = [name for name in weights if new.count(names[name]) > 1]
    if double:
        raise ValueError(
            f'{path}: some of {double[:4]} would get the same name. Expected '
            'each weight once.'
        )
    return dict(zip(new, weights.values()))


def new_names(names: Iterable[str], table: Table) -> dict[str, str]:
    """Return new names by old names, by the rows of a table."""
    rows = [
        (re.escape(old).replace(r'\#', r'(\d+)').replace(r'\*', '(.+)'), new)
        for old, new in table.items()
    ]
    result = {name: name for name in names}
    for name in result:
        for pattern, new in rows:
            if match := re.fullmatch(pattern, name):
                for part in match.groups():
                    new = re.sub('[#*]', part, new, count=1)
                result[name] = new
                break
    return result


CLIP = {
    'class_embedding': 'cls_token',
    'positional_embedding': 'pos_embed',
    'conv1.weight': 'patch_embed.projection.weight',
    'ln_pre.*': 'pre_norm.*',
    'ln_post.*': 'ln1.*',
    'transformer.resblocks.#.ln_1.*': 'layers.#.ln1.*',
    'transformer.resblocks.#.ln_2.*': 'layers.#.ln2.*',
    'transformer.resblocks.#.attn.in_proj_*': 'layers.#.attn.qkv.*',
    'transformer.resblocks.#.attn.out_proj.*': 'layers.#.attn.proj.*',
    'transformer.resblocks.#.mlp.c_fc.*': 'layers.#.ffn.layers.0.0.*',
    'transformer.resblocks.#.mlp.c_proj.*': 'layers.#.ffn.layers.1.*',
}
TIMM = {
    'norm.*': 'ln1.*',
    'norm_pre.*': 'pre_norm.*',
    'patch_embed.proj.*': 'patch_embed.projection.*',
    'blocks.#.norm1.*': 'layers.#.ln1.*',
    'blocks.#.norm2.*': 'layers.#.ln2.*',
    'blocks.#.attn.*': 'layers.#.attn.*',
    'blocks.#.mlp.fc1.*': 'layers.#.ffn.layers.0.0.*',
    'blocks.#.mlp.fc2.*': 'layers.#.ffn.layers.1.*',
}
DINOV2 = {
    'blocks.#.ls1.gamma': 'layers.#.attn.gamma1.weight',
    'blocks.#.ls2.gamma': 'layers.#.ffn.gamma2.weight',
    # as Hugging Face names it
    'embeddings.cls_token': 'cls_token',
    'embeddings.position_embeddings': 'pos_embed',
    'embeddings.patch_embeddings.*': 'patch_embed.*',
    'layernorm.*': 'ln1.*',
    'encoder.layer.#.norm1.*': 'layers.#.ln1.*',
    'encoder.layer.#.norm2.*': 'layers.#.ln2.*',
    'encoder.layer.#.attention.attention.qkv.*': 'layers.#.attn.qkv.*',
    'encoder.layer.#.attention.output.dense.*': 'layers.#.attn.proj.*',
    'encoder.layer.#.layer_scale1.lambda1': 'layers.#.attn.gamma1.weight',
    'encoder.layer.#.layer_scale2.lambda1': 'layers.#.ffn.gamma2.weight',
    'encoder.layer.#.mlp.fc1.*': 'layers.#.ffn.layers.0.0.*',
    'encoder.layer.#.mlp.fc2.*': 'layers.#.ffn.layers.1.*',
}
SIMTRACK = {
    **{f'backbone.visual.{k}': f'backbone.{v}' for k, v in CLIP.items()},
    'backbone.pos_fc.0.*': 'backbone.tokenizer.position.fcs.0.*',
    'backbone.pos_fc.2.*': 'backbone.tokenizer.position.fcs.2.*',
    'bottleneck.*': 'head.bottleneck.*',
}
OSTRACK = {
    'backbone.pos_embed_z': 'backbone.exemplar_position',
    'backbone.pos_embed_x': 'backbone.search_position',
    **{
        f'backbone.{theirs}': f'backbone.{ours}'
        for theirs, ours in TIMM.items()
        if theirs not in ('norm_pre.*', 'blocks.#.attn.*')
    },
    'backbone.blocks.#.attn.qkv.*': 'backbone.layers.#.attn.qkv.*',
    'backbone.blocks.#.attn.proj.*': 'backbone.layers.#.attn.proj.*',
}
for _table, _short, _ours in (
    (SIMTRACK, 'tl', 'top_left'),
    (SIMTRACK, 'br', 'bottom_right'),
    (OSTRACK, 'ctr', 'score'),
    (OSTRACK, 'offset', 'offset'),
    (OSTRACK, 'size', 'size'),
):
    for _block in range(4):  # convolution, normalization, ReLU
        _theirs = f'box_head.conv{_block + 1}_{_short}'
        _table[f'{_theirs}.0.*'] = f'head.{_ours}.{3 * _block}.*'
        _table[f'{_theirs}.1.*'] = f'head.{_ours}.{3 * _block + 1}.*'
    _table[f'box_head.conv5_{_short}.*'] = f'head.{_ours}.12.*'


# What is added to the shape of these tensors of CLIP and SimTrack to get ours,
# as an index. A bottleneck is a linear layer there, a 1 x 1 convolution here.
DIMS = {
    'class_embedding': (None, None),
    'positional_embedding': (None,),
    'bottleneck.weight': (..., None, None),
}


def add_dims(weights: Weights) -> Weights:
    """Give tensors of CLIP and SimTrack the dimensions of ours."""
    weights = dict(weights)
    for name, tensor in weights.items():
        for end, index in DIMS.items():
            if name.endswith(end):
                weights[name] = tensor[index]
    return weights


def _clip(weights: Weights) -> Weights:
    """Convert float16 to float32, and shapes to ours."""
    return add_dims({k: tensor.float() for k, tensor in weights.items()})


def _join(weights: Weights, parts: tuple[str, ...]) -> Weights:
    """Join the linear layers of one attention as `qkv`."""
    weights = dict(weights)
    for name in list(weights):
        keys = [name.replace(f'.{parts[0]}.', f'.{x}.') for x in parts]
        if f'.{parts[0]}.' in name and weights.keys() >= set(keys):
            joined = torch.cat([weights.pop(key) for key in keys])
            weights[name.replace(f'.{parts[0]}.', '.qkv.')] = joined
    return weights


def _number_norm(weights: Weights) -> Weights:
    """Number the last norm of a Swin, as newer versions of mmpretrain do."""
    stages = [re.match(r'(?:layers|stages)\.(\d+)', name) for name in weights]
    last = max((int(stage[1]) for stage in stages if stage), default=0)
    return {
        re.sub(r'^norm\.', f'norm{last}.', name): tensor
        for name, tensor in weights.items()
    }


def _swin(weights: Weights) -> Weights:
    """Convert Microsoft's names and order of channels as mmdet does."""
    from mmdet.models.backbones.swin import swin_converter

    weights = swin_converter(_number_norm(weights))
    return {k.removeprefix('backbone.'): t for k, t in weights.items()}


def _pvt(weights: Weights) -> Weights:
    """Convert as mmdet does, which needs queries, keys and values."""
    from mmdet.models.backbones.pvt import pvt_convert

    whole = [k for k in weights if k.replace('.q.', '.kv.') in weights]
    return pvt_convert({name: weights[name] for name in whole})


FORMATS = {
    'clip': Format(CLIP, prefix=r'visual\.', drop='proj$', reshape=_clip),
    'timm': Format(
        TIMM,
        prefix=r'(base_encoder|visual)\.',
        drop=r'head\.|pre_logits\.|mask_token|decoder_',
    ),
    'mmpretrain': Format(
        prefix=r'backbone\.',
        drop=r'(head|neck)\.|.*\.attn_mask$',
        reshape=_number_norm,
    ),
    'dinov2': Format(
        TIMM | DINOV2,
        prefix=r'backbone\.',
        drop=r'(embeddings\.)?mask_token$',
        reshape=partial(_join, parts=('query', 'key', 'value')),
    ),
    'simtrack': Format(
        SIMTRACK, drop=r'backbone\.visual\.proj$', reshape=add_dims
    ),
    'ostrack': Format(OSTRACK, drop=r'backbone\.(cls_token|pos_embed)$'),
    'swin': Format(drop=r'head\.|.*\.attn_mask$', reshape=_swin),
    'pvt': Format(reshape=_pvt),
    'torchvision': Format(drop=r'layer4\.|fc\.'),
}
