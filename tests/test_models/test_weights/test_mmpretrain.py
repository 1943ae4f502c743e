import pytest
import torch
from mmpretrain.models import SwinTransformer, VisionTransformer

from mmsimtrack.models.weights.mmpretrain import convert_mmpretrain

VIT = VisionTransformer(
    arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=8),
    img_size=32,
)
SWIN = SwinTransformer(
    arch=dict(embed_dims=8, depths=[1, 2, 1], num_heads=[1, 1, 1]),
    img_size=64,
    window_size=2,
    out_indices=(2,),
)


def hosted(network):
    """A file of mmpretrain, with the parts of all its trainings."""
    state = {f'backbone.{k}': t for k, t in network.state_dict().items()}
    for name in (
        'head.fc.weight',
        'neck.decoder_pos_embed',
        'momentum_encoder.module.0.cls_token',
        'target_generator.x',
        'data_preprocessor.mean',
    ):
        state[name] = torch.zeros(1)
    return {'state_dict': state, 'meta': {'epoch': 300}}


@pytest.mark.parametrize('network', [VIT, SWIN])
def test_a_hosted_file_loses_its_prefix_and_its_head(network):
    own = network.state_dict()
    converted = convert_mmpretrain(hosted(network), 'x.pth')
    assert set(converted) == set(own)
    assert all(torch.equal(converted[name], own[name]) for name in own)
    # a file that holds the backbone only
    assert set(convert_mmpretrain(dict(own), 'x.pth')) == set(own)


def test_an_old_swin_has_masks_and_a_norm_without_number():
    checkpoint = hosted(SWIN)
    state = checkpoint['state_dict']
    for name in ('weight', 'bias'):
        state[f'backbone.norm.{name}'] = state.pop(f'backbone.norm2.{name}')
    state['backbone.stages.1.blocks.1.attn.attn_mask'] = torch.zeros(1)
    own = SWIN.state_dict()
    assert set(convert_mmpretrain(checkpoint, 'x.pth')) == set(own)


@pytest.mark.parametrize(
    'network, missing',
    [
        (VIT, 'layers.1.attn.qkv.bias'),
        (SWIN, 'stages.0.downsample.reduction.weight'),
    ],
)
def test_what_does_not_map_is_named(network, missing):
    checkpoint = hosted(network)
    del checkpoint['state_dict'][f'backbone.{missing}']
    checkpoint['state_dict']['backbone.gamma'] = torch.zeros(1)
    message = rf"missing \['{missing}'\], unknown \['gamma'\]"
    with pytest.raises(KeyError, match=f'x.pth does not hold.*{message}'):
        convert_mmpretrain(checkpoint, 'x.pth')
    del checkpoint['state_dict']['backbone.gamma']
    checkpoint['state_dict']['ema.x'] = torch.zeros(1)
    with pytest.raises(KeyError, match=r"unknown \['ema.x'\]"):
        convert_mmpretrain(checkpoint, 'x.pth')
