import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmsimtrack.registry import MODELS
from mmsimtrack.visualization import attention_layers, record_attention

VIT = dict(
    arch=dict(
        embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=16
    ),
    img_size=128,
    patch_size=16,
)
INTERACTION = dict(embed_dims=16, num_layers=2, num_heads=2, dropout=0.1)
BACKBONES = {
    'JointViT': dict(type='JointViT', tokenizer=dict(foveal_size=16), **VIT),
    'JointViT, every 2nd': dict(
        type='JointViT',
        tokenizer=dict(foveal_size=16),
        interaction_every=2,
        **VIT,
    ),
    'OneWayViT': dict(type='OneWayViT', tokenizer=dict(foveal_size=16), **VIT),
    'JointSwin': dict(
        type='JointSwin',
        arch=dict(embed_dims=8, depths=[2, 1, 1, 1], num_heads=[1, 2, 2, 2]),
    ),
    'JointPVT': dict(
        type='JointPVT',
        embed_dims=8,
        num_layers=[1, 1, 1, 1],
        num_heads=[1, 2, 2, 2],
        mlp_ratios=[1, 1, 1, 1],
    ),
    'Siamese ViT': dict(
        type='Siamese',
        features=dict(
            type='mmpretrain.VisionTransformer', out_type='featmap', **VIT
        ),
        interaction=INTERACTION,
    ),
    'Siamese ResNet': dict(
        type='Siamese',
        features=dict(
            type='mmpretrain.ResNet',
            depth=18,
            base_channels=4,
            stem_channels=4,
            num_stages=3,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=(2,),
            norm_eval=True,
        ),
        interaction=INTERACTION,
    ),
}
BBOX = torch.tensor([[0.3, 0.25, 0.7, 0.8], [0.4, 0.3, 0.6, 0.7]])
every_backbone = pytest.mark.parametrize('name', BACKBONES)


def build(name):
    torch.manual_seed(0)
    backbone = MODELS.build(BACKBONES[name])
    # what starts at zero would hide mistakes; and larger weights make
    # attention less uniform
    for parameter in backbone.parameters():
        nn.init.normal_(parameter, std=0.3)
    return backbone


def make_inputs():
    generator = torch.Generator().manual_seed(1)
    return {
        'exemplar': torch.randn(2, 3, 64, 64, generator=generator),
        'exemplar_bbox': BBOX,
        'search': torch.randn(2, 3, 128, 128, generator=generator),
    }


def run_with(backbone, module, inputs):
    """What enters a module: positional or named arguments of each call."""
    calls = []
    hook = module.register_forward_pre_hook(
        lambda _, args, kwargs: calls.append(kwargs or args[0]),
        with_kwargs=True,
    )
    backbone.eval()
    with torch.no_grad():
        memory = backbone.embed_exemplar(
            inputs['exemplar'], inputs['exemplar_bbox']
        )
        backbone(memory, inputs['search'])
    hook.remove()
    return calls, memory


def eq_8(query, key, weight, bias, num_heads, exemplar, num_search):
    """Loops instead of tensors of heads: (N, C), (M, C) -> (num_search,)."""
    channels = query.shape[-1]
    q = F.linear(query, weight[:channels], bias[:channels])[-num_search:]
    k = F.linear(
        key, weight[channels : 2 * channels], bias[channels : 2 * channels]
    )
    d = channels // num_heads
    total = 0
    for head in range(num_heads):
        part = slice(head * d, (head + 1) * d)
        scores = (q[:, part] @ k[:, part].T / d**0.5).exp()
        total = total + scores[:, exemplar].sum(1) / scores.sum(1)
    return total / num_heads / len(range(len(key))[exemplar])


@pytest.mark.parametrize('layer', [1, 2, 3])
@pytest.mark.parametrize(
    'name, exemplar',
    [
        ('JointViT', slice(17)),
        ('JointViT, every 2nd', slice(17)),
        ('OneWayViT', slice(17)),
        ('Siamese ViT', slice(1, 17)),  # behind the class token
    ],
)
def test_vit_maps_are_eq_8(name, exemplar, layer):
    backbone, inputs = build(name), make_inputs()
    vit = getattr(backbone, 'features', backbone)
    block = vit.layers[layer - 1]
    calls, _ = run_with(backbone, block.ln1, inputs)
    calls.sort(key=lambda call: call.shape[1])  # the exemplar is smaller
    maps = record_attention(backbone, inputs, [layer])
    assert list(maps) == [layer] and maps[layer].shape == (2, 8, 8)
    tokens = F.layer_norm(
        torch.cat(calls, 1),
        (16,),
        block.ln1.weight,
        block.ln1.bias,
        vit.ln1.eps,
    )
    for image, row in enumerate(tokens.detach()):
        expected = eq_8(
            row, row, *block.attn.qkv.parameters(), 2, exemplar, 64
        )
        torch.testing.assert_close(
            maps[layer][image], expected.detach().view(8, 8)
        )


@pytest.mark.parametrize(
    'name, module, layer, side',
    [
        ('JointPVT', 'layers.0.1.1.attn.attn', 1, 32),
        ('JointPVT', 'layers.1.1.1.attn.attn', 2, 16),
        ('JointPVT', 'layers.3.1.1.attn.attn', 4, 4),
        (
            'Siamese ResNet',
            'interaction.encoder.layers.1.self_attn.attn',
            2,
            8,
        ),
    ],
)
def test_maps_of_library_attention_are_eq_8(name, module, layer, side):
    backbone, inputs = build(name), make_inputs()
    module = backbone.get_submodule(module)
    (call,), _ = run_with(backbone, module, inputs)
    grid = record_attention(backbone, inputs, [layer])[layer]
    assert grid.shape == (2, side, side)
    # reduced by 8, 4, 2, 1 in PVT
    num_keys = {32: 16, 16: 16, 4: 16, 8: 64}[side]
    query, key = call['query'], call['key']
    if not module.batch_first:
        query, key = query.transpose(0, 1), key.transpose(0, 1)
    expected = [
        eq_8(
            q,
            k,
            module.in_proj_weight,
            module.in_proj_bias,
            module.num_heads,
            slice(len(k) - num_keys),
            side**2,
        )
        for q, k in zip(query, key)
    ]
    torch.testing.assert_close(grid.flatten(1), torch.stack(expected).detach())


@pytest.mark.parametrize('layer, shift', [(1, 0), (2, 3)])
def test_swin_map_counts_window_and_exemplar(layer, shift):
    """Token by token; 32 x 32 cells are padded to 35 x 35, five windows."""
    backbone, inputs = build('JointSwin'), make_inputs()
    block = backbone.stages[0].blocks[layer - 1]
    msa = block.attn.w_msa
    calls, memory = run_with(backbone, block.norm1, inputs)
    tokens = block.norm1(calls[-1])[1].detach()  # second image, one head
    query, key, _ = msa.qkv(tokens).detach().chunk(3, dim=-1)
    pooled = memory[layer - 1][1, 0, 0]
    grid = record_attention(backbone, inputs, [layer])[layer][1]
    assert grid.shape == (32, 32)
    table = msa.relative_position_bias_table.detach()[:, 0]
    for y, x in [(0, 0), (2, 20), (4, 5), (16, 9), (31, 1), (30, 31)]:
        scores = []
        for v in range(32):
            for u in range(32):
                rows = ((v - shift) % 35, (y - shift) % 35)
                columns = ((u - shift) % 35, (x - shift) % 35)
                same = rows[0] // 7 == rows[1] // 7
                same &= columns[0] // 7 == columns[1] // 7
                # rolled in from the other side
                same &= (v < shift) == (y < shift)
                same &= (u < shift) == (x < shift)
                if same:
                    own = rows[1] % 7 * 7 + columns[1] % 7
                    other = rows[0] % 7 * 7 + columns[0] % 7
                    bias = table[msa.relative_position_index[own, other]]
                    dot = query[32 * y + x] @ key[32 * v + u]
                    scores.append(dot / 8**0.5 + bias)
        of_exemplar = (query[32 * y + x] @ pooled.T / 8**0.5).exp()
        window = torch.stack(scores).exp().sum()
        expected = of_exemplar.mean() / (of_exemplar.sum() + window)
        torch.testing.assert_close(grid[y, x], expected.detach())


@pytest.mark.parametrize(
    'name',
    # a cell of a CNN sees its neighbours
    [name for name in BACKBONES if name != 'Siamese ResNet'],
)
def test_a_change_shows_where_it_is(name):
    """Rows are not columns, and every grid covers the whole crop."""
    backbone, inputs = build(name), make_inputs()
    before = record_attention(backbone, inputs, [1])[1]
    inputs['search'][:, :, 80:96, 32:48] *= -1
    after = record_attention(backbone, inputs, [1])[1]
    change = (after - before).abs()
    change = F.interpolate(change[:, None], (8, 8), mode='area').flatten(1)
    assert change.argmax(1).tolist() == [8 * 5 + 2] * 2


@every_backbone
def test_network_is_left_as_it_was(name):
    backbone, inputs = build(name), make_inputs()
    backbone.train()
    modes = [module.training for module in backbone.modules()]
    maps = record_attention(backbone, inputs)
    again = record_attention(backbone, inputs)
    for layer, grid in maps.items():
        # no dropout
        torch.testing.assert_close(grid, again[layer], rtol=0, atol=0)
        assert not grid.requires_grad
        assert 0 < grid.min() and grid.max() < 1
    assert [module.training for module in backbone.modules()] == modes
    assert not any(module._forward_hooks for module in backbone.modules())


@every_backbone
def test_fast_path_of_torch_changes_nothing(name):
    backbone, inputs = build(name), make_inputs()
    assert torch.backends.mha.get_fastpath_enabled()
    fast = record_attention(backbone, inputs)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        slow = record_attention(backbone, inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert list(fast) == list(slow)
    for layer in fast:
        torch.testing.assert_close(fast[layer], slow[layer])


def test_hooks_and_modes_come_back_after_an_error():
    backbone, inputs = build('JointViT').train(), make_inputs()
    inputs['search'] = inputs['search'][:, :2]  # two channels
    with pytest.raises(RuntimeError, match='channels'):
        record_attention(backbone, inputs)
    assert all(module.training for module in backbone.modules())
    assert not any(module._forward_hooks for module in backbone.modules())


@pytest.mark.parametrize(
    'num_layers, expected',
    [
        (12, [2, 4, 6, 8, 10, 12]),
        (24, [4, 8, 12, 16, 20, 24]),
        (8, [1, 3, 4, 5, 7, 8]),
        (28, [5, 9, 14, 19, 23, 28]),
        (6, [1, 2, 3, 4, 5, 6]),
        (4, [1, 2, 3, 4]),
        (1, [1]),
    ],
)
def test_default_layers_end_with_the_last(num_layers, expected):
    assert attention_layers(num_layers) == expected


@pytest.mark.parametrize('layers, found', [([2, 0, 4], '0, 4'), ([], 'no n')])
def test_wrong_layers_are_refused(layers, found):
    with pytest.raises(
        ValueError, match=rf'found {found}.* 3 layers .*from 1 to 3\.'
    ):
        record_attention(build('JointViT'), make_inputs(), layers)


def test_a_model_without_probes_is_refused():
    with pytest.raises(TypeError, match='Linear has no attention_probes'):
        record_attention(nn.Linear(1, 1), make_inputs())


def test_layers_come_in_the_order_asked_for():
    maps = record_attention(build('JointViT'), make_inputs(), np.array([3, 1]))
    assert list(maps) == [3, 1]
