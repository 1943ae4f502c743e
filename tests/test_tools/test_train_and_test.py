"""tools/train.py, tools/test.py and the scripts, as a user runs them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmsimtrack.cli import launch

ROOT = Path(__file__).parents[2]
NAMES = ['seq_0.txt', 'seq_1.txt', 'seq_2.txt']
CONFIG = """
_base_ = ['{root}/configs/demo/sim_tiny_generated.py']
model = dict(
    backbone=dict(arch=dict(embed_dims=16, num_layers=1, num_heads=2,
                            feedforward_channels=16)),
    head=dict(channels=8),
)
train_cfg = dict(max_epochs=6)
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    sampler=dict(num_pairs=8),
    dataset=dict(datasets=[
        dict(type='Got10kDataset', data_root='{data}', split='train')]),
)
test_dataloader = dict(dataset=dict(data_root='{data}', split='val'))
default_hooks = dict(logger=dict(interval=1))
"""


@pytest.fixture
def config(tmp_path, make_got10k):
    make_got10k(tmp_path / 'data', 'train', num_frames=6)
    make_got10k(tmp_path / 'data', 'val', num_sequences=3, num_frames=6)
    path = tmp_path / 'small.py'
    path.write_text(CONFIG.format(root=ROOT, data=tmp_path / 'data'))
    return path


def environment():
    return {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable}


def run(*command, check=True):
    done = subprocess.run(
        list(map(str, command)),
        env=environment(),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if check:
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def losses(work_dir):
    """Loss of each step; of a repeated step, the last."""
    result = {}
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            result[entry['step']] = entry['loss']
    return result


def train(config, work_dir, *args):
    return (
        sys.executable,
        'tools/train.py',
        config,
        '--work-dir',
        work_dir,
        *args,
    )


def run_test(config, work_dir, *args, check=True):
    return run(
        sys.executable,
        'tools/test.py',
        config,
        work_dir / 'epoch_1.pth',
        '--work-dir',
        work_dir,
        *args,
        check=check,
    )


def test_test_py_writes_what_it_promises(config, tmp_path):
    """Also without training data, and when it is resumed."""
    work_dir = tmp_path / 'work'
    run(*train(config, work_dir, '--cfg-options', 'train_cfg.max_epochs=1'))
    shutil.rmtree(tmp_path / 'data/train')
    run_test(config, work_dir, '--out', tmp_path / 'out.json', '--amp')
    assert sorted(os.listdir(work_dir / 'results')) == NAMES
    out = json.loads((tmp_path / 'out.json').read_text())
    metrics = json.loads((work_dir / 'metrics.json').read_text())
    assert out['sot/auc'] == pytest.approx(metrics['overall']['auc'], 1e-3)
    (work_dir / 'results/seq_1.txt').unlink()
    done = run_test(
        config, work_dir, '--amp', '--resume', '--show-dir', tmp_path / 'shown'
    )
    log = done.stdout + done.stderr
    assert 'Tracked seq_1' in log and 'Tracked seq_0' not in log
    assert len(os.listdir(tmp_path / 'shown')) == 3


def test_test_py_refuses_the_weights_of_another_network(config, tmp_path):
    torch.save(
        {'state_dict': {'conv1.weight': torch.zeros(1)}},
        tmp_path / 'epoch_1.pth',
    )
    done = run_test(config, tmp_path, check=False)
    assert done.returncode != 0
    assert 'conv1.weight' in done.stderr


def test_auto_scale_lr(config, tmp_path):
    """The rates are made for a batch of 256; this one has 2."""
    work_dir = tmp_path / 'work'
    options = ('auto_scale_lr.base_batch_size=256', 'train_cfg.max_epochs=1')
    run(*train(config, work_dir, '--auto-scale-lr', '--cfg-options', *options))
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    first = json.loads(path.read_text().splitlines()[0])
    # warm-up starts at a hundredth of 1e-3
    assert first['lr'] == pytest.approx(1e-5 * 2 / 256)
    # gradient accumulation counts
    options += ('optim_wrapper.accumulative_counts=4',)
    work_dir = tmp_path / 'accumulated'
    run(*train(config, work_dir, '--auto-scale-lr', '--cfg-options', *options))
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    first = json.loads(path.read_text().splitlines()[0])
    assert first['lr'] == pytest.approx(1e-5 * 8 / 256)
    done = run(*train(config, work_dir, '--auto-scale-lr'), check=False)
    assert 'needs auto_scale_lr=dict(base_batch_size=...)' in done.stderr


def dist_train(config, work_dir, max_epochs):
    run(
        'tools/dist_train.sh',
        config,
        2,
        '--work-dir',
        work_dir,
        '--resume',
        '--cfg-options',
        f'train_cfg.max_epochs={max_epochs}',
    )


def test_two_processes_train_resume_and_test_on_cpu(config, tmp_path):
    """dist_train.sh and dist_test.sh, through gloo."""
    dist_train(config, tmp_path / 'whole', 2)
    work_dir = tmp_path / 'two'
    dist_train(config, work_dir, 1)
    dist_train(config, work_dir, 2)
    # 8 pairs an epoch = 2 processes x 2 steps x 2 pairs
    assert sorted(losses(work_dir)) == [1, 2, 3, 4]
    assert losses(work_dir) == losses(tmp_path / 'whole')
    run(
        'tools/dist_test.sh',
        config,
        work_dir / 'epoch_2.pth',
        2,
        '--work-dir',
        work_dir,
    )
    assert sorted(os.listdir(work_dir / 'results')) == NAMES
    metrics = json.loads((work_dir / 'metrics.json').read_text())
    assert sorted(metrics['per_sequence']) == ['seq_0', 'seq_1', 'seq_2']


def test_resume_with_another_seed_is_refused(config, tmp_path):
    work_dir = tmp_path / 'work'
    run(*train(config, work_dir, '--cfg-options', 'train_cfg.max_epochs=1'))
    done = run(
        *train(config, work_dir, '--resume'),
        '--cfg-options',
        'randomness.seed=5',
        check=False,
    )
    assert done.returncode != 0
    assert 'trained with seed 0, but the sampler has 5' in done.stderr


@pytest.mark.parametrize(
    'script',
    ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'],
)
def test_scripts_explain_themselves(script):
    done = run(f'tools/{script}', check=False)
    assert done.returncode == 2
    assert f'Usage: {script}' in done.stderr


def test_slurm_environment(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(KeyError, match='found no SLURM_PROCID'):
        launch._read_slurm_environment()
    for name, value in dict(PROCID=3, NTASKS=4, LOCALID=1).items():
        monkeypatch.setenv(f'SLURM_{name}', str(value))
    launch._read_slurm_environment()
    found = [os.environ[n] for n in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')]
    assert found == ['3', '4', '1']
