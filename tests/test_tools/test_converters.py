"""The converters of pre-trained backbones and of the official code."""

import os
import sys
from collections import OrderedDict

import backbone_to_mmsimtrack
import official_simtrack_to_mmsimtrack
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from small_models import SIMTRACK

from mmsimtrack.models.weights.official import SIMTRACK as simtrack
from mmsimtrack.registry import MODELS

PROJ = 'backbone.visual.proj'


class Network(torch.nn.Module):
    """A small SimTrack, without what tracks."""

    def __init__(self):
        super().__init__()
        options = dict(SIMTRACK['backbone'], img_size=32, pre_norm=True)
        self.backbone = MODELS.build(options)
        head = dict(SIMTRACK['head'], in_channels=16, channels=32)
        self.head = MODELS.build(head)


@pytest.fixture
def run(monkeypatch, tmp_path, run_tool):
    """A function that runs a tool on files of a folder."""
    monkeypatch.chdir(tmp_path)
    return run_tool


@pytest.fixture
def convert(run):
    """A function that runs the converter of the official code."""
    return lambda *args: run(official_simtrack_to_mmsimtrack, *args)


@pytest.fixture
def official():
    """A small network in official names."""
    ours = Network().state_dict()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in ours.items():
        if tensor.is_floating_point():
            ours[name] = torch.rand(tensor.shape, generator=generator)
    unused = {PROJ: torch.rand(16, 4)}
    return simtrack.to_official(ours, unused, 'x')


class Evil:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ('victim',)


def net(weights):
    """As the official training code saves it."""
    meter, settings = (sys.modules['lib'].AverageMeter() for _ in range(2))
    stats = OrderedDict(train=OrderedDict(loss=meter))
    file = {'epoch': 500, 'net': OrderedDict(weights), 'optimizer': {}}
    return file | {'stats': stats, 'settings': settings}


def state_dict(weights):
    state = {f'module.{k}': t for k, t in weights.items()}
    return {'epoch': 3, 'state_dict': state, 'optimizer': {}}


def compiled(weights):
    return {'model': {f'module._orig_mod.{k}': t for k, t in weights.items()}}


def uncounted(weights):
    return {k: t for k, t in weights.items() if 'num_batches' not in k}


def nested(weights):
    return {'state_dict': net(weights)}


WRAPPERS = [dict, net, state_dict, compiled, uncounted, nested]


@pytest.fixture
def lib(monkeypatch):
    """The package of the official code, while a file is written."""
    kind = type('AverageMeter', (), {'__module__': 'lib'})
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'lib', type(sys)('lib'))
        sys.modules['lib'].AverageMeter = kind
        yield


@pytest.mark.parametrize('wrap', WRAPPERS)
def test_there_and_back(official, tmp_path, convert, wrap, lib, capsys):
    torch.save(wrap(official), tmp_path / 'src.pth')
    del sys.modules['lib']
    convert('src.pth', 'new/ours.pth')
    assert 'tensors: src.pth -> new/ours.pth' in capsys.readouterr().out
    ours = torch.load(tmp_path / 'new/ours.pth', weights_only=True)
    assert list(ours['meta']['unused']) == [PROJ]
    model = Network()
    model.load_state_dict(ours['state_dict'])
    # the file itself does as well, through its format or without
    for address in ('simtrack+src.pth', 'src.pth'):
        loaded = CheckpointLoader.load_checkpoint(address)['state_dict']
        model.load_state_dict(loaded)
        for name, tensor in ours['state_dict'].items():
            assert torch.equal(loaded[name], tensor), name
    convert('new/ours.pth', 'back.pth', '--reverse')
    assert 'left out' not in capsys.readouterr().out
    back = torch.load(tmp_path / 'back.pth', weights_only=True)['net']
    expected = uncounted(official) if wrap is uncounted else official
    assert set(back) == set(expected)
    for name, tensor in expected.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor), name


def test_our_checkpoint_converts_back(official, tmp_path, convert, capsys):
    ours, _ = simtrack.to_ours(official, 'x')
    log = {'loss': HistoryBuffer([0.5], [1])}
    torch.save({'state_dict': ours, 'message_hub': log}, tmp_path / 'a.pth')
    convert('a.pth', 'b.pth', '--reverse')
    assert f'{PROJ} is not in a.pth, so it' in capsys.readouterr().out
    back = torch.load(tmp_path / 'b.pth', weights_only=True)['net']
    assert set(back) == set(official) - {PROJ}


def test_a_key_too_many_or_too_few_is_refused_by_name(official, convert):
    ours, unused = simtrack.to_ours(official, 'x')
    unused['bottleneck.weight'] = torch.zeros(4, 8)
    with pytest.raises(KeyError, match='bottleneck.weight'):
        simtrack.to_official(ours, unused, 'x')
    layer = 'backbone.visual.transformer.resblocks.0.'
    del official['box_head.conv1_tl.0.bias'], official[f'{layer}ln_1.weight']
    official['backbone.extra'] = torch.zeros(1)
    message = rf"\['{layer}ln_1.weight', 'box_head.conv1_tl.0.bias'\]; 1 are u"
    with pytest.raises(KeyError, match=message + ".*'backbone.extra'"):
        simtrack.to_ours(official, 'x.pth')


def test_beginnings_are_renamed(official, tmp_path, convert):
    names = {
        k.replace('backbone.visual.', 'vit.').replace('box_head.', 'x.h.'): t
        for k, t in official.items()
    }
    torch.save(names, tmp_path / 'src.pth')
    with pytest.raises(KeyError, match=r'--rename OLD=NEW'):
        convert('src.pth', 'ours.pth')
    old_new = '--rename', 'vit.=backbone.visual.', '--rename', 'x.h.=box_head.'
    convert('src.pth', 'ours.pth', *old_new)
    found = torch.load(tmp_path / 'ours.pth', weights_only=True)
    assert set(found['state_dict']) == set(simtrack.to_ours(official, '')[0])


def test_where_nothing_fits_all_are_listed(tmp_path, convert):
    """With their shapes, and those of like layers once."""
    weights = {'vit.1.x': torch.zeros(3, 2), 'vit.12.x': torch.zeros(3, 2)}
    weights |= {f'a.{i}': torch.zeros(i, 2) for i in range(300)}
    torch.save(weights, tmp_path / 'src.pth')
    with pytest.raises(KeyError) as info:
        convert('src.pth', 'ours.pth')
    message = str(info.value)
    assert '\n  vit.1.x (3, 2), 2 alike\n' in message
    assert 'vit.12.' not in message
    for i in range(199):
        assert f'\n  a.{i} ({i}, 2)\n' in message
    assert '\n  ... (302 in all)\n' in message


@pytest.mark.parametrize('tool', ['official_simtrack', 'backbone'])
def test_no_code_runs_without_trust(official, tmp_path, tool, run):
    file = {'net': official, 'x': Evil()}
    torch.save(file, tmp_path / 'src.pth')
    module = sys.modules[f'{tool}_to_mmsimtrack']
    args = [] if tool == 'official_simtrack' else ['simtrack']
    message = 'posix.mkdir, and loading them runs code.*add --trust-checkpoint'
    with pytest.raises(ValueError, match=f'(?s){message}'):
        run(module, *args, 'src.pth', 'dst.pth')
    assert os.listdir(tmp_path) == ['src.pth']
    run(module, *args, 'src.pth', 'dst.pth', '--trust-checkpoint')
    assert {'victim', 'dst.pth'} < set(os.listdir(tmp_path))


def test_a_backbone(tmp_path, run, capsys):
    names = 'cls_token', 'pos_embed', 'blocks.0.norm1.bias', 'head.bias'
    deit = {'model': {name: torch.rand(50, 16) for name in names}}
    torch.save(deit, tmp_path / 'deit.pth')
    run(backbone_to_mmsimtrack, 'timm', 'deit.pth', 'new/dst.pth')
    assert 'Converted 3 tensors: deit.pth -> ' in capsys.readouterr().out
    written = torch.load(tmp_path / 'new/dst.pth', weights_only=True)
    assert list(written) == ['state_dict']
    ours = {'cls_token', 'pos_embed', 'layers.0.ln1.bias'}
    assert set(written['state_dict']) == ours
    with pytest.raises(SystemExit):
        run(backbone_to_mmsimtrack, 'foo', 'a.pth', 'b.pth')
    assert "invalid choice: 'foo'" in capsys.readouterr().err
