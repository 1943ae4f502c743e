import argparse
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader, Runner
from torch import nn

from mmsimtrack.models.weights.files import (
    SETTINGS,
    read_archive,
    read_checkpoint,
    trust_checkpoints,
    trusted,
)


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class Settings:
    """A class that a checkpoint may hold for good reasons."""

    width = 7


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'x.pth'


def test_a_training_is_read(path):
    checkpoint = {
        'state_dict': {'a': torch.arange(3.0)},
        'meta': {'epoch': 3, 'seed': None, 'names': ['a']},
        'message_hub': {'loss': HistoryBuffer([1.0, 2.0], [1, 1])},
        'mean': np.float64(0.5),
        'rates': np.arange(3, dtype=np.float32),
    }
    torch.save(checkpoint, path)
    read = read_checkpoint(path)
    assert torch.equal(read['state_dict']['a'], torch.arange(3.0))
    assert read['meta'] == checkpoint['meta']
    assert read['message_hub']['loss'].mean() == 1.5
    assert read['mean'] == 0.5
    assert read['rates'].tolist() == [0, 1, 2]


def test_arrays_of_numpy_1_are_read(path):
    torch.save({'mean': np.float64(0.5)}, path, pickle_protocol=2)
    old, new = b'numpy.core.multiarray', b'numpy._core.multiarray'
    legacy = path.with_name('legacy.pth')
    torch.save(
        {'mean': np.float64(0.5)}, legacy, _use_new_zipfile_serialization=False
    )
    assert new in legacy.read_bytes()
    legacy.write_bytes(legacy.read_bytes().replace(new, old))
    assert read_checkpoint(legacy)['mean'] == 0.5


@pytest.mark.filterwarnings('ignore:Detected pickle protocol 4')
@pytest.mark.parametrize('protocol', [2, 4])
def test_no_code_runs_without_trust(path, protocol):
    victim = path.with_name('victim')
    evil = Evil(os.mkdir, str(victim))
    torch.save({'x': evil}, path, pickle_protocol=protocol)
    name = {2: 'posix.mkdir', 4: 'operand 149'}[protocol]  # not decoded
    message = f'x.pth holds Python .*such as {name}.*add --trust-checkpoint'
    with pytest.raises(ValueError, match=message):
        read_checkpoint(path)
    assert not victim.exists()
    with trust_checkpoints():
        read_checkpoint(path)
    assert victim.exists()


def test_attributes_cannot_be_reached(path):
    """mmengine's own list allows `getattr`."""
    for call in (
        (getattr, HistoryBuffer, '__init_subclass__'),
        (getattr, dict, 'update'),
    ):
        torch.save({'x': Evil(*call)}, path)
        with pytest.raises(ValueError, match='such as (getattr|dict), and'):
            read_checkpoint(path)


def test_a_class_needs_trust(path):
    torch.save({'settings': Settings()}, path)
    with pytest.raises(ValueError, match=r'such as \S*test_files.Settings,'):
        read_checkpoint(path)
    with trust_checkpoints(False):
        with pytest.raises(ValueError, match='Python objects'):
            read_checkpoint(path)
    with trust_checkpoints():
        with trust_checkpoints(False):  # an inner block takes nothing away
            assert trusted()
        assert read_checkpoint(path)['settings'].width == 7
    assert not trusted()


def test_settings_of_slip_are_read_where_allowed(path):
    args = argparse.Namespace(lr=0.1, output_dir=Path('a/b'))
    torch.save({'args': args}, path)
    with pytest.raises(ValueError, match='such as (argparse.Name|pathlib)'):
        read_checkpoint(path)
    args = read_checkpoint(path, allowed=SETTINGS)['args']
    assert args.lr == 0.1
    assert str(args.output_dir) == 'a/b'


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('length', [0, 10, 0.5, -1])
def test_a_cut_file_is_one_line(path, zipped, length):
    torch.save(
        {'a': torch.zeros(100)},
        path,
        _use_new_zipfile_serialization=zipped,
    )
    data = path.read_bytes()
    length = int(length * len(data)) if length == 0.5 else length
    path.write_bytes(data[:length])
    with pytest.raises(ValueError) as info:
        read_checkpoint(path)
    message = str(info.value)
    assert message.startswith(f'{path} cannot be read as a checkpoint')
    assert '\n' not in message
    assert 'Was it cut' in message
    assert 'trust' not in message


@pytest.mark.parametrize(
    'data', [b'<!doctype html><p>404', b'\x80\x02', b'PK\x03\x04', b'hello']
)
def test_another_kind_of_file_is_one_line(path, data):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r'x.pth cannot be read as .*\.$'):
        read_checkpoint(path)


@pytest.mark.filterwarnings('ignore:Detected pickle protocol 4')
def test_a_plain_pickle_is_no_checkpoint(path):
    path.write_bytes(pickle.dumps({'a': 1}))
    with pytest.raises(ValueError, match='x.pth cannot be read as'):
        read_checkpoint(path)


def test_a_list_is_no_checkpoint(path):
    torch.save([1], path)
    message = 'x.pth holds a list, expected a dictionary with weights'
    with pytest.raises(ValueError, match=message):
        read_checkpoint(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match='x.pth does not exist'):
        read_checkpoint(path)
    with pytest.raises(FileNotFoundError, match='x.pth does not exist'):
        read_archive(path)


def test_a_checkpoint_is_no_archive(path):
    torch.save({'a': torch.zeros(1)}, path)
    message = 'x.pth cannot be read as a TorchScript archive'
    with pytest.raises(ValueError, match=message):
        read_archive(path)


class Line(BaseModel):
    """One weight, to be trained by a Runner."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return {'loss': self.linear(torch.stack(inputs)).square().mean()}


class Numbers(torch.utils.data.Dataset):
    metainfo = {'classes': ('a', 'b')}

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {'inputs': torch.ones(1) * index}


def run(folder, **kwargs):
    torch.manual_seed(0)
    runner = Runner(
        Line(),
        str(folder),
        train_dataloader=dict(
            dataset=Numbers(),
            sampler=dict(type='DefaultSampler', shuffle=False),
            batch_size=2,
        ),
        train_cfg=dict(by_epoch=True, max_epochs=3),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
        param_scheduler=dict(type='MultiStepLR', milestones=[1]),
        randomness=dict(seed=0),
        default_scope='mmsimtrack',
        experiment_name=f'{folder.parent.name}_{folder.name}',
        **kwargs,
    )
    runner.train()
    return runner


def test_a_run_resumes_from_its_own_checkpoint(tmp_path):
    """Weights, optimizer, schedule and log come back."""
    whole = run(tmp_path / 'whole')
    middle = str(tmp_path / 'whole/epoch_1.pth')
    resumed = run(tmp_path / 'resumed', load_from=middle, resume=True)
    for name in ('loss', 'lr'):
        values = [
            runner.message_hub.get_scalar(f'train/{name}').data[0].tolist()
            for runner in (whole, resumed)
        ]
        assert len(values[0]) == 6  # steps
        assert values[0] == values[1]
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)


def test_mmengine_loads_local_files_safely(path):
    victim = path.with_name('victim')
    torch.save({'x': Evil(os.mkdir, str(victim))}, path)
    with pytest.raises(ValueError, match='add --trust-checkpoint'):
        CheckpointLoader.load_checkpoint(str(path))
    assert not victim.exists()


class Writes(torch.nn.Module):
    """TorchScript that runs when it is loaded."""

    def __init__(self):
        super().__init__()
        self.x = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x

    @torch.jit.export
    def __getstate__(self):
        return (self.x, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        self.x = state[0] + 41
        self.training = state[1]


def test_archives_that_run_code_need_trust(tmp_path):
    path = tmp_path / 'archive.pt'
    torch.jit.script(Writes()).save(str(path))
    with pytest.raises(ValueError, match='__setstate__.*--trust-checkpoint'):
        read_archive(path)
    with trust_checkpoints():
        read_archive(path)
