import pytest
import torch
import torchvision
from mmdet.models.backbones.pvt import PyramidVisionTransformer, pvt_convert
from mmpretrain.models import ResNet, SwinTransformer
from mmpretrain.models.utils import PatchMerging
from torch import nn

from mmsimtrack.models.weights.pyramids import (
    convert_pvt,
    convert_swin,
    convert_torchvision,
    pvt_names,
    swin_names,
)

TABLE, INDEX = 'relative_position_bias_table', 'relative_position_index'


def our_swin():
    swin = SwinTransformer(
        arch=dict(embed_dims=8, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2]),
        img_size=64,
        window_size=2,
        patch_cfg=dict(kernel_size=4, stride=4),
    )
    swin.eval()
    return swin


@pytest.fixture
def swin(randomize):
    """Microsoft's names with our tensors, before the channels are sorted."""
    ours = randomize(our_swin()).state_dict()
    names = swin_names([1, 1, 2, 1])
    weights = {theirs: ours[mine] for theirs, mine in names.items()}
    for theirs, mine in names.items():
        if theirs.endswith(TABLE):
            index = ours[mine.replace(TABLE, INDEX)]
            weights[theirs.replace(TABLE, INDEX)] = index
    weights['layers.2.blocks.1.attn_mask'] = torch.zeros(4, 4, 4)
    weights['head.weight'] = weights['head.bias'] = torch.zeros(3)
    return weights


class MicrosoftMerging(nn.Module):
    """Patch merging as Microsoft does it."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x):  # (B, H, W, C)
        corners = [
            x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)
        ]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


def test_merged_patches_are_the_same(swin, randomize):
    theirs = randomize(MicrosoftMerging(8))
    for name, tensor in theirs.state_dict().items():
        swin[f'layers.0.downsample.{name}'] = tensor
    ours = PatchMerging(8, 16)
    prefix = 'stages.0.downsample.'
    converted = convert_swin({'model': swin}, 'x.pth')
    ours.load_state_dict(
        {
            name.removeprefix(prefix): tensor
            for name, tensor in converted.items()
            if name.startswith(prefix)
        }
    )
    x = torch.randn(2, 4, 6, 8)
    out, size = ours(x.flatten(1, 2), (4, 6))
    assert size == (2, 3)
    torch.testing.assert_close(out, theirs(x).flatten(1, 2))


def test_swin_fills_the_network(swin):
    converted = convert_swin({'model': swin}, 'x.pth')
    own = our_swin().state_dict()
    assert set(converted) == set(own)
    for name, tensor in converted.items():
        assert tensor.shape == own[name].shape, name
        if name.endswith(INDEX):
            assert torch.equal(tensor, own[name])
    assert torch.equal(converted['norm3.bias'], swin['norm.bias'])
    assert torch.equal(
        converted['stages.2.blocks.1.attn.w_msa.qkv.weight'],
        swin['layers.2.blocks.1.attn.qkv.weight'],
    )
    assert torch.equal(
        converted['stages.3.blocks.0.ffn.layers.0.0.bias'],
        swin['layers.3.blocks.0.mlp.fc1.bias'],
    )


def test_swin_names_what_does_not_map(swin):
    del swin['layers.1.downsample.norm.weight']
    swin['layers.0.blocks.0.attn.logit_scale'] = torch.zeros(1)
    message = r"\['layers.1.downsample.norm.weight'\].*attn.logit_scale"
    with pytest.raises(
        KeyError, match=f"x.pth .* Microsoft's Swin.*{message}"
    ):
        convert_swin({'model': swin}, 'x.pth')


def our_pvt():
    pvt = PyramidVisionTransformer(
        pretrain_img_size=64,
        embed_dims=4,
        num_layers=[2, 1, 3, 1],
        num_heads=[1, 2, 2, 4],
        mlp_ratios=[2, 2, 1, 1],
        convert_weights=False,
    )
    return pvt.eval()


@pytest.fixture
def pvt(randomize):
    """A small PVT with the names and shapes of its authors."""
    ours = randomize(our_pvt()).state_dict()
    weights = {}
    reduced = [True, True, True, False]
    for theirs, mine in pvt_names([2, 1, 3, 1], reduced).items():
        tensor = ours[mine]
        if '.in_proj.' in theirs:
            q, kv = tensor.split([len(tensor) // 3, len(tensor) * 2 // 3])
            weights[theirs.replace('in_proj', 'q')] = q
            weights[theirs.replace('in_proj', 'kv')] = kv
        else:
            linear = '.mlp.' in theirs and theirs.endswith('.weight')
            weights[theirs] = tensor.flatten(1) if linear else tensor
    # the entry of the class token, at a grid of 2 x 2 in place of 7 x 7
    first = torch.full((1, 1, 16), 9.0)
    weights['pos_embed4'] = torch.cat([first, weights['pos_embed4']], dim=1)
    weights['cls_token'] = torch.zeros(1, 1, 16)
    for name in ('norm.weight', 'norm.bias', 'head.weight', 'head.bias'):
        weights[name] = torch.zeros(16)
    return weights


def test_pvt_equals_what_mmdet_makes_of_it(pvt):
    ours = convert_pvt(pvt, 'x.pth')
    assert ours['layers.3.1.0.pos_embed'].shape == (1, 4, 16)
    assert 9 not in ours['layers.3.1.0.pos_embed']
    pvt['pos_embed4'] = pvt['pos_embed4'][:, 1:]  # mmdet knows 7 x 7 only
    theirs = pvt_convert(pvt)
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name
    our_pvt().load_state_dict(ours)


@pytest.mark.parametrize('wrapper', ['model', 'state_dict'])
def test_pvt_takes_any_wrapper(pvt, wrapper):
    ours = convert_pvt({wrapper: pvt}, 'x.pth')
    assert set(ours) == set(our_pvt().state_dict())


def test_pvt_names_what_does_not_map(pvt):
    del pvt['block3.1.attn.kv.bias'], pvt['block2.0.attn.sr.weight']
    pvt['block1.0.mlp.dwconv.dwconv.bias'] = torch.zeros(1)
    message = r"\['block2.0.attn.sr.weight', 'block3.1.attn.kv.bias'\].*dwconv"
    with pytest.raises(KeyError, match=f'x.pth does not hold PVT.*{message}'):
        convert_pvt(pvt, 'x.pth')


@pytest.mark.parametrize('depth', [18, 50])
def test_resnet_gives_the_same_features(depth):
    torch.manual_seed(0)
    network = torchvision.models.get_model(f'resnet{depth}').eval()
    for name, buffer in network.named_buffers():
        if 'running' in name:
            buffer.uniform_(0.5, 1.5)
    ours = ResNet(
        depth=depth,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
    )
    ours.load_state_dict(convert_torchvision(network.state_dict(), 'x.pth'))
    ours.eval()
    image = torch.randn(1, 3, 32, 32)
    x = network.relu(network.bn1(network.conv1(image)))
    x = network.layer3(network.layer2(network.layer1(network.maxpool(x))))
    (feature,) = ours(image)
    assert feature.shape[2:] == (2, 2)
    torch.testing.assert_close(feature, x)


def test_resnet_needs_no_counters_but_everything_else():
    weights = torchvision.models.resnet18(num_classes=2).state_dict()
    weights = {k: t for k, t in weights.items() if 'num_batches' not in k}
    assert len(convert_torchvision(weights, 'x.pth')) == 75
    del weights['layer3.0.downsample.0.weight']
    weights['classifier.bias'] = torch.zeros(1)
    message = r"\['layer3.0.downsample.0.weight'\].*\['classifier.bias'\]"
    with pytest.raises(KeyError, match=message):
        convert_torchvision(weights, 'x.pth')
