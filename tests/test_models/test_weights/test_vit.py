import pytest
import torch
from mmpretrain.models import VisionTransformer
from torch import nn

from mmsimtrack.models.weights.keys import unwrap
from mmsimtrack.models.weights.vit import (
    clip_vit_names,
    convert_clip,
    convert_timm,
    timm_vit_names,
)

WIDTH, LAYERS = 16, 2


def our_vit(**kwargs):
    vit = VisionTransformer(
        arch=dict(
            embed_dims=WIDTH,
            num_layers=LAYERS,
            num_heads=2,
            feedforward_channels=32,
        ),
        img_size=32,
        patch_size=16,
        out_type='raw',
        **kwargs,
    )
    vit.eval()
    return vit


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class ClipBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.ln_1 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential()
        self.mlp.add_module('c_fc', nn.Linear(WIDTH, 32))
        self.mlp.add_module('gelu', QuickGELU())
        self.mlp.add_module('c_proj', nn.Linear(32, WIDTH))
        self.ln_2 = nn.LayerNorm(WIDTH)

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class ClipViT(nn.Module):
    """A ViT with the names of CLIP."""

    def __init__(self):
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(WIDTH))
        self.positional_embedding = nn.Parameter(torch.randn(5, WIDTH))
        self.proj = nn.Parameter(torch.randn(WIDTH, 8))
        self.conv1 = nn.Conv2d(3, WIDTH, 16, 16, bias=False)
        self.ln_pre = nn.LayerNorm(WIDTH)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.Sequential(
            *[ClipBlock() for _ in range(LAYERS)]
        )
        self.ln_post = nn.LayerNorm(WIDTH)

    def forward(self, image):
        x = self.conv1(image).flatten(2).mT
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1)
        x = self.ln_pre(x + self.positional_embedding)
        return self.ln_post(self.transformer.resblocks(x))


@pytest.fixture
def clip(randomize):
    """A small CLIP: its ViT and the weights of the whole."""
    visual = randomize(ClipViT())
    weights = {f'visual.{k}': t for k, t in visual.state_dict().items()}
    for name in (
        'positional_embedding',
        'text_projection',
        'logit_scale',
        'input_resolution',
        'context_length',
        'vocab_size',
        'transformer.resblocks.0.ln_1.weight',
        'token_embedding.weight',
        'ln_final.weight',
    ):
        weights[name] = torch.zeros(2)
    return visual, weights


def test_clip_gives_the_same_tokens(clip):
    visual, weights = clip
    ours = our_vit(
        pre_norm=True,
        norm_cfg=dict(type='LN', eps=1e-5),
        layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')),
    )
    ours.load_state_dict(convert_clip(weights, 'x.pt'))
    image = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(image)[0], visual(image))


def test_clip_becomes_float32(clip):
    half = {name: tensor.half() for name, tensor in clip[1].items()}
    ours = convert_clip(half, 'x.pt')
    assert {tensor.dtype for tensor in ours.values()} == {torch.float32}


def test_clip_names_by_hand():
    names = clip_vit_names(12)
    assert len(names) == 7 + 12 * 12
    assert names['transformer.resblocks.11.attn.in_proj_bias'] == (
        'layers.11.attn.qkv.bias'
    )
    assert names['ln_post.weight'] == 'ln1.weight'


def test_a_weight_of_clip_that_is_missing_or_unknown_is_named(clip):
    weights = clip[1]
    del weights['visual.ln_post.bias']
    weights['audio.proj'] = torch.zeros(1)
    message = r"missing \['ln_post.bias'\], unknown \['audio.proj'\]"
    with pytest.raises(KeyError, match=f'x.pt does not hold CLIP.*{message}'):
        convert_clip(weights, 'x.pt')


def test_a_missing_layer_is_named(clip):
    weights = {k: t for k, t in clip[1].items() if 'resblocks.0' not in k}
    with pytest.raises(KeyError, match=r'resblocks\.0\.ln_1\.weight'):
        convert_clip(weights, 'x.pt')


def mae(weights):
    decoder = {'mask_token': torch.zeros(1), 'decoder_embed.bias': None}
    decoder['decoder_embed.bias'] = torch.zeros(1)
    return {'model': weights | decoder}


def deit(weights):
    return {'model': weights | {'head.weight': torch.zeros(1)}}


def mocov3(weights):
    head = {'head.0.weight': torch.zeros(1), 'head.1.running_mean': None}
    head['head.1.running_mean'] = torch.zeros(1)
    both = weights | head
    state = {f'module.base_encoder.{k}': t for k, t in both.items()}
    state |= {f'module.momentum_encoder.{k}': t for k, t in both.items()}
    state['module.predictor.0.weight'] = torch.zeros(1)
    return {'epoch': 300, 'arch': 'vit_base', 'state_dict': state}


def slip(weights):
    state = {f'module.visual.{k}': t for k, t in weights.items()}
    for name in (
        'positional_embedding',
        'text_projection',
        'image_projection',
        'logit_scale',
        'transformer.resblocks.0.ln_1.weight',
        'token_embedding.weight',
        'ln_final.bias',
        'image_mlp.layer1.weight',
        'image_mlp.bn1.num_batches_tracked',
    ):
        state[f'module.{name}'] = torch.zeros(1)
    return {'epoch': 100, 'state_dict': state, 'optimizer': {}}


WRAPPERS = [mae, deit, mocov3, slip, dict]


@pytest.mark.parametrize('wrap', WRAPPERS)
def test_timm_gives_the_same_tokens(timm_vit, wrap):
    weights = convert_timm(wrap(timm_vit.state_dict()), 'x.pth')
    ours = our_vit()
    ours.load_state_dict(weights)
    image = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(image)[0], timm_vit(image))


@pytest.mark.parametrize('wrap', WRAPPERS)
def test_a_weight_that_is_missing_or_unknown_is_named(timm_vit, wrap):
    weights = timm_vit.state_dict()
    del weights['blocks.1.mlp.fc1.bias']
    weights['blocks.0.ls1.gamma'] = torch.zeros(1)
    message = r"missing \['blocks.1.mlp.fc1.bias'\].*\['blocks.0.ls1.gamma'\]"
    with pytest.raises(KeyError, match=f'x.pth does not.*{message}'):
        convert_timm(wrap(weights), 'x.pth')


@pytest.mark.parametrize('wrap', [mocov3, slip])
def test_an_unknown_part_beside_the_vit_is_named(timm_vit, wrap):
    checkpoint = wrap(timm_vit.state_dict())
    checkpoint['state_dict']['module.queue'] = torch.zeros(1)
    with pytest.raises(KeyError, match=r"unknown \['queue'\]"):
        convert_timm(checkpoint, 'x.pth')


def test_a_distilled_deit_is_refused(timm_vit):
    weights = timm_vit.state_dict() | {'dist_token': torch.zeros(1, 1, WIDTH)}
    with pytest.raises(KeyError, match='dist_token.*take deit_base_patch16'):
        convert_timm({'model': weights}, 'x.pth')


def test_a_norm_before_the_layers_means_patches_without_bias():
    names = timm_vit_names(2, pre_norm=True)
    ours = our_vit(pre_norm=True).state_dict()
    assert set(names.values()) == set(ours)
    weights = {theirs: ours[mine] for theirs, mine in names.items()}
    assert set(convert_timm(weights, 'x.pth')) == set(ours)
    weights['patch_embed.proj.bias'] = torch.zeros(WIDTH)
    with pytest.raises(KeyError, match=r"unknown \['patch_embed.proj.bias'\]"):
        convert_timm(weights, 'x.pth')


@pytest.mark.parametrize(
    'checkpoint', [{}, {'epoch': 3, 'net': {'a': torch.zeros(1)}}]
)
def test_a_file_without_weights_is_refused(checkpoint):
    message = 'x.pth holds the keys .*Expected tensors under their names'
    with pytest.raises(ValueError, match=message):
        unwrap(checkpoint, 'x.pth', ('model', 'state_dict'))
