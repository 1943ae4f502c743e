"""DINOv2 in `JointViT`: other patches, grids and depths, and ONNX files."""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from mmsimtrack.models import JointViT
from mmsimtrack.models.weights import load_weights

from .networks import ARCH, ViT, dinov2_weights
from .test_rename import hugging_face

GRID = 5


@pytest.fixture
def theirs():
    """Weights as Meta names them."""
    return dinov2_weights(ViT(14, GRID))


@pytest.fixture
def address(theirs, tmp_path):
    """Address of a file as Meta writes it."""
    torch.save(theirs, tmp_path / 'dino.pth')
    return f'dinov2+{tmp_path / "dino.pth"}'


def build(checkpoint, patch=14, grid=GRID, num_layers=2, **kwargs):
    """The network with the weights of a checkpoint."""
    options = dict(
        arch=ARCH | dict(num_layers=num_layers),
        img_size=patch * grid,
        patch_size=patch,
        layer_scale_init_value=1e-5,
        patch_cfg=dict(bias=True),
        norm_cfg=dict(type='LN', eps=1e-6),
        tokenizer=dict(foveal_size=patch),
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint),
    )
    backbone = JointViT(**options | kwargs)
    backbone.init_weights()
    return backbone.eval()


def test_first_layers_other_patches_and_grid(address, theirs):
    ours = build(address, patch=16, grid=3, num_layers=1).state_dict()
    kernel = theirs['patch_embed.proj.weight']
    kernel = F.interpolate(kernel, (16, 16), mode='bicubic') * (14 / 16) ** 2
    grid = theirs['pos_embed'][:, 1:].mT.unflatten(2, (GRID, GRID))
    grid = F.interpolate(grid, (3, 3), mode='bicubic', antialias=True)
    first = theirs['pos_embed'][:, :1]
    for name, expected in {
        'patch_embed.projection.weight': kernel,
        'pos_embed': torch.cat([first, grid.flatten(2).mT], 1),
        'layers.0.attn.gamma1.weight': theirs['blocks.0.ls1.gamma'],
        'ln1.bias': theirs['norm.bias'],
    }.items():
        torch.testing.assert_close(ours[name], expected)
    assert 'layers.1.ln1.weight' not in ours


def test_registers_and_networks_without_layer_scale(tmp_path, theirs, address):
    with pytest.raises(ValueError, match='gamma1'):
        build(address, layer_scale_init_value=0.0)
    weights = theirs | {'register_tokens': torch.zeros(1, 4, 16)}
    torch.save(weights, tmp_path / 'reg.pth')
    with pytest.raises(ValueError, match='register_tokens'):
        build(f'dinov2+{tmp_path / "reg.pth"}')


def test_patches_of_trained_networks_are_not_resized(address):
    whole = torch.nn.ModuleDict({'backbone': build(address, patch=16)})
    trained = build(address).state_dict()
    trained = {f'backbone.{name}': t for name, t in trained.items()}
    with pytest.raises(ValueError, match=r'patch_embed.*\(16, 3, 14, 14\)'):
        whole.load_state_dict(trained)


def exported(weights, onnx):
    """An ONNX graph as torch's exporter writes it: linear layers transposed,
    without names, and the positions in two parts."""
    numbers, tensors, nodes = iter(range(10**6)), {}, []
    for name, tensor in weights.items():
        if name.endswith('position_embeddings'):
            for part in tensor.split([1, GRID**2], dim=1):
                tensors[f'onnx::Part_{next(numbers)}'] = part
        elif tensor.ndim == 2 and name.endswith('weight'):
            number = next(numbers)
            tensors[f'onnx::MatMul_{number}'] = tensor.T
            pair = [f'y{number}', name.replace('weight', 'bias')]
            for kind, ins, out in (
                ('MatMul', [f'x{number}', f'onnx::MatMul_{number}'], pair[0]),
                ('Add', pair[:: 1 - 2 * (number % 2)], f'z{number}'),
            ):
                nodes.append(onnx.helper.make_node(kind, ins, [out]))
        else:
            tensors[name] = tensor
    tensors = [
        onnx.numpy_helper.from_array(tensor.numpy(), name)
        for name, tensor in tensors.items()
    ]
    graph = onnx.helper.make_graph(nodes, 'x', [], [], tensors)
    return onnx.helper.make_model(graph)


def test_onnx_files(tmp_path, theirs, address, monkeypatch):
    onnx = pytest.importorskip('onnx')
    path = str(tmp_path / 'dino.onnx')
    onnx.save(exported(hugging_face(theirs), onnx), path)
    found = load_weights('dinov2', path)
    expected = load_weights('dinov2', address.partition('+')[2])
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], expected[name]) for name in found)
    Path(path).write_bytes(b'no network')
    with pytest.raises(ValueError, match='cannot be read as an ONNX'):
        load_weights('dinov2', path)
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(ImportError, match='pip install onnx'):
        load_weights('dinov2', path)
