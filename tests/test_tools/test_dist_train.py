"""Several processes train as one does, on CPUs."""

import json

import pytest
import torch
from processes import forked
from small_models import small_demo

# SGD, since Adam blows up the rounding of gradients that are zero
CONFIG = """
train_cfg = dict(max_epochs=1)
train_dataloader.update(batch_size=4, sampler=dict(num_pairs=14))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.1),
    clip_grad=dict(max_norm=0.01),
)
param_scheduler = None
custom_imports = dict(imports=['watch'])
custom_hooks = [dict(type='Watch')]
"""
FSDP = """
runner_type = 'FlexibleRunner'
strategy = dict(
    type='mmsimtrack.engine.fsdp.ResumableFSDPStrategy',
    model_wrapper=dict(device_id='cpu'),
    state_dict_cfg='full',
)
optim_wrapper.update(type='FSDPOptimWrapper')
"""
HOOK = """
import json, os
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Watch(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        keys = [sample.key for sample in data_batch['data_samples']]
        with open(f'{runner.work_dir}/keys_{get_rank()}.txt', 'a') as file:
            file.write(json.dumps(keys) + '\\n')
        if os.environ.get('SPOIL') and get_rank() == 1 and runner.iter == 1:
            data_batch['inputs']['exemplar_bbox'][0] = torch.nan
"""


@pytest.fixture
def train(tmp_path, make_got10k):
    """A function that trains in a number of processes."""
    make_got10k(tmp_path / 'data', 'train', num_frames=6)
    (tmp_path / 'watch.py').write_text(HOOK)
    text = small_demo(tmp_path / 'data', CONFIG)
    (tmp_path / 'small.py').write_text(text)
    (tmp_path / 'fsdp.py').write_text(text + FSDP)

    def _train(name, processes, config='small.py', **options):
        command = 'train', tmp_path / config, '--work-dir', tmp_path / name
        size = f'train_dataloader.batch_size={4 // processes}'
        options |= dict(ranks=processes, PYTHONPATH=str(tmp_path))
        return forked(*command, '--cfg-options', size, **options).stderr

    return _train


def keys(work_dir):
    """Keys of all processes, in each step."""
    ranks = [
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(work_dir.glob('keys_*.txt'))
    ]
    return [sorted(sum(step, [])) for step in zip(*ranks, strict=True)]


def weights(work_dir):
    path = work_dir / 'epoch_1.pth'
    return torch.load(path, weights_only=False)['state_dict']


def test_two_processes_train_as_one_with_twice_the_batch(train, tmp_path):
    """Replicated (DDP) or sharded (FSDP), but for rounding."""
    train('one', 1)
    # 14 pairs an epoch: 3 whole batches
    expected = [[[0, 4 * step + i] for i in range(4)] for step in range(3)]
    assert keys(tmp_path / 'one') == expected
    for name, config in (('ddp', 'small.py'), ('fsdp', 'fsdp.py')):
        train(name, 2, config)
        assert len(list((tmp_path / name).glob('keys_*.txt'))) == 2
        assert keys(tmp_path / name) == expected
        found, one = weights(tmp_path / name), weights(tmp_path / 'one')
        torch.testing.assert_close(found, one, rtol=1e-5, atol=1e-6)


def test_a_loss_that_one_process_loses_stops_all(train, tmp_path):
    log = train('spoiled', 2, SPOIL='1', check=False)
    assert 'Training stopped before iteration 2: The loss is not' in log
    expected = 'process 0: (0, 4), (0, 6); process 1: (0, 5), (0, 7). The last'
    assert expected in log
    assert (tmp_path / 'spoiled/good_iter_1.pth').exists()
