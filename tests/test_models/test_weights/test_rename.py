"""What each format makes of a file gives the features of its network."""

import re

import pytest
import torch
import torchvision
from mmdet.models.backbones.pvt import PyramidVisionTransformer
from mmpretrain.models import ResNet, SwinTransformer, VisionTransformer

from mmsimtrack.models.weights import FORMATS, guard, unwrap
from mmsimtrack.models.weights.rename import convert

from . import networks


def zeros(*names):
    return {name: torch.zeros(1) for name in names}


def under(prefix, weights):
    return {f'{prefix}{name}': tensor for name, tensor in weights.items()}


def mae(weights):
    return {'model': weights | zeros('mask_token', 'decoder_embed.bias')}


def mocov3(weights):
    both = weights | zeros('head.0.weight', 'head.1.running_mean')
    state = under('module.base_encoder.', both)
    state |= under('module.momentum_encoder.', both)
    state |= zeros('module.predictor.0.weight')
    return {'epoch': 300, 'arch': 'vit_base', 'state_dict': state}


def slip(weights):
    text = zeros('image_projection', 'transformer.resblocks.0.ln_1.weight')
    state = under('module.', text) | under('module.visual.', weights)
    return {'epoch': 100, 'state_dict': state, 'optimizer': {}}


def hugging_face(weights):
    """Meta's names of DINOv2 -> Hugging Face's, inside another network."""
    result = {}
    for name, tensor in weights.items():
        for meta, theirs in (
            (r'^(cls_token|mask_token)', r'embeddings.\1'),
            ('^pos_embed', 'embeddings.position_embeddings'),
            (r'^patch_embed\.proj', 'embeddings.patch_embeddings.projection'),
            (r'^norm\.', 'layernorm.'),
            (r'^blocks', 'encoder.layer'),
            (r'attn\.proj', 'attention.output.dense'),
            (r'ls(\d)\.gamma', r'layer_scale\1.lambda1'),
        ):
            name = re.sub(meta, theirs, name)
        if 'attn.qkv' in name:
            for part, x in zip(('query', 'key', 'value'), tensor.chunk(3)):
                part = f'attention.attention.{part}'
                result[name.replace('attn.qkv', part)] = x
        else:
            result[name] = tensor
    return under('backbone.', result) | zeros('decoder.conv.weight')


def our_vit(**kwargs):
    options = dict(arch=networks.ARCH, img_size=networks.SIDE, patch_size=16)
    vit = VisionTransformer(out_type='raw', **options | kwargs)
    guard(vit)
    vit.eval()
    return vit


CLIP = dict(
    pre_norm=True,
    norm_cfg=dict(type='LN', eps=1e-5),
    layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')),
)
DINOV2 = dict(patch_size=14, img_size=28, layer_scale_init_value=1.0)
VITS = {
    'clip': ('clip', dict),
    'mae': ('timm', mae),
    'deit': ('timm', lambda w: {'model': w | zeros('head.weight')}),
    'mocov3': ('timm', mocov3),
    'slip': ('timm', slip),
    'timm': ('timm', dict),
    'compiled': ('timm', lambda w: under('_orig_mod.', w)),
    'meta': ('dinov2', dict),
    'hf': ('dinov2', hugging_face),
}


@pytest.mark.parametrize('case', VITS)
def test_vits(case):
    """The same tokens; a weight too many or too few is named."""
    format_, wrap = VITS[case]
    if format_ == 'clip':
        theirs, ours = networks.ViT(clip=True).half().float(), our_vit(**CLIP)
        weights = networks.clip_weights(theirs)
    elif format_ == 'dinov2':
        theirs, ours = networks.ViT(14), our_vit(**DINOV2)
        weights = networks.dinov2_weights(theirs)
    else:
        theirs, ours = networks.ViT(), our_vit()
        weights = networks.timm_weights(theirs)
    found = convert(FORMATS[format_], wrap(weights), 'x.pth')
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    ours.load_state_dict(found)
    image = torch.randn(2, 3, *[ours.patch_embed.init_input_size[0]] * 2)
    torch.testing.assert_close(ours(image)[0], theirs(image))
    name = [x for x in weights if '.1.' in x and x.endswith('bias')][-1]
    del weights[name]
    prefix = 'visual.' if format_ == 'clip' else ''
    weights[f'{prefix}blocks.0.rope'] = torch.zeros(1)
    missing = r"1 are missing, such as \['layers.1.\S+.bias'\]"
    message = rf"{missing}; 1 are unknown, such as \['\S+.0.rope'\]"
    with pytest.raises(ValueError, match=message):
        ours.load_state_dict(convert(FORMATS[format_], wrap(weights), 'x'))


def test_a_distilled_deit_is_refused():
    weights = networks.timm_weights() | zeros('dist_token')
    weights['pos_embed'] = torch.zeros(1, 6, networks.WIDTH)
    weights = convert(FORMATS['timm'], {'model': weights}, 'x.pth')
    with pytest.raises(ValueError, match=r'pos_embed: \(1, 6, 16\) in the fi'):
        our_vit().load_state_dict(weights)


WITHOUT_WEIGHTS = [
    {},
    {'epoch': 3, 'weights': zeros('a')},
    {'net': [torch.zeros(1)]},
    {'model': {'a': 1}},
    {'model': zeros(1)},
    {'net': zeros('a', 'module.a', 'b')},
]


@pytest.mark.parametrize('checkpoint', WITHOUT_WEIGHTS)
def test_a_file_without_weights_is_refused(checkpoint):
    message = 'x.pth holds the keys .*Expected tensors under their names'
    if 'a' in checkpoint.get('net', ()):
        message = "'module.a'.*same name"
    with pytest.raises(ValueError, match=message):
        unwrap(checkpoint, 'x.pth')


def our_swin(depths=(1, 1, 2, 1)):
    heads = [1, 1, 2, 2][: len(depths)]
    swin = SwinTransformer(
        arch=dict(embed_dims=8, depths=depths, num_heads=heads),
        img_size=64,
        window_size=2,
        patch_cfg=dict(kernel_size=4, stride=4),
        out_indices=(len(depths) - 1,),
    )
    guard(swin)
    return networks.randomized(swin)


def renamed(weights, *pairs):
    """Replace regular expressions in names, one after the other."""
    result = {}
    for name, tensor in weights.items():
        for ours, theirs in pairs:
            name = re.sub(ours, theirs, name)
        result[name] = tensor
    return result


def test_swin():
    ours = our_swin()
    own = ours.state_dict()
    pairs = (
        '^norm3 norm, patch_embed.projection patch_embed.proj, ^stages layers'
        ', ffn.layers.0.0 mlp.fc1, ffn.layers.1 mlp.fc2'
    )
    pairs = [pair.split() for pair in pairs.split(', ')]
    theirs = renamed(own, *pairs, ('w_msa.', ''))
    merging = networks.MicrosoftMerging(8)
    theirs |= under('layers.0.downsample.', merging.state_dict())
    extra = zeros('layers.2.blocks.1.attn_mask', 'head.weight')
    found = convert(FORMATS['swin'], {'model': theirs | extra}, 'x.pth')
    ours.load_state_dict(found)
    for name, tensor in own.items():
        if 'downsample' not in name:
            assert torch.equal(found[name], tensor), name
    x = torch.randn(2, 4, 6, 8)
    out, size = ours.stages[0].downsample(x.flatten(1, 2), (4, 6))
    assert size == (2, 3)
    torch.testing.assert_close(out, merging(x).flatten(1, 2))


def test_pvt():
    ours = PyramidVisionTransformer(
        embed_dims=4,
        num_layers=[2, 1, 3, 1],
        num_heads=[1, 2, 2, 4],
        mlp_ratios=[2, 2, 1, 1],
        convert_weights=False,
    )
    guard(networks.randomized(ours))
    own = ours.state_dict()
    theirs = {}
    for name, tensor in renamed(
        own,
        (r'layers.(\d).0.projection', r'patch_embed\1.proj'),
        (r'layers.(\d).0', r'patch_embed\1'),
        (r'layers.(\d).1.0.pos_embed', r'pos_embed\1'),
        (r'layers.(\d).1', r'block\1'),
        ('attn.in_proj_', 'q.'),
        ('attn.out_proj', 'proj'),
        ('ffn.layers.0', 'mlp.fc1'),
        ('ffn.layers.3', 'mlp.fc2'),
    ).items():
        # stages count from 1, and layers from 0, without the position
        name = re.sub(r'\d', lambda m: str(int(m[0]) + 1), name, count=1)
        name = re.sub(
            r'\.\d', lambda m: f'.{int(m[0][1:]) - 1}', name, count=1
        )
        if '.q.' in name:
            third = len(tensor) // 3
            theirs[name.replace('.q.', '.kv.')] = tensor[third:]
            tensor = tensor[:third]
        linear = '.mlp.' in name and name.endswith('.weight')
        theirs[name] = tensor.flatten(1) if linear else tensor
    theirs |= zeros('cls_token', 'norm.weight', 'head.bias')
    first = torch.full((1, 1, 16), 9.0)
    theirs['pos_embed4'] = torch.cat([first, theirs['pos_embed4']], dim=1)
    found = convert(FORMATS['pvt'], {'state_dict': theirs}, 'x.pth')
    assert set(found) == set(own)
    for name, tensor in own.items():
        assert torch.equal(found[name], tensor), name
    del theirs['block3.1.attn.kv.bias']
    message = r"missing, such as \['layers.2.1.2.attn.attn.in_proj_bias'\]"
    with pytest.raises(ValueError, match=message):
        ours.load_state_dict(convert(FORMATS['pvt'], theirs, 'x.pth'))


@pytest.mark.parametrize('depth', [18, 50])
def test_resnet_gives_the_same_features(depth):
    theirs = torchvision.models.get_model(f'resnet{depth}').eval()
    for name, buffer in theirs.named_buffers():
        if 'running' in name:
            buffer.uniform_(0.5, 1.5)
    stages = dict(num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1))
    ours = ResNet(depth, out_indices=(2,), **stages)
    guard(ours)
    found = convert(FORMATS['torchvision'], theirs.state_dict(), 'x.pth')
    # the oldest files have no counters
    found = {k: t for k, t in found.items() if 'num_batches' not in k}
    ours.load_state_dict(found)
    ours.eval()
    image = torch.randn(1, 3, 32, 32)
    x = theirs.relu(theirs.bn1(theirs.conv1(image)))
    x = theirs.layer3(theirs.layer2(theirs.layer1(theirs.maxpool(x))))
    torch.testing.assert_close(ours(image)[0], x)


@pytest.mark.parametrize('prefix', ['backbone.', ''])
@pytest.mark.parametrize('network', [our_vit, lambda: our_swin((1, 2, 1))])
def test_files_of_mmpretrain(network, prefix):
    ours = network()
    own = ours.state_dict()
    # older files have no number at the final norm
    state = {re.sub('^norm2', 'norm', name): t for name, t in own.items()}
    state = under(prefix, state)
    state |= zeros('head.fc.weight', 'neck.decoder_pos_embed')
    state |= zeros(f'{prefix}stages.1.blocks.1.attn.attn_mask')
    found = convert(FORMATS['mmpretrain'], {'state_dict': state}, 'x.pth')
    assert set(found) == set(own)
    assert all(torch.equal(found[name], own[name]) for name in own)
