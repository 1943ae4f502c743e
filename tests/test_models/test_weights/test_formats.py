import argparse
import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from torch import nn

from mmsimtrack.models.weights import (
    FORMATS,
    formats,
    load_weights,
    trust_checkpoints,
)
from mmsimtrack.models.weights.downloads import split_hash
from mmsimtrack.models.weights.vit import clip_vit_names
from mmsimtrack.registry import MODELS


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
def clip_file(joint_vit, tmp_path):
    """A small CLIP as it is published: TorchScript, fp16."""
    joint_vit['pre_norm'] = True
    own = MODELS.build(joint_vit).state_dict()
    tensors = {
        f'visual.{theirs}': torch.randn(own[mine].shape).half()
        for theirs, mine in clip_vit_names(2).items()
    }
    for name in ('class_embedding', 'positional_embedding'):
        tensors[f'visual.{name}'] = tensors[f'visual.{name}'].squeeze()
    tensors['visual.proj'] = torch.randn(16, 8).half()
    tensors['token_embedding.weight'] = torch.zeros(3, 2)
    path = tmp_path / 'ViT.pt'
    torch.jit.script(Archive(tensors)).save(str(path))
    return path, tensors


@pytest.fixture
def timm_file(timm_vit, tmp_path):
    """A small MAE as it is published."""
    path = tmp_path / 'mae.pth'
    torch.save({'model': timm_vit.state_dict()}, path)
    return path


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """torch's hub folder; `hub.files` are the files in the network."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    served = {}

    class Answer:
        def __init__(self, request, timeout):
            self.file = open(served[request.full_url], 'rb')
            self.read, self.headers = self.file.read, {}

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.file.close()

    monkeypatch.setattr('mmsimtrack.models.weights.downloads.urlopen', Answer)
    return served


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_config_loads_clip_by_its_address(joint_vit, clip_file, hub):
    path, tensors = clip_file
    url = f'https://example.org/clip/models/{sha256(path)}/ViT.pt'
    hub[url] = path
    joint_vit['init_cfg'] = dict(type='Pretrained', checkpoint=f'clip+{url}')
    model = MODELS.build(joint_vit)
    model.init_weights()
    name = 'visual.transformer.resblocks.1.attn.in_proj_weight'
    assert torch.equal(model.layers[1].attn.qkv.weight, tensors[name].float())
    assert torch.equal(
        model.cls_token[0, 0], tensors['visual.class_embedding'].float()
    )
    assert torch.equal(model.ln1.bias, tensors['visual.ln_post.bias'].float())


def test_clip_needs_a_hash_but_for_local_files(clip_file):
    for url in ('ViT.pt', 'ViT.pt#md5=012345', 'ViT.pt#sha256=012345'):
        with pytest.raises(ValueError, match='names no whole sha256'):
            load_weights('clip', f'https://example.org/{url}')
    assert load_weights('clip', str(clip_file[0]))['cls_token'].shape == (
        (1, 1, 16)
    )


@pytest.mark.parametrize('way', ['https', 'file://', 'path', 'home'])
def test_a_config_loads_mae(
    joint_vit, timm_file, timm_vit, hub, way, monkeypatch
):
    hub['https://example.org/mae.pth'] = timm_file
    monkeypatch.setenv('HOME', str(timm_file.parent))
    source = {
        'https': f'https://example.org/mae.pth#sha256={sha256(timm_file)[:8]}',
        'file://': f'file://{timm_file}',
        'path': str(timm_file),
        'home': '~/mae.pth',
    }[way]
    joint_vit['init_cfg'] = dict(
        type='Pretrained', checkpoint=f'timm+{source}'
    )
    model = MODELS.build(joint_vit)
    model.init_weights()
    assert torch.equal(model.pos_embed, timm_vit.pos_embed)
    assert torch.equal(
        model.layers[1].ffn.layers[1].weight, timm_vit.blocks[1].mlp.fc2.weight
    )


def test_slip_comes_with_its_settings(timm_vit, tmp_path):
    state = timm_vit.state_dict()
    checkpoint = {
        'state_dict': {f'module.visual.{k}': t for k, t in state.items()},
        'args': argparse.Namespace(lr=0.1, output_dir=Path('a')),
    }
    torch.save(checkpoint, tmp_path / 'slip.pt')
    weights = load_weights('timm', str(tmp_path / 'slip.pt'))
    assert torch.equal(weights['ln1.weight'], timm_vit.norm.weight)
    with pytest.raises(ValueError, match='Python objects'):
        load_weights('mmpretrain', str(tmp_path / 'slip.pt'))


@pytest.mark.parametrize(
    'format_', [f for f in FORMATS if f not in ('clip', 'dinov2')]
)
def test_every_format_has_its_scheme(format_, tmp_path):
    path = tmp_path / 'x.pth'
    torch.save({'state_dict': {'module.strange': torch.zeros(1)}}, path)
    message = r"x.pth does not hold .*unknown \['strange'\]"
    with pytest.raises(KeyError, match=message):
        CheckpointLoader.load_checkpoint(f'{format_}+{path}')


def test_an_unknown_format_names_the_known_ones():
    message = 'foo is no format of weights. Expected one of clip, timm, mmpret'
    with pytest.raises(ValueError, match=message):
        CheckpointLoader.load_checkpoint('foo+https://example.org/x.pth')


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match='/a/x.pth does not exist'):
        CheckpointLoader.load_checkpoint('timm+/a/x.pth')


def test_a_checkpoint_by_address_is_loaded_safely(hub, tmp_path):
    path = tmp_path / 'x.pth'
    hub['https://example.org/x.pth'] = path
    torch.save({'state_dict': {'a': torch.ones(1)}}, path)
    load = CheckpointLoader.load_checkpoint
    assert load('https://example.org/x.pth')['state_dict']['a'] == 1
    (kept,) = (tmp_path / 'hub').rglob('x.pth')
    torch.save({'path': Path('a')}, path)
    shutil.copy(path, kept)
    with pytest.raises(ValueError, match='add --trust-checkpoint'):
        load('https://example.org/x.pth')
    with trust_checkpoints():
        assert load('https://example.org/x.pth')['path'] == Path('a')


@pytest.mark.parametrize(
    'address',
    [
        'torchvision://resnet50',
        'modelzoo://resnet50',
        'open-mmlab://x',
        'openmmlab://x',
        'mmcls://x',
        's3://bucket/x.pth',
        'a:petrel://bucket/x.pth',
        'pavi://x',
    ],
)
def test_other_schemes_of_mmengine_need_trust(address):
    message = 'mmengine loads this kind of address so that code in the file'
    with pytest.raises(ValueError, match=f'{address}: {message}'):
        CheckpointLoader.load_checkpoint(address)


def test_trusted_schemes_are_those_of_mmengine(monkeypatch):
    schemes = dict(CheckpointLoader._schemes)
    monkeypatch.setattr(CheckpointLoader, '_schemes', schemes)
    CheckpointLoader.register_scheme('mine://', lambda name, where: name)
    formats._ask_for_trust('mine://')
    with pytest.raises(ValueError, match='trust'):
        CheckpointLoader.load_checkpoint('mine://x')
    with trust_checkpoints():
        assert CheckpointLoader.load_checkpoint('mine://x') == 'mine://x'


CONFIGS = Path(__file__).parents[3] / 'configs/_base_/models'


@pytest.mark.parametrize(
    'path', sorted(CONFIGS.glob('*.py')), ids=lambda p: p.stem
)
def test_addresses_in_configs_are_understood(path):
    model = Config.fromfile(path).get('model', {})
    backbone = model.get('backbone', {})
    for part in (backbone, backbone.get('features', {})):
        if (part.get('init_cfg') or {}).get('checkpoint'):
            address = part.init_cfg.checkpoint
            format_, _, url = address.partition('+')
            assert format_ in FORMATS
            url, _, digits = split_hash(url)
            assert url.startswith('https://')
            assert digits or format_ != 'clip'
