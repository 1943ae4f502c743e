"""Configs and settings; checkpoints and other files of weights."""

import copy
import fcntl
import hashlib
import json
import os
import pickle
import re
import socket
import struct
from functools import partial, reduce

import clips
import layouts
import small_models
import torch
from cases import INPUTS, Case
from safetensors.torch import save_file
from small_models import DEMO

from mmsimtrack.apis import init_model
from mmsimtrack.models.weights.download import fetch
from mmsimtrack.registry import MODELS
from mmsimtrack.runtime import Tracker
from mmsimtrack.runtime.tracker import digest as sum_up

OPEN = []  # files that are locked


def train(config, *options):
    args = ['train', config, '--work-dir', 'out']
    return args + (['--cfg-options', *options] if options else [])


def options():
    for option, says in INPUTS['misspelt'].items():
        make = partial(lambda option, _: train(DEMO, option), option)
        yield Case(f'option {option}', make, 2, (says,), _nothing)
    for line in INPUTS['at_top']:
        make = partial(written, f"_base_ = ['{DEMO}']\n{line}\n")
        says = ('no effect',)
        yield Case(f'config with {line}', make, 2, says, _nothing)
    for place, values in INPUTS['values'].items():
        for value in values:
            setting = f'{place}={value}'.replace('nan', "float('nan')")
            if 'float(' in setting or 'inf' in value:
                text = _nested(place, value)
                make = partial(written, f"_base_ = ['{DEMO}']\n{text}\n")
            else:
                make = partial(lambda option, _: train(DEMO, option), setting)
            yield Case(f'value {place}={value}', make, 2, (place,), _nothing)
    for option in ('x', '=', '=1', 'model', 'model.search.size'):
        make = partial(lambda option, _: train(DEMO, option), option)
        yield Case(f'option {option!r}', make, 2, ('key=value',), _nothing)
    for option in ('train_dataloader.dataset.datasets.9.type=x', 'resume.x=1'):
        make = partial(lambda option, _: train(DEMO, option), option)
        yield Case(f'option {option!r}', make, 2, (), _nothing)
    for option, says in INPUTS['built'].items():
        make = partial(_built, option)
        yield Case(f'built with {option}', make, 2, (re.escape(says),))
    for command in ('train', 'test'):
        make = partial(_in_use, command)
        says = ('out is in use by ', 'another --work-dir')
        yield Case(f'{command} in use', make, 2, says)
    for name in ('20,24', '2024', '1e5', 'a,b,c', '(1)', '[x]', '{2024}', ' '):
        yield Case(f'data in {name!r}', partial(_data_in, name), 0)


def runtimes():
    def make(text, folder):
        (folder / 'tracker.json').write_text(text)
        for name in ('exemplar.pt', 'search.pt'):
            (folder / name).write_bytes(b'x')
        return lambda: Tracker(folder)

    for text in ('', '{', '[]', 'null', '{}', '{"version": 9}', '\0'):
        says = (r'tracker\.json',)
        yield Case(f'runtime {text!r}', partial(make, text), 2, says)
    whole = INPUTS['tracker']
    digest = hashlib.sha256(b'x').hexdigest()
    whole['sha256'] = {name: digest for name in whole['files'].values()}
    whole['digest'] = sum_up(whole)
    says = (r'exemplar\.pt cannot be loaded by torch',)
    yield Case('runtime', partial(make, json.dumps(whole)), 2, says)
    for place, values in INPUTS['tracker_values'].items():
        for value in values:
            content = copy.deepcopy(whole)
            *outer, key = place.split('/')
            part = reduce(dict.__getitem__, outer, content)
            part.pop(key) if value == 'none' else part.update({key: value})
            text = partial(make, json.dumps(content))
            says = (r'tracker\.json',)
            yield Case(f'runtime {place}: {value!r}', text, 2, says)


def _nested(place, value):
    value = value.replace('[', '').replace(']', '')
    first, *keys = place.split('.')
    text = f"float('{value}')"
    text = f'[{text}]' if keys[-1] == 'ratios' else text
    for key in reversed(keys):
        text = f'dict({key}={text})'
    return f'{first} = {text}'


def written(text, folder, name='config.py'):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(data)
    return train(name)


def _built(option, folder):
    _data_in('data/demo', folder)
    options = ('num_workers=0', 'persistent_workers=False')
    return train(DEMO, option, *(f'train_dataloader.{o}' for o in options))


def _in_use(command, folder):
    _data_in('data/demo', folder)
    (folder / 'out').mkdir()
    OPEN.append(open(folder / 'out/.lock', 'w'))
    fcntl.flock(OPEN[-1], fcntl.LOCK_EX)
    if command == 'train':
        return train(DEMO)
    return ['test', DEMO, 'w.pth', '--work-dir', 'out']


def _data_in(name, folder):
    for split in ('train', 'val'):
        layouts.make_got10k(folder / name, split, num_frames=3)
    places = 'train_dataloader.dataset.datasets.0', 'test_dataloader.dataset'
    options = [f'{place}.data_root={name}' for place in places]
    return ['check', DEMO, '--cfg-options', *options]


def _nothing(folder, _):
    assert not (folder / 'out').exists()


YAML = 'model: !!python/object/apply:os.system ["touch out"]\n'
FILES = {
    **INPUTS['configs'],
    'binary': ('a.py', bytes(range(256))),
    'utf-16': ('a.py', 'model = 1'.encode('utf-16')),
}


def configs():
    for name, (file, text) in FILES.items():

        def make(folder, file=file, text=text):
            (folder / 'b.yaml').write_text(YAML)
            return written(text, folder, file)

        yield Case(f'config: {name}', make, 2, (), _nothing)
    for name in ('nobody.py', '.', ''):
        make = partial(lambda name, _: train(name), name)
        yield Case(f'config {name!r}', make, 2, (), _nothing)
    for command in ('test', 'check', 'train'):
        model = ['x'] * (command == 'test')
        make = partial(lambda args, _: args, [command, 'no.py', *model])
        yield Case(f'{command} no.py', make, 2, ('no.py',), _nothing)


class Harmful:
    def __reduce__(self):
        return os.system, ('touch out',)


def _state(**changes):
    state = MODELS.build(small_models.SIMTRACK).state_dict()
    return state | changes


def _renamed(prefix):
    return {f'{prefix}{name}': x for name, x in _state().items()}


FIRST = 'head.branches.0.0.conv.weight'
WEIGHTS_FINE = {
    'plain': lambda: _state(),
    'state_dict': lambda: {'state_dict': _state(), 'meta': {}},
    'model': lambda: {'model': _state()},
    'module.': lambda: _renamed('module.'),
    '_orig_mod.': lambda: _renamed('_orig_mod.'),
    'module._orig_mod.': lambda: _renamed('module._orig_mod.'),
    'half': lambda: {k: x.half() for k, x in _state().items()},
    'double': lambda: {k: x.double() for k, x in _state().items()},
}
WEIGHTS = {
    'None': lambda: None,
    'list': lambda: [1],
    'number': lambda: 3,
    'tensor': lambda: torch.zeros(3),
    'empty': lambda: {},
    'state_dict None': lambda: {'state_dict': None},
    'state_dict list': lambda: {'state_dict': [1, 2]},
    'state_dict tensor': lambda: {'state_dict': torch.zeros(3)},
    'state_dict empty': lambda: {'state_dict': {}},
    'state_dict in state_dict': lambda: {'state_dict': {'state_dict': {}}},
    'one more': lambda: _state(more=torch.zeros(3)),
    'one less': lambda: dict(list(_state().items())[1:]),
    'others': lambda: {f'a.{i}': torch.zeros(1) for i in range(500)},
    'names are numbers': lambda: dict(enumerate(_state().values())),
    'names are tuples': lambda: {(1, 2): torch.zeros(1)},
    'texts': lambda: dict.fromkeys(_state(), 'x'),
    'nones': lambda: dict.fromkeys(_state()),
    'lists': lambda: dict.fromkeys(_state(), [1.0]),
    'other shapes': lambda: dict.fromkeys(_state(), torch.zeros(2, 2)),
    'scalars': lambda: dict.fromkeys(_state(), torch.tensor(1.0)),
    'not finite': lambda: {k: x / 0 for k, x in _state().items()},
    'code': lambda: {'state_dict': _state(), 'meta': Harmful()},
    'code alone': lambda: Harmful(),
    'optimizer only': lambda: {'optimizer': {'state': {}}},
}
WEIGHT_FILES = {
    **{
        f'cut at {size}': lambda data, size=size: data[:size]
        for size in (0, 1, 2, 10, 100, 1000, 4096, 5000, 20000, 40000, 60000)
    },
    'cut by ten bytes': lambda data: data[:-10],
    'zeros': lambda data: bytes(len(data)),
    'zeros at the end': lambda data: data[:-4096] + bytes(4096),
    'page': lambda data: b'<html>' * 999,
    'lfs': lambda data: b'version https://git-lfs.github.com/spec/v1\n',
    'pickle': lambda data: pickle.dumps({'state_dict': {}}),
    'harmful pickle': lambda data: pickle.dumps(Harmful()),
    'json': lambda data: b'{"state_dict": {}}',
    'empty zip': lambda data: b'PK\x05\x06' + bytes(18),
}
TENSORS = {
    'cut': lambda data: data[: len(data) // 2],
    'empty': lambda data: b'',
    'short': lambda data: data[:5],
    'long header': lambda data: struct.pack('<Q', 2**60) + data[8:],
    'no header': lambda data: struct.pack('<Q', 2) + b'[]',
    'text': lambda data: b'x' * 999,
}


def tracked_with(save, folder, name='w.pth'):
    save(folder / name)
    (folder / 'm.py').write_text(f'model = {small_models.SIMTRACK}\n')
    clips.write_clip(folder / 'clip.mp4')
    args = ['track', 'clip.mp4', '--box=0,20,16,24', '--model', 'm.py']
    return [*args, '--weights', name, '--no-video', '--end=2']


def weights():
    def saved(make_content, path):
        torch.save(make_content(), path)

    def changed(change, path):
        if path.suffix == '.pth':
            saved(WEIGHTS_FINE['state_dict'], path)
        else:
            save_file(_state(), path)
        path.write_bytes(change(path.read_bytes()))

    for name, content in WEIGHTS_FINE.items():
        make = partial(tracked_with, partial(saved, content))
        yield Case(f'weights: {name}', make, 0)
    for name, content in WEIGHTS.items():
        make = partial(tracked_with, partial(saved, content))
        yield Case(f'weights: {name}', make, 2, (r'w\.pth',), _nothing)
    for name, change in WEIGHT_FILES.items():
        make = partial(tracked_with, partial(changed, change))
        yield Case(f'weights, {name}', make, 2, (r'w\.pth',), _nothing)
    for name, change in TENSORS.items():
        save = partial(changed, change)
        make = partial(tracked_with, save, name='w.safetensors')
        yield Case(f'safetensors: {name}', make, 2, ('w.safetensors',))
    for name in ('no.pth', '.', 'http://localhost:1/w.pth', 's3://b/w.pth'):
        make = partial(tracked_with, lambda path: None, name=name)
        yield Case(f'weights at {name}', make, 2, (name,))

    def make_download(folder):
        (folder / 'w.pth').write_bytes(b'x')
        address = (folder / 'w.pth').as_uri()
        path = fetch(address)
        path.unlink()
        end = f'-{socket.gethostname()}.pth'
        for left in (f'.w.{2**30}{end}', f'.w.{2**30}{end}.0a1b.partial'):
            path.with_name(left).write_bytes(b'x')
        return lambda: os.listdir(fetch(address).parent)

    def swept(_, names):
        assert names == ['w.pth']

    yield Case('a download was killed', make_download, 0, check=swept)
    for name, meta in INPUTS['metas'].items():

        def make_meta(folder, meta=meta):
            path = folder / 'w.pth'
            torch.save({'state_dict': _state(), 'meta': meta}, path)
            return lambda: init_model(None, path)

        yield Case(f'meta: {name}', make_meta, 2, (), _nothing)
    for name in ('empty', 'list', 'others', 'code', 'texts', 'None'):

        def make_converted(folder, content=WEIGHTS[name]):
            saved(content, folder / 'w.pth')
            return ['convert', 'official', 'w.pth', 'out']

        says = (r'w\.pth',)
        yield Case(f'convert: {name}', make_converted, 2, says, _nothing)


def all_cases():
    yield from options()
    yield from runtimes()
    yield from configs()
    yield from weights()
