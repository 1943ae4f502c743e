"""Configs and settings; checkpoints and other files of weights."""

import os
import pickle
import struct
from functools import partial
from pathlib import Path

import clips
import layouts
import small_models
import torch
from cases import Case
from safetensors.torch import save_file

from mmsimtrack.apis import init_model
from mmsimtrack.models.weights import load_weights
from mmsimtrack.registry import MODELS
from mmsimtrack.runtime import Tracker

ROOT = Path(__file__).parents[2]
DEMO = ROOT / 'configs/demo/sim_tiny_generated.py'

# settings that nothing reads: the setting, and what the message names
MISSPELT = """optim_wraper.optimizer.lr=9 optim_wrapper|load_form=x load_from
resum=True resume|model.exemplar.factr=3 factor|model.serch.size=64 search
model.search.sise=64 size|trian_cfg.max_epochs=3 train_cfg
train_cfg.max_epoch=3 max_epochs|train_dataloader.batchsize=2 batch_size
train_dataloader.sampler.num_pair=2 num_pairs|test_cfg.numslots=2 num_slots
randomness.sed=1 seed|model.head.chanels=8 channels|seed=1 seed
default_hooks.checkpoint.intervall=1 interval|env_cfg.cudnn_bench=1 cudnn
default_hooks.loger.interval=5 logger|model.clipmargin=3 clip_margin
model.train_cfg.jitter.centre=2 center|custom_hook=[] custom_hooks
max_epochs=3 max_epochs|batch_size=2 batch_size|lr=9 lr|optimizer.lr=9 optim
data.root=x data|log_levl=INFO log_level|param_schedulers=None param_scheduler
vis_backend=[] vis_backends|workdir=x work_dir|total_epochs=3 total_epochs
train_dataloder.batch_size=1 train_dataloader|modell.clip_margin=1 model
model.backbone.patch_sise=8 patch_size|test_evaluater.x=1 test_evaluator
train_dataloader.dataset.sampling.max_gaps=3 max_gap
optim_wrapper.optimizer.weight_decays=0 weight_decay
optim_wrapper.clip_grad.maxnorm=3 max_norm|env_config.x=1 env_cfg
randomness.deterministc=True deterministic"""
MISSPELT = [line.split() for line in MISSPELT.replace('\n', '|').split('|')]
# such a line in a file is no error of mmengine's either
AT_TOP = """resum = True|load_form = 'x'|optim_wraper = dict(type='x')
max_epochs = 3|optimizer = dict(lr=1)|data = dict(x=1)|seed = 3
train_dataloder = dict(batch_size=1)|env_config = dict()|test_confg = dict()
model = dict(exemplar=dict(factr=3))|model = dict(search=dict(sizes=64))
randomness = dict(sed=1)|env_cfg = dict(mp_config=dict())
model = dict(train_cfg=dict(jiter=dict(center=1)))""".replace('\n', '|')
VALUES = {
    'train_cfg.max_epochs': '0 -1 2.5 many None True',
    'train_dataloader.batch_size': '0 -2 1.5 x',
    'train_dataloader.num_workers': '-1 1.5',
    'train_dataloader.sampler.num_pairs': '0 -5 1.5 None',
    'train_dataloader.dataset.ratios': '[-1] [0] [nan] x []',
    'train_dataloader.dataset.sampling.max_gap': '0 -5 2.5 x',
    'train_dataloader.dataset.sampling.min_visible': '1 0 -3',
    'default_hooks.checkpoint.interval': '0 -5 1.5 x',
    'default_hooks.logger.interval': '0 -1',
    'optim_wrapper.optimizer.lr': '-1 nan inf x None',
    'optim_wrapper.optimizer.weight_decay': '-1 nan',
    'optim_wrapper.accumulative_counts': '0 -1 1.5',
    'optim_wrapper.clip_grad.max_norm': '0 -1 nan',
    'randomness.seed': 'None -1 1.5 x',
    'model.exemplar.size': '0 -64 63.5 x',
    'model.search.size': '0 -64 2.5',
    'model.search.factor': '0 -1 nan inf x',
    'model.exemplar.factor': '0 -1',
    'model.clip_margin': '-5 nan inf x',
    'model.train_cfg.jitter.center': '-1 nan x',
    'model.train_cfg.jitter.scale': '-1 inf',
    'test_cfg.num_slots': '0 -1 2.5 x None',
    'test_cfg.amp_dtype': 'int8 float64 fp16 1',
    'resume': 'yes 1 None',
}


def train(config, *options):
    args = ['train', config, '--work-dir', 'out']
    return args + (['--cfg-options', *options] if options else [])


def options():
    for option, says in MISSPELT:
        make = partial(lambda option, _: train(DEMO, option), option)
        yield Case(f'option {option}', make, 2, (says,), _nothing)
    for line in AT_TOP.split('|'):
        make = partial(written, f"_base_ = ['{DEMO}']\n{line}\n")
        says = ('no effect',)
        yield Case(f'config with {line}', make, 2, says, _nothing)
    for place, values in VALUES.items():
        for value in values.split():
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
    for name in ('20,24', '2024', '1e5', 'a,b,c', '(1)', '[x]', '{2024}', ' '):
        yield Case(f'data in {name!r}', partial(_data_in, name), 0)


def runtimes():
    start = '{"version": 1, "format": "torchscript", "precision": "fp32", '
    start += '"inputs": {"a": []}, "files": {"a": "tracker.json"}}'
    for text in ('', '{', '[]', 'null', '{}', '{"version": 9}', start):

        def make(folder, text=text):
            (folder / 'tracker.json').write_text(text)
            return lambda: Tracker(folder)

        yield Case(f'runtime {text!r}', make, 2, ('tracker.json',))


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


def _data_in(name, folder):
    for split in ('train', 'val'):
        layouts.make_got10k(folder / name, split, num_frames=3)
    places = (
        'train_dataloader.dataset.datasets.0.data_root',
        'test_dataloader.dataset.data_root',
    )
    options = [f'{place}={name}' for place in places]
    return ['check', DEMO, '--cfg-options', *options]


def _nothing(folder, _):
    assert not (folder / 'out').exists()


YAML = 'model: !!python/object/apply:os.system ["touch out"]\n'
FILES = {
    'syntax error': ('a.py', 'model = dict(\n'),
    'unknown name': ('a.py', 'model = nobody\n'),
    'division': ('a.py', 'model = 1 / 0\n'),
    'unknown module': ('a.py', 'import nobody\n'),
    'missing base': ('a.py', "_base_ = ['nobody.py']\n"),
    'base is a folder': ('a.py', "_base_ = ['.']\n"),
    'no key of the base': ('a.py', '_base_ = []\nx = {{_base_.y}}\n'),
    'empty': ('a.py', ''),
    'binary': ('a.py', bytes(range(256))),
    'utf-16': ('a.py', 'model = 1'.encode('utf-16')),
    'page': ('a.py', '<html>'),
    'other ending': ('a.txt', 'model = 1'),
    'no ending': ('a', 'model = 1'),
    'yaml that runs code': ('a.yaml', YAML),
    'yaml with a name': ('a.yml', 'model: !!python/name:os.system\n'),
    'yaml with a module': ('a.yaml', 'model: !!python/module:os\n'),
    'yaml with a tag': ('a.yaml', 'model: !x 1\n'),
    'base in yaml': ('a.py', "_base_ = ['b.yaml']\n"),
    'yaml, cut': ('a.yaml', 'model: [1,\n'),
    'json, cut': ('a.json', '{"model": '),
    'json, a list': ('a.json', '[1]'),
    'no model': ('a.py', "work_dir = 'x'\n"),
    'model is a list': ('a.py', 'model = [1]\n'),
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
        make = partial(
            lambda command, _: [
                command,
                'no.py',
                *['x'] * (command == 'test'),
            ],
            command,
        )
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
METAS = {
    'None': None,
    'empty': {},
    'list': [1],
    'no cfg': {'epoch': 1},
    'cfg None': {'cfg': None},
    'cfg number': {'cfg': 3},
    'cfg broken': {'cfg': 'model = dict('},
    'cfg without model': {'cfg': 'a = 1'},
    'cfg with attributes': {'cfg': 'a.b = 1\nmodel = 3'},
    'cfg with pairs': {'cfg': 'a, b = 1, 2'},
    'cfg with calls': {'cfg': "model = dict(type=open('out', 'w'))"},
    'model is a number': {'cfg': 'model = 3'},
    'model unknown': {'cfg': "model = dict(type='Nobody')"},
    'model with more': {'cfg': "model = dict(type='SimTrack', x=1)"},
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

        def make_timm(folder, change=change):
            path = folder / 'w.pth'
            changed(change, path)
            return lambda: load_weights('timm', str(path))

        says = (r'w\.pth',)
        yield Case(f'timm weights, {name}', make_timm, 2, says, _nothing)
    for name, change in TENSORS.items():
        save = partial(changed, change)
        make = partial(tracked_with, save, name='w.safetensors')
        yield Case(f'safetensors: {name}', make, 2, ('w.safetensors',))
    for name in ('no.pth', '.', 'http://localhost:1/w.pth', 's3://b/w.pth'):
        make = partial(tracked_with, lambda path: None, name=name)
        yield Case(f'weights at {name}', make, 2, (name,))
    for name, meta in METAS.items():

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
