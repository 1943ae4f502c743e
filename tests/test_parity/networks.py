"""Our networks with the weights of the fixtures."""

import threading
from functools import partial

import torch
from mmengine.config import Config

from mmsimtrack.models.heads import soft_argmax
from mmsimtrack.models.tokenizers.foveal import foveal_offset
from mmsimtrack.models.weights.official import SIMTRACK as converter
from mmsimtrack.registry import MODELS

from .recipes import ROOT, image, noise, normalize, recipe_weights, to_xyxy
from .released_tracking import crop

# model of the fixtures -> its config under configs/simtrack
SHIPPED_CONFIGS = {
    ('b16', 'paper'): 'sim_b16_lasot.py',
    ('b16_8l', 'paper'): 'sim_b16-8l_lasot.py',
    ('b32_shift', 'paper'): 'sim_b32_lasot.py',
    ('l14', 'paper'): 'sim_l14_lasot.py',
    ('b16', 'released'): 'official/sim_b16_lasot.py',
    ('b32_noshift', 'released'): 'official/sim_b32_lasot.py',
    ('l14', 'released'): 'official/sim_l14_lasot.py',
}
# of a network for tests of other things
SIZES = dict(patch=16, width=24, heads=3, mlp_ratio=4, pretrain_grid=4)
SIZES |= dict(template_size=80, search_size=64, foveal_size=32)
SIZES |= dict(template_factor=2, search_factor=4, head_channels=8)


def build(key, sizes, way):
    """Our model without weights: from its shipped config, if it has one.

    Args:
        key: Model of forward.json.
        sizes: Its sizes there.
        way: `'paper'` or `'released'`.
    """
    name = SHIPPED_CONFIGS.get((key, way))
    if name:
        cfg = Config.fromfile(ROOT / 'configs/simtrack' / name).model
        cfg.backbone.init_cfg = None
        return MODELS.build(cfg).eval()
    model = MODELS.build(config_of(sizes, way == 'released')).eval()
    if sizes['foveal_shift']:
        # as the paper describes it; the release never does so for B/32
        tokenizer = model.backbone.tokenizer
        options = {k: sizes[k] for k in ('foveal_size', 'patch')}
        tokenizer.foveal_start = partial(foveal_offset, **options)
    return model


def config_of(sizes, as_released):
    """Config of a model with the sizes of a fixture."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/models/sim_b16.py').model
    cfg.exemplar.update(
        size=sizes['template_size'], factor=sizes['template_factor']
    )
    cfg.search.update(size=sizes['search_size'], factor=sizes['search_factor'])
    width, patch = sizes['width'], sizes['patch']
    arch = dict(embed_dims=width, num_layers=sizes['layers'])
    arch |= dict(num_heads=sizes['heads'])
    arch |= dict(feedforward_channels=sizes['mlp_ratio'] * width)
    foveal = sizes['foveal_size']
    cfg.backbone.update(
        arch=arch,
        patch_size=patch,
        img_size=patch * sizes['pretrain_grid'],
        tokenizer=dict(foveal_size=foveal, as_released=as_released),
        init_cfg=None,
    )
    cfg.head.channels = sizes['head_channels']
    return cfg


def converted_weights(key, salt=None):
    """Our state dict of an entry of weights.json."""
    return converter.to_ours(recipe_weights(key, salt), key)[0]


def case_inputs(case, sizes, dtype):
    """Inputs of one case of forward.json."""
    views = ('template', 'init_box'), ('search', 'search_state')
    if 'image' in case:
        frame, found = image(case['image']), []
        for view, bbox in views:
            options = sizes[f'{view}_factor'], sizes[f'{view}_size']
            found.append(normalize(crop(frame, case[bbox], *options).image))
    else:
        found = [noise(case[view]) for view, _ in views]
    exemplar, search = (each.to(dtype) for each in found)
    # float32 before any cast, as in the release
    bbox = to_xyxy(torch.tensor(case['template_anno']).to(dtype))
    return dict(exemplar=exemplar, exemplar_bbox=bbox, search=search)


@torch.no_grad()
def answer(model, inputs):
    """Boxes (B, 4) of a model and what its modules put out on the way.

    Several threads may ask the same model.

    Returns:
        The boxes, xyxy, and a dict of arrays (B, N, C) or (B, N), named as in
        the fixtures; sequences in our order: exemplar, foveal, class, search.
    """
    calls, hooks = {}, []
    asking = threading.get_ident()

    def watch(name, module):
        def keep(module, args, output):
            if threading.get_ident() == asking:
                calls.setdefault(name, []).append((args[0], output))

        hooks.append(module.register_forward_hook(keep))

    watch('pre_norm', model.backbone.pre_norm)
    for i, layer in enumerate(model.backbone.layers):
        watch(f'block{i}', layer)
    watch('bottleneck', model.head.bottleneck)
    watch('score_tl', model.head.top_left)
    watch('score_br', model.head.bottom_right)
    bboxes = model(inputs, None, mode='tensor')
    for hook in hooks:
        hook.remove()
    return bboxes, _fields(calls)


def _fields(calls):
    feat, bottleneck = calls.pop('bottleneck')[0]
    fields = {
        'search_tokens': feat.flatten(2).mT,
        'bottleneck': bottleneck.flatten(2).mT,
    }
    for corner in ('tl', 'br'):
        ((_, score),) = calls.pop(f'score_{corner}')
        fields[f'score_{corner}'] = score.flatten(1)
        fields[f'prob_{corner}'] = soft_argmax(score)[1].flatten(1)
    # what goes through in parts is one sequence
    for name, parts in calls.items():
        inputs, outputs = (torch.cat(part, dim=1) for part in zip(*parts))
        if name == 'pre_norm':
            fields['seq_embed'], name = inputs, 'seq_ln_pre'
        fields[name] = outputs
    return {name: value.numpy() for name, value in fields.items()}
