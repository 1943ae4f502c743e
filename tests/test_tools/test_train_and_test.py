"""tools/train.py, tools/test.py and the scripts, as a user runs them."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import forked, run
from small_models import small_demo

from mmsimtrack.cli import launch
from mmsimtrack.fileio import read_bboxes_xywh

NAMES = ['seq_0.txt', 'seq_1.txt', 'seq_2.txt']


@pytest.fixture
def config(tmp_path, make_got10k):
    make_got10k(tmp_path / 'data', 'train', num_frames=6)
    make_got10k(tmp_path / 'data', 'val', num_sequences=3, num_frames=6)
    path = tmp_path / 'small.py'
    path.write_text(small_demo(tmp_path / 'data'))
    return path


def losses(work_dir):
    """Loss of each step; of a repeated step, the last."""
    result = {}
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            result[entry['step']] = entry['loss']
    return result


def train(config, work_dir, *args, **options):
    command = 'train', config, '--work-dir', work_dir
    return forked(*command, *args, **options)


def train_epoch(config, work_dir, *options):
    """Train an epoch; the first learning rate."""
    options = '--cfg-options', 'train_cfg.max_epochs=1', *options
    train(config, work_dir, '--auto-scale-lr', *options)
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    return json.loads(path.read_text().splitlines()[0])['lr']


def run_test(config, work_dir, *args, check=True):
    files = config, work_dir / 'epoch_1.pth'
    options = '--work-dir', work_dir, *args
    return forked('test', *files, *options, check=check)


def test_a_training_of_an_epoch_and_its_test(config, tmp_path):
    """The test also without training data, and when it is resumed."""
    work_dir = tmp_path / 'work'
    # the rates are made for a batch of 256, this one has 2; warm-up starts
    # at a hundredth of 1e-3
    base = 'auto_scale_lr.base_batch_size=256'
    assert train_epoch(config, work_dir, base) == pytest.approx(1e-5 / 128)
    seed = '--resume', '--cfg-options', 'randomness.seed=5'
    done = train(config, work_dir, *seed, check=False)
    assert done.returncode != 0
    assert 'trained with seed 0, but the sampler has 5' in done.stderr
    shutil.rmtree(tmp_path / 'data/train')
    run_test(config, work_dir, '--out', tmp_path / 'out.json', '--amp')
    assert sorted(os.listdir(work_dir / 'results')) == NAMES
    out = json.loads((tmp_path / 'out.json').read_text())
    metrics = json.loads((work_dir / 'metrics.json').read_text())
    assert out['sot/auc'] == pytest.approx(metrics['overall']['auc'], 1e-3)
    (work_dir / 'results/seq_1.txt').unlink()
    show = '--show-dir', tmp_path / 'shown'
    done = run_test(config, work_dir, '--amp', '--resume', *show)
    assert 'Tracked seq_1' in done.stderr
    assert 'Tracked seq_0' not in done.stderr
    assert len(os.listdir(tmp_path / 'shown')) == 3
    other = {'state_dict': {'conv1.weight': torch.zeros(1)}}
    torch.save(other, work_dir / 'epoch_1.pth')
    done = run_test(config, work_dir, check=False)
    assert done.returncode != 0
    assert 'conv1.weight' in done.stderr


def test_accumulated_gradients_scale_the_rates(config, tmp_path):
    base, count = 'auto_scale_lr.base_batch_size=256', 'accumulative_counts=4'
    work_dir = tmp_path / 'work'
    found = train_epoch(config, work_dir, base, f'optim_wrapper.{count}')
    assert found == pytest.approx(1e-5 * 8 / 256)
    done = train(config, work_dir, '--auto-scale-lr', check=False)
    assert 'needs auto_scale_lr=dict(base_batch_size=...)' in done.stderr


def test_two_processes_train_resume_and_test_on_cpu(config, tmp_path):
    """dist_train.sh and dist_test.sh, through gloo."""
    epochs = [f'train_cfg.max_epochs={n}' for n in (1, 2)]
    options = '--work-dir', tmp_path / 'whole', '--cfg-options', epochs[1]
    run('tools/dist_train.sh', config, 2, *options)
    work_dir = tmp_path / 'two'
    for each in epochs:
        train(config, work_dir, '--resume', '--cfg-options', each, ranks=2)
    # 8 pairs an epoch = 2 processes x 2 steps x 2 pairs
    assert sorted(losses(work_dir)) == [1, 2, 3, 4]
    assert losses(work_dir) == losses(tmp_path / 'whole')
    files = config, work_dir / 'epoch_2.pth'
    options = '--work-dir', work_dir, '--num-slots', 2
    done = run('tools/dist_test.sh', *files, 2, *options)
    log = done.stdout + done.stderr  # of the first process
    assert 'Tracked seq_0 ' in log and 'Tracked seq_1 ' not in log
    # the same table as of one process, but for the rounding in a batch
    alone = tmp_path / 'alone'
    options = '--work-dir', alone, '--num-slots', 1
    forked('test', *files, *options)
    assert sorted(os.listdir(work_dir / 'results')) == NAMES
    for name in NAMES:
        found, expected = (
            read_bboxes_xywh(folder / 'results' / name)
            for folder in (work_dir, alone)
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    found, expected = (
        json.loads((folder / 'metrics.json').read_text())
        for folder in (work_dir, alone)
    )
    assert sorted(found['per_sequence']) == ['seq_0', 'seq_1', 'seq_2']
    assert found['overall'] == pytest.approx(expected['overall'], abs=0.01)


SCRIPTS = ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']


@pytest.mark.parametrize('script', SCRIPTS)
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
