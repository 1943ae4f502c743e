"""Reading checkpoints by path and address, without running code in them."""

import argparse
import hashlib
import os
import pickle
import sys
import types
from collections import OrderedDict
from itertools import product
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from torch import nn

from mmsimtrack.models import JointViT
from mmsimtrack.models.weights import (
    FORMATS,
    download,
    load_model,
    load_weights,
    read_checkpoint,
    trust_checkpoints,
)
from mmsimtrack.models.weights.download import fetch, split_hash
from mmsimtrack.models.weights.load import SETTINGS, trusted

from .networks import ARCH, SIDE, ViT, clip_weights, timm_weights

load = CheckpointLoader.load_checkpoint


class Evil:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


SUBCLASS = '__init_subclass__'


class Settings:
    """A class that a checkpoint may hold for good reasons."""

    width = 7


# lengths of cut files
CUTS = [0, 1, 2, 10, 100, 1000, 4096, 10_000, 33_000, 66_000, -1]


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'x.pth'


@pytest.mark.parametrize('zipped', [True, False])
def test_a_training_is_read(path, zipped):
    checkpoint = {
        'state_dict': {'a': torch.arange(3.0)},
        'meta': {'epoch': 3, 'seed': None, 'names': ['a']},
        'message_hub': {'loss': HistoryBuffer([1.0, 2.0], [1, 1])},
        'mean': np.float64(0.5),
        'rates': np.arange(3, dtype=np.float32),
    }
    torch.save(checkpoint, path, _use_new_zipfile_serialization=zipped)
    new = b'numpy._core.multiarray'
    if not zipped:  # as numpy 1 wrote it
        assert new in path.read_bytes()
        old = path.read_bytes().replace(new, b'numpy.core.multiarray')
        path.write_bytes(old)
    read = read_checkpoint(path)
    assert torch.equal(read['state_dict']['a'], torch.arange(3.0))
    assert read['meta'] == checkpoint['meta']
    assert read['message_hub']['loss'].mean() == 1.5
    assert read['mean'] == 0.5
    assert read['rates'].tolist() == [0, 1, 2]


@pytest.fixture
def foreign(monkeypatch):
    """What the training code of STARK, SimTrack and OSTrack saves."""
    for name in ('lib', 'lib.train', 'lib.train.admin'):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))

    def make(name, **state):
        kind = type(name, (), {'__module__': 'lib.train.admin'})
        setattr(sys.modules['lib.train.admin'], name, kind)
        made = kind()
        made.__dict__.update(state)
        return made

    meter = make('AverageMeter', history=[1.0], sum=2)
    stats = OrderedDict(train=OrderedDict(loss=meter))
    settings = make('Settings', env=make('EnvironmentSettings', dir='a'))
    net = {'a': torch.ones(2)}
    return {'epoch': 500, 'net': net, 'stats': stats, 'settings': settings}


@pytest.mark.parametrize('trust', [True, False])
@pytest.mark.parametrize('zipped', [True, False])
def test_tracker_objects_are_inert(path, zipped, trust, foreign, monkeypatch):
    if trust:
        foreign['folder'] = Path('a')
    torch.save(foreign, path, _use_new_zipfile_serialization=zipped)
    for name in [name for name in sys.modules if name.startswith('lib')]:
        monkeypatch.delitem(sys.modules, name)
    with trust_checkpoints(trust):
        read = read_checkpoint(path)
    assert read['net']['a'].tolist() == [1, 1]
    assert not vars(read['settings'])
    assert not vars(read['stats']['train']['loss'])


@pytest.mark.filterwarnings('ignore:Detected pickle protocol 4')
@pytest.mark.parametrize('protocol', [2, 4])
@pytest.mark.parametrize('way', [read_checkpoint, load])
def test_no_code_runs_without_trust(path, protocol, way, foreign):
    victim = path.with_name('victim')
    foreign['x'] = Evil(os.mkdir, str(victim))
    torch.save(foreign, path, pickle_protocol=protocol)
    with pytest.raises(ValueError, match='x.pth '):
        way(str(path))
    assert not victim.exists()
    del foreign['stats'], foreign['settings']
    torch.save(foreign, path, pickle_protocol=protocol)
    name = {2: 'posix.mkdir', 4: 'those of a pickle'}[protocol]
    message = f'x.pth holds Python .* as {name}.*add --trust-checkpoint'
    with pytest.raises(ValueError, match=message):
        way(str(path))
    assert not victim.exists()
    with trust_checkpoints():
        way(str(path))
    assert victim.exists()


REFUSED = [
    ('library', lambda: sys.modules['library'].Meter(), 'library.Meter,'),
    # mmengine's own list allows `getattr`
    ('', lambda: Evil(getattr, HistoryBuffer, SUBCLASS), 'getattr'),
    ('', lambda: Evil(getattr, dict, 'update'), 'getattr|dict'),
    ('', Settings, r'such as \S*test_load.Settings,'),
]


@pytest.mark.parametrize('name, content, message', REFUSED)
def test_other_objects_are_refused(path, monkeypatch, name, content, message):
    module = types.ModuleType(name)
    module.Meter = type('Meter', (), {'__module__': name})
    monkeypatch.setitem(sys.modules, name, module)
    torch.save({'x': content()}, path)
    with trust_checkpoints(False):
        with pytest.raises(ValueError, match=f'x.pth .*({message})'):
            read_checkpoint(path)
    if content is Settings:
        with trust_checkpoints():
            with trust_checkpoints(False):  # an inner block takes nothing
                assert trusted()
            assert read_checkpoint(path)['x'].width == 7
        assert not trusted()


def test_settings_of_slip_are_read_where_allowed(path):
    args = argparse.Namespace(lr=0.1, output_dir=Path('a/b'))
    state = {f'module.visual.{k}': t for k, t in timm_weights().items()}
    torch.save({'args': args, 'state_dict': state}, path)
    with pytest.raises(ValueError, match='such as .*(argparse.Name|pathlib)'):
        load_weights('mmpretrain', str(path))
    args = read_checkpoint(path, allowed=SETTINGS)['args']
    assert (args.lr, str(args.output_dir)) == (0.1, 'a/b')
    assert len(load_weights('timm', str(path))) == len(state)


FOREIGN = [b'<!doctype html><p>404', b'\x80\x02', b'PK\x03\x04']
FOREIGN += [pickle.dumps({'a': 1})]


@pytest.mark.parametrize('trust', [True, False])
@pytest.mark.parametrize('data', [*product((True, False), CUTS), *FOREIGN])
def test_a_broken_or_foreign_file_is_one_line(path, data, trust):
    if isinstance(data, tuple):
        zipped, length = data
        weights = {str(i): torch.zeros(5000) for i in range(5)}
        options = dict(_use_new_zipfile_serialization=zipped)
        torch.save({'state_dict': weights}, path, **options)
        data = path.read_bytes()[:length]
    path.write_bytes(data)
    with trust_checkpoints(trust), pytest.raises(ValueError) as info:
        read_checkpoint(path)
    message = str(info.value)
    assert message.startswith(f'{path} cannot be read as a checkpoint')
    assert 'Was it cut' in message
    assert '\n' not in message and 'trust' not in message


NO_DICTIONARY = [
    ([1], 'holds a list, expected'),
    ({'state_dict': None}, 'holds a NoneType under state_dict, expected'),
    ({'state_dict': [1]}, 'holds a list under state_dict, expected'),
]


@pytest.mark.parametrize('content, message', NO_DICTIONARY)
def test_what_is_no_dictionary_is_no_checkpoint(path, content, message):
    torch.save(content, path)
    with pytest.raises(ValueError, match=f'x.pth {message} a dictionary'):
        load(str(path))


def test_a_checkpoint_by_address_is_loaded_safely(host, path):
    torch.save({'path': Path('a'), 'state_dict': {'a': torch.ones(1)}}, path)
    host.data = path.read_bytes()
    with pytest.raises(ValueError, match='add --trust-checkpoint'):
        load(f'{URL}/y.pth')
    with trust_checkpoints():
        assert load(f'{URL}/y.pth')['state_dict']['a'] == 1


def archive_of(tensors):
    """TorchScript that holds parameters under these names."""
    archive = nn.Module()
    for name, tensor in tensors.items():
        module, (*path, leaf) = archive, name.split('.')
        for part in path:
            module = module._modules.setdefault(part, nn.Module())
        module.register_parameter(leaf, nn.Parameter(tensor))
    return torch.jit.script(archive)


class Writes(nn.Module):
    """TorchScript that runs when it is loaded."""

    def __init__(self):
        super().__init__()
        self.x = nn.Parameter(torch.ones(1))

    @torch.jit.export
    def __getstate__(self):
        return (self.x, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        self.x = state[0] + 41
        self.training = state[1]


def test_archives(path):
    torch.jit.script(Writes()).save(str(path))
    with pytest.raises(ValueError, match='__setstate__.*--trust-checkpoint'):
        load_weights('clip', str(path))
    with trust_checkpoints():
        load_weights('clip', str(path))
    torch.save({'a': torch.zeros(1)}, path)
    message = 'x.pth cannot be read as a TorchScript archive'
    with pytest.raises(ValueError, match=message):
        load_weights('clip', str(path))


URL = 'https://example.org'


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    return tmp_path / 'hub'


@pytest.fixture
def host(hub, monkeypatch):
    """Serves `host.data` wherever it is asked, but for addresses with 404."""

    def serve(url, path):
        host.paths.append(url.removeprefix(URL))
        if '404' in url:
            raise HTTPError(url, 404, 'Not Found', {}, None)
        Path(path).write_bytes(host.data)

    host = types.SimpleNamespace(paths=[], data=b'weights' * 1000)
    monkeypatch.setattr(torch.hub, 'download_url_to_file', serve)
    return host


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def files(hub):
    return [path.name for path in hub.rglob('*') if path.is_file()]


def vit(**kwargs):
    options = dict(arch=ARCH, patch_size=16, img_size=SIDE)
    return JointViT(**options, tokenizer=dict(foveal_size=16), **kwargs)


def test_a_config_loads_clip_by_its_address(path, host):
    theirs = ViT(clip=True)
    archive_of(clip_weights(theirs)).save(str(path))
    host.data = path.read_bytes()
    url = f'{URL}/clip/models/{sha256(host.data)}/ViT.pt'
    init_cfg = dict(type='Pretrained', checkpoint=f'clip+{url}')
    model = vit(pre_norm=True, init_cfg=init_cfg)
    model.init_weights()
    torch.testing.assert_close(
        model.ln1.bias, theirs.layers.norm.bias, atol=1e-3, rtol=0
    )
    for url in ('ViT.pt', 'ViT.pt#md5=012345', 'ViT.pt#sha256=012345'):
        with pytest.raises(ValueError, match='names no whole sha256'):
            load_weights('clip', f'{URL}/{url}')
    assert load_weights('clip', str(path))['cls_token'].shape == (1, 1, 16)


@pytest.mark.parametrize('source', ['url', 'file://{}', '{}', '~/x.pth'])
def test_a_config_loads_mae(path, host, source, monkeypatch):
    theirs = timm_weights()
    torch.save({'model': theirs}, path)
    host.data = path.read_bytes()
    monkeypatch.setenv('HOME', str(path.parent))
    source = source.format(path)
    if source == 'url':
        source = f'{URL}/mae.pth#sha256={sha256(host.data)[:8]}'
    model = vit(init_cfg=dict(type='Pretrained', checkpoint=f'timm+{source}'))
    model.init_weights()
    assert torch.equal(model.pos_embed, theirs['pos_embed'])


@pytest.mark.parametrize('method', ['sha256', 'md5'])
def test_a_file_is_downloaded_once_and_checked_always(host, hub, method):
    digest = hashlib.new(method, host.data).hexdigest()
    address = f'{URL}/a/x.pth#{method}={digest[:8]}'
    path = fetch(address)
    assert path.read_bytes() == host.data
    assert hub in path.parents
    assert fetch(address) == path
    assert host.paths == ['/a/x.pth']
    path.write_bytes(host.data[:-1])
    with pytest.raises(ValueError, match='has .*, expected .*, or delete .*x'):
        fetch(address)
    other = fetch(f'{URL}/b/x.pth')  # files of one name do not mix
    assert other != path
    assert other.name == path.name


def test_a_folder_that_is_a_sha256_counts(host, hub):
    good, wrong = sha256(host.data), 64 * '0'
    path = fetch(f'{URL}/{good}/x.pt')
    assert path == hub / 'checkpoints' / good[:8] / 'x.pt'
    with pytest.raises(ValueError, match=f'sha256 {good}, expected {wrong}'):
        fetch(f'{URL}/{wrong}/y.pt')
    assert files(hub) == ['x.pt']  # a wrong download is not kept
    assert split_hash(f'{URL}/{good}/x.pt#sha256=012345')[2] == good


def test_without_a_hash_the_log_states_it(host, logged):
    path = fetch(f'{URL}/x.pth')
    note = f'{URL}/x.pth names no hash. To make sure that the file stays the '
    note += f'same, add #sha256={sha256(host.data)}'
    assert logged == [f'Downloading {URL}/x.pth to {path}', note]


def test_without_the_file_its_place_is_named(host, hub):
    message = f'{URL}/404/x.pth could not be downloaded: .*404.*put .*hub'
    with pytest.raises(ConnectionError, match=message) as info:
        fetch(f'{URL}/404/x.pth')
    assert files(hub) == []
    place = str(info.value).split('put the file at ')[1].split(' by hand')[0]
    Path(place).write_bytes(host.data)
    assert fetch(f'{URL}/404/x.pth').read_bytes() == host.data


@pytest.mark.parametrize(
    'fragment', ['sha256=xyz123', 'md5=12', 'sha1=123456']
)
def test_a_strange_hash_is_refused(hub, fragment):
    message = f'ends with #{fragment}, expected #sha256=... or #md5=...'
    with pytest.raises(ValueError, match=message):
        fetch(f'{URL}/x.pth#{fragment}')


@pytest.mark.parametrize('rank', ['0', '1'])
def test_all_processes_meet_even_if_the_first_fails(hub, rank, monkeypatch):
    met = []
    monkeypatch.setenv('LOCAL_RANK', rank)
    monkeypatch.setattr(download, 'barrier', lambda: met.append(1))

    def refuse(*args):
        raise OSError('Network is unreachable')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', refuse)
    cause = 'unreachable' if rank == '0' else 'the first process failed'
    message = f'{URL}/x.pth could not .*{cause}. Try again'
    with pytest.raises(ConnectionError, match=message):
        fetch(f'{URL}/x.pth')
    assert met == [1]
    # every process checks the hash
    folder = sha256(f'{URL}/x.pth'.encode())[:8]
    path = hub / 'checkpoints' / folder / 'x.pth'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'forged')
    with pytest.raises(ValueError, match='expected 012345. Check'):
        fetch(f'{URL}/x.pth#sha256=012345')


UNSAFE = (
    'torchvision://resnet50 modelzoo://resnet50 open-mmlab://x openmmlab://x '
    'mmcls://x s3://bucket/x.pth a:petrel://bucket/x.pth pavi://x'
).split()


MISSING = ['/a/x.pth', *(f'{name}+/a/x.pth' for name in FORMATS)]


ADDRESSES = [
    *((x, ValueError, f'{x}: mmengine loads this kind') for x in UNSAFE),
    ('foo+https://x.pth', ValueError, 'foo is no format .*one of clip, t'),
    *((x, FileNotFoundError, '/a/x.pth does not exist') for x in MISSING),
]


@pytest.mark.parametrize('address, error, message', ADDRESSES)
def test_addresses_that_are_refused(address, error, message):
    with pytest.raises(error, match=message):
        load(address)


@pytest.mark.parametrize('prefix', ['', 'module.', '_orig_mod.'])
def test_a_whole_model_is_loaded_or_refused_in_one_line(path, prefix):
    model, trained = (
        nn.Sequential(*map(nn.Linear, 6 * [2], 6 * [2])) for _ in range(2)
    )
    weights = {prefix + k: x for k, x in trained.state_dict().items()}
    torch.save({'state_dict': weights, 'meta': {'iter': 1}}, path)
    assert list(load(str(path))['state_dict']) == list(model.state_dict())
    load_model(model, path)
    torch.testing.assert_close(model.state_dict(), trained.state_dict())
    torch.save({f'{prefix}a.{k}': x for k, x in weights.items()}, path)
    message = (
        r'x.pth does not hold the weights of this model: 12 are missing, such '
        r"as \['0.weight', '0.bias', '1.weight', '...'\]; 12 are unknown, "
    )
    with pytest.raises(ValueError, match=message) as info:
        load_model(model, path)
    assert '\n' not in str(info.value) and '5.bias' not in str(info.value)


def test_a_whole_model_of_other_shapes_is_refused_by_file(path):
    torch.save({'tokenizer.x': torch.zeros(1), **vit().state_dict()}, path)
    with pytest.raises(ValueError, match='x.pth does not hold .* 1 are unkn'):
        load_model(vit(), path)
    torch.save(dict(vit().state_dict(), cls_token=torch.zeros(1, 1, 3)), path)
    with pytest.raises(ValueError, match=r'x.pth: 1 weight\(s\) do not fit'):
        load_model(vit(), path)
    torch.save({'weight': torch.zeros(3)}, path)
    with pytest.raises(ValueError, match='(?s)x.pth: .*size mismatch'):
        load_model(nn.PReLU(), path)


CONFIGS = Path(__file__).parents[3] / 'configs'


def test_addresses_in_configs_are_understood():
    found = set()
    for path in CONFIGS.rglob('*_lasot.py'):
        backbone = Config.fromfile(path).get('model', {}).get('backbone', {})
        for part in (backbone, backbone.get('features', {})):
            if (part.get('init_cfg') or {}).get('checkpoint'):
                format_, _, url = part.init_cfg.checkpoint.partition('+')
                assert format_ in FORMATS
                url, _, digits = split_hash(url)
                assert url.startswith('https://')
                assert digits or format_ != 'clip'
                found.add(format_)
    assert found > {'clip', 'timm', 'dinov2', 'torchvision'}
