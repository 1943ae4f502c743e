"""Tests that are shared between processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import make_got10k
from mmengine.config import Config
from mmengine.runner import Runner

from mmsimtrack.fileio import read_bboxes_xywh
from mmsimtrack.registry import MODELS

ROOT = Path(__file__).parents[2]
LENGTHS = [80, 20, 140, 40, 100, 30, 120, 60]
CONFIG = """
_base_ = ['{root}/configs/demo/sim_tiny_generated.py']
model = dict(
    backbone=dict(arch=dict(embed_dims=16, num_layers=1, num_heads=2,
                            feedforward_channels=16)),
    head=dict(channels=8),
)
test_dataloader = dict(dataset=dict(data_root='{data}', split='val'))
"""


def command(root, work_dir, *args):
    files = [root / 'small.py', root / 'random.pth']
    return [*map(str, files), '--work-dir', str(work_dir), *args]


def environment():
    return {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable}


def run(*args):
    done = subprocess.run(
        args, env=environment(), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Sequences of different lengths and a tracker, tested one by one."""
    root = tmp_path_factory.mktemp('slots')
    split, names = root / 'data/val', []
    for i, length in enumerate(LENGTHS):
        (folder,) = make_got10k(
            root / 'data', 'val', num_sequences=1, num_frames=length
        )
        names.append(f'video_{i}')
        folder.rename(split / names[-1])
    (split / 'list.txt').write_text('\n'.join(names) + '\n')
    path = root / 'small.py'
    path.write_text(CONFIG.format(root=ROOT, data=root / 'data'))
    torch.manual_seed(0)
    cfg = Config.fromfile(path, format_python_code=False)
    model = MODELS.build({**cfg.model, '_scope_': 'mmsimtrack'})
    torch.save({'state_dict': model.state_dict()}, root / 'random.pth')
    cfg.work_dir, cfg.test_cfg.num_slots = str(root / 'whole'), 1
    cfg.load_from = str(root / 'random.pth')
    runner = Runner.from_cfg(cfg)
    runner.load_checkpoint(cfg.load_from)
    runner.test()
    return root


def assert_same_table(work_dir, whole):
    """As far as it does not depend on the rounding in a batch."""
    for path in sorted((whole / 'results').iterdir()):
        np.testing.assert_allclose(
            read_bboxes_xywh(work_dir / 'results' / path.name),
            read_bboxes_xywh(path),
            rtol=0,
            atol=1e-3,
        )
    found, expected = (
        json.loads((folder / 'metrics.json').read_text())
        for folder in (work_dir, whole)
    )
    assert found['per_sequence'].keys() == expected['per_sequence'].keys()
    assert found['overall'] == pytest.approx(expected['overall'], abs=0.01)


def test_two_ranks_give_the_same_table_as_one(root):
    work_dir = root / 'two'
    args = command(root, work_dir, '--num-slots', '2')
    log = run('tools/dist_test.sh', *args[:2], '2', *args[2:])
    # the longest first: 140 + 80 + 60 + 20 and 120 + 100 + 40 + 30
    assert 'Tracked video_0 ' in log and 'Tracked video_4 ' not in log
    assert_same_table(work_dir, root / 'whole')
