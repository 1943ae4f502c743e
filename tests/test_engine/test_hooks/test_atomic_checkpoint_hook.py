import os
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel

from mmsimtrack.engine.hooks.atomic_checkpoint_hook import AtomicLocalBackend


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x, mode='tensor'):
        return {'loss': self.line(x).square().mean()}


@pytest.fixture
def make_runner(make_trainer):
    """A function that makes a Runner with the hook, resumed or new."""

    def make(work_dir, max_epochs=4, resume=False, **hook):
        checkpoint = dict(type='AtomicCheckpointHook', interval=1, **hook)
        items = [{'x': torch.tensor([float(i)])} for i in range(2)]
        hooks = dict(default_hooks=dict(checkpoint=checkpoint), resume=resume)
        return make_trainer(work_dir, Line(), items, max_epochs, **hooks)

    return make


def names(folder):
    """Files, but for the configuration that the Runner writes down."""
    files = (p for p in Path(folder).iterdir() if p.is_file())
    return sorted(p.name for p in files if p.suffix != '.py')


def test_keeps_the_newest_and_notes_the_last(make_runner, tmp_path):
    (tmp_path / '.epoch_9.123.pth').write_text('half')  # left by a kill
    make_runner(tmp_path, max_keep_ckpts=2).train()
    assert names(tmp_path) == ['epoch_3.pth', 'epoch_4.pth', 'last_checkpoint']
    note = (tmp_path / 'last_checkpoint').read_text()
    assert note == 'epoch_4.pth'


@pytest.mark.parametrize(
    'note', [None, b'', b'\xff\x00\xfe', b'/before/epoch_1.pth']
)
def test_a_moved_run_goes_on(make_runner, tmp_path, note):
    """Also where a kill or an older version left another note."""
    old, new = tmp_path / 'old', tmp_path / 'new'
    make_runner(old, max_epochs=2, max_keep_ckpts=1).train()
    old.rename(new)
    if note is not None:
        (new / 'last_checkpoint').write_bytes(note)
    runner = make_runner(new, max_epochs=3, max_keep_ckpts=1, resume=True)
    runner.train()
    assert (runner.epoch, runner.iter) == (3, 6)
    assert names(new) == ['epoch_3.pth', 'last_checkpoint']
    assert not old.exists()


def test_the_best_checkpoint_of_a_run_and_of_its_copy(make_runner, tmp_path):
    """The former best goes when the new one is written, of the run only."""

    def save_best(work_dir, max_epochs, *scores):
        best = dict(save_best='auc', rule='greater')
        resume = max_epochs > 1
        runner = make_runner(work_dir, max_epochs, resume=resume, **best)
        runner.train()
        (hook,) = [h for h in runner.hooks if hasattr(h, 'save_best')]
        for auc in scores:
            hook._save_best_checkpoint(runner, {'auc': auc})
            runner.train_loop._epoch += 1
        with pytest.raises(ValueError, match=r"'auc', .*: sot/auc\. Correct"):
            hook._save_best_checkpoint(runner, {'sot/auc': 1.0})
        return [path.name for path in work_dir.glob('best*')]

    old, new = tmp_path / 'old', tmp_path / 'new'
    assert save_best(old, 1, 10.0, 20.0, 15.0) == ['best_auc_epoch_2.pth']
    shutil.copytree(old, new)
    assert save_best(new, 3, 30.0) == ['best_auc_epoch_3.pth']
    assert [p.name for p in old.glob('best*')] == ['best_auc_epoch_2.pth']


class Killed(BaseException):
    """Like a kill: nothing in the hook may catch it and go on."""


@pytest.mark.parametrize('moment', ['write', 'replace'])
def test_kills_lose_no_checkpoint(make_runner, tmp_path, monkeypatch, moment):
    make_runner(tmp_path, max_epochs=1, max_keep_ckpts=1).train()
    before = (tmp_path / 'epoch_1.pth').read_bytes()

    def die(*args):
        raise Killed

    name = 'fsync' if moment == 'write' else 'replace'
    runner = make_runner(tmp_path, max_keep_ckpts=1, resume=True)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, name, die)
        runner.train()
    assert names(tmp_path) == ['epoch_1.pth', 'last_checkpoint']
    assert (tmp_path / 'epoch_1.pth').read_bytes() == before
    runner = make_runner(tmp_path, max_keep_ckpts=1, resume=True)
    runner.train()
    assert runner.epoch == 4


def test_backend_removes_only_when_told(tmp_path):
    backend = AtomicLocalBackend()
    old, new = tmp_path / 'old', tmp_path / 'new'
    for path in (old, new):
        backend.put(b'x', path)
        backend.remove(path)
    assert old.exists()
    backend.put(b'y', new)  # under the name of an outdated file
    backend.remove_for_good()
    assert names(tmp_path) == ['new']


def test_weights_alone_cannot_be_resumed(tmp_path, make_runner):
    path = tmp_path / 'weights.pth'
    runner = make_runner(tmp_path / 'run')
    torch.save(runner.model.state_dict(), path)
    runner._resume, runner._load_from = True, str(path)
    message = 'weights.pth holds weights only, .* leave --resume out'
    with pytest.raises(ValueError, match=message):
        runner.train()
