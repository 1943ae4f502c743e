import copy
import pickle

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import load_checkpoint
from mmpretrain.models import SwinTransformer, VisionTransformer
from torch import nn

from mmsimtrack.models.weights import guard

ARCH = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)


def make_vit(new=(), config='model.backbone', **kwargs):
    arch = ARCH | {k: kwargs.pop(k) for k in list(kwargs) if k in ARCH}
    vit = VisionTransformer(
        **(dict(arch=arch, img_size=32, patch_size=16) | kwargs)
    )
    guard(vit, new, config)
    return vit


def weights(**kwargs):
    return make_vit(**kwargs).state_dict()


def whole_of(backbone):
    return nn.ModuleDict({'backbone': backbone})


class Swin(SwinTransformer):
    def __init__(self, depths=(1, 1), window_size=2, dims=8):
        heads = [1] * len(depths)
        arch = dict(embed_dims=dims, depths=depths, num_heads=heads)
        options = dict(img_size=32, window_size=window_size)
        super().__init__(arch, out_indices=(0,), **options)
        guard(self, new=('norm0.',))


@pytest.mark.parametrize('strict', [True, False])
@pytest.mark.parametrize('way', ['torch', 'mmengine', 'Pretrained'])
def test_other_shapes_are_refused_on_every_way(way, strict, tmp_path):
    found = weights(embed_dims=32)
    torch.save(found, tmp_path / 'x.pth')
    vit, path = make_vit(), str(tmp_path / 'x.pth')
    vit.init_cfg = dict(type='Pretrained', checkpoint=path)
    load = {
        'torch': lambda: vit.load_state_dict(found, strict=strict),
        'mmengine': lambda: load_checkpoint(vit, path, strict=strict),
        'Pretrained': vit.init_weights,
    }[way]
    with pytest.raises(ValueError) as info:
        load()
    assert str(info.value) == (
        '28 weight(s) do not fit the model:\n'
        '  cls_token: (1, 1, 32) in the file, (1, 1, 16) in the model\n'
        '  pos_embed: (1, 5, 32) in the file, (1, 5, 16) in the model\n'
        '  patch_embed.projection.weight: (32, 3, 16, 16) in the file, '
        '(16, 3, 16, 16) in the model\n'
        '  patch_embed.projection.bias: (32,) in the file, (16,) in the '
        'model\n'
        '  layers.0.ln1.weight: (32,) in the file, (16,) in the model\n'
        '  ...\n'
        'Change model.backbone in the config, or load the checkpoint '
        'that belongs to it.'
    )


@pytest.mark.parametrize(
    'model, found, key',
    [
        (make_vit(), weights(patch_size=8), 'patch_embed.projection.weight'),
        (Swin(), Swin(window_size=4).state_dict(),
         'w_msa.relative_position_bias_table'),
        (make_vit(), weights() | {'pos_embed': torch.zeros(1, 4, 16)},
         'pos_embed'),
        (make_vit(config='model.vit'), weights(embed_dims=32, img_size=64),
         r'pos_embed: \(1, 17, 32\) in the file.*Change model.vit'),
    ],
)  # fmt: skip
def test_other_shapes_are_named(model, found, key):
    message = f'(?s){key}'
    with pytest.raises(ValueError, match=message):
        model.load_state_dict(found, strict=False)


def test_a_missing_weight_is_refused_although_mmengine_would_go_on(tmp_path):
    found = weights()
    del found['layers.1.ln1.bias']
    found['gamma'] = torch.zeros(1)
    torch.save(found, tmp_path / 'x.pth')
    message = (
        r'not those of this VisionTransformer: 1 are missing, such as '
        r"\['layers.1.ln1.bias'\]; 1 are unknown, such as \['gamma'\]. Files "
        r'of other projects need their format'
    )
    with pytest.raises(ValueError, match=message):
        load_checkpoint(make_vit(), str(tmp_path / 'x.pth'))


def test_what_is_new_or_derived_may_be_missing():
    found = weights()
    del found['ln1.weight'], found['ln1.bias']
    make_vit(new=('ln1.',)).load_state_dict(found, strict=False)
    with pytest.raises(ValueError, match='2 are missing'):
        make_vit(new=('ln2.',)).load_state_dict(found, strict=False)
    found = Swin().state_dict()
    found = {k: t for k, t in found.items() if 'position_index' not in k}
    Swin().load_state_dict(found, strict=False)


def test_layers_beyond_the_depth_are_left_out_and_logged(logged):
    vit, found = make_vit(), weights(num_layers=4)
    vit.load_state_dict(found)
    assert torch.equal(vit.layers[1].ln1.weight, found['layers.1.ln1.weight'])
    assert len(found) == 30 + 24  # the caller's dict stays as it is
    assert logged == [
        'VisionTransformer has no place for 24 of the loaded weights, such as '
        "['layers.2.ln1.weight', 'layers.2.ln1.bias', "
        "'layers.2.attn.qkv.weight', '...']. They are left out."
    ]
    found['layers.1.gamma'] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"unknown, such as \['layers.1.gam"):
        vit.load_state_dict(found)
    with pytest.raises(ValueError, match='12 are missing'):
        make_vit(num_layers=3).load_state_dict(weights(), strict=False)
    # the last stage of the shorter network has no merging
    found = Swin(depths=(1, 1, 1)).state_dict()
    found = {k: t for k, t in found.items() if 'stages.1.down' not in k}
    Swin().load_state_dict(found, strict=False)


def test_positions_are_resized_before_they_are_checked():
    vit, found = make_vit(), weights(img_size=64)
    vit.load_state_dict(found)
    assert vit.pos_embed.shape == (1, 5, 16)
    assert torch.equal(vit.pos_embed[:, 0], found['pos_embed'][:, 0])


def test_in_a_whole_model_only_shapes_are_checked():
    whole = whole_of(make_vit())
    found = whole.state_dict()
    del found['backbone.ln1.bias']
    whole.load_state_dict(found, strict=False)
    with pytest.raises(RuntimeError, match='Missing key.*backbone.ln1.bias'):
        whole.load_state_dict(found)
    found['backbone.cls_token'] = torch.zeros(1, 1, 3)
    message = r'1 weight\(s\) .*\n  backbone.cls_token: \(1, 1, 3\) in the fil'
    with pytest.raises(ValueError, match=message):
        whole.load_state_dict(found, strict=False)


def test_a_whole_model_needs_a_prefix(tmp_path):
    found = whole_of(make_vit()).state_dict()
    torch.save(found, tmp_path / 'x.pth')
    vit = make_vit()
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'x.pth'))
    vit.init_cfg = init_cfg
    with pytest.raises(ValueError, match="add prefix='backbone.' to init_cfg"):
        vit.init_weights()
    vit = make_vit()
    vit.init_cfg = dict(prefix='backbone.', **init_cfg)
    vit.init_weights()
    assert torch.equal(vit.cls_token, found['backbone.cls_token'])


@pytest.mark.parametrize(
    'copied', [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_are_guarded_as_well(copied):
    original = BaseModule()
    original.linear = nn.Linear(2, 2)
    guard(original)
    model = copied(original)
    model.load_state_dict(original.state_dict())
    with pytest.raises(ValueError, match='linear.bias'):
        model.load_state_dict({'linear.weight': torch.zeros(2, 2)}, False)
