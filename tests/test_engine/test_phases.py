"""The phases of the trackers for real video, stopped and resumed."""

import pytest
import torch
from mmengine.runner import Runner
from test_configs import ALL, load, shrink
from torch.testing import assert_close

PHASES = [name for name in ALL if '_real' in name]
STEPS = 4


@pytest.mark.parametrize('name', PHASES)
def test_a_phase_goes_on_with_the_same_numbers(name, tmp_path, make_data_for):
    def make(work_dir, resume):
        cfg = shrink(load(name), tmp_path, make_data_for)
        cfg.train_dataloader.sampler.num_pairs = 2 * STEPS
        saving = dict(by_epoch=False, interval=1, max_keep_ckpts=STEPS)
        cfg.default_hooks.checkpoint.update(saving)
        cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
        cfg.work_dir = str(tmp_path / work_dir)
        cfg.experiment_name = f'{tmp_path.name}_{work_dir}'
        cfg.resume = resume
        file = f'whole/iter_{STEPS // 2}.pth' if resume else 'before.pth'
        cfg.load_from = str(tmp_path / file)
        return Runner.from_cfg(cfg)

    runner = make('whole', resume=False)
    torch.manual_seed(0)
    for parameter in runner.model.parameters():
        parameter.data.normal_(std=0.1)
    model = {'state_dict': runner.model.state_dict()}
    torch.save(model, tmp_path / 'before.pth')
    runner.train()
    make('parts', resume=True).train()
    whole, parts = (
        torch.load(tmp_path / folder / f'iter_{STEPS}.pth', weights_only=False)
        for folder in ('whole', 'parts')
    )
    assert whole['meta']['iter'] == STEPS
    for part in ('state_dict', 'ema_state_dict'):
        assert_close(whole[part], parts[part], rtol=0, atol=0)
    rates = [group['lr'] for group in whole['optimizer']['param_groups']]
    assert rates == [g['lr'] for g in parts['optimizer']['param_groups']]
    before = torch.load(tmp_path / 'before.pth')['state_dict']
    after = whole['state_dict']
    changed = {k for k, v in before.items() if not v.equal(after[k])}
    assert {key.split('.')[0] for key in changed} >= {'backbone', 'head'}
