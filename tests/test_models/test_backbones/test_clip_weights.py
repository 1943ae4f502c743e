import hashlib
import shutil

import pytest
import torch
from torch import nn

from mmsimtrack.models import JointViT
from mmsimtrack.models.backbones import clip_weights
from mmsimtrack.registry import MODELS

WIDTH, LAYERS = 16, 2


class Archive(nn.Module):
    """Parameters under given names, to be scripted."""

    def __init__(self, tensors):
        super().__init__()
        for name, tensor in tensors.items():
            *path, leaf = name.split('.')
            module = self
            for part in path:
                if not hasattr(module, part):
                    module.add_module(part, nn.Module())
                module = getattr(module, part)
            module.register_parameter(leaf, nn.Parameter(tensor))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture
def network():
    torch.manual_seed(0)
    return dict(
        type='JointViT',
        arch=dict(
            embed_dims=WIDTH,
            num_layers=LAYERS,
            num_heads=2,
            feedforward_channels=32,
        ),
        patch_size=16,
        img_size=32,
        pre_norm=True,
        tokenizer=dict(foveal_size=16),
    )


@pytest.fixture
def clip(network):
    """Weights of a small CLIP, fp16, text tower included."""
    shapes = {
        k: v.shape for k, v in JointViT(**_args(network)).state_dict().items()
    }
    tensors = {'token_embedding.weight': torch.zeros(3, 2)}
    for name, ours in clip_weights.clip_vit_names(LAYERS).items():
        shape = shapes[ours]
        if ours == 'cls_token':
            shape = shape[2:]
        elif ours == 'pos_embed':
            shape = shape[1:]
        tensors[f'visual.{name}'] = torch.randn(shape).half()
    tensors['visual.proj'] = torch.randn(WIDTH, 8).half()
    return tensors


def _args(network):
    return {k: v for k, v in network.items() if k != 'type'}


@pytest.fixture
def url(clip, tmp_path, monkeypatch):
    """Address of an archive; a fake hub serves it."""
    path = tmp_path / 'archive.pt'
    torch.jit.script(Archive(clip)).save(str(path))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    calls = []

    def download(url, target, hash_prefix):
        assert hash_prefix == sha256
        calls.append(url)
        shutil.copy(path, target)

    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    monkeypatch.setattr(clip_weights, 'DOWNLOADS', calls, raising=False)
    return f'clip+https://example.org/clip/models/{sha256}/ViT.pt'


def test_a_config_loads_the_archive_by_url(network, clip, url):
    network['init_cfg'] = dict(type='Pretrained', checkpoint=url)
    model = MODELS.build(network)
    model.init_weights()
    layer = model.layers[1]
    name = 'visual.transformer.resblocks.1.attn.in_proj_weight'
    assert torch.equal(layer.attn.qkv.weight, clip[name].float())
    assert torch.equal(
        model.cls_token[0, 0], clip['visual.class_embedding'].float()
    )
    assert torch.equal(model.ln1.bias, clip['visual.ln_post.bias'].float())


def test_the_file_is_kept_and_checked(url, tmp_path):
    first = clip_weights.load_clip(url)['state_dict']
    again = clip_weights.load_clip(url)['state_dict']
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert clip_weights.DOWNLOADS == [url.removeprefix('clip+')]
    (kept,) = (tmp_path / 'hub').rglob('ViT.pt')
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(ValueError, match='ViT.pt has sha256 .* Delete the'):
        clip_weights.load_clip(url)


def test_an_address_without_hash_is_refused():
    with pytest.raises(ValueError, match='names no sha256'):
        clip_weights.load_clip('clip+https://example.org/ViT.pt')


def test_a_missing_weight_is_named(clip):
    del clip['visual.ln_post.bias']
    with pytest.raises(KeyError, match=r"missing \['ln_post.bias'\]"):
        clip_weights.convert_clip(clip, 'x.pt')
