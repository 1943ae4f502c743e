import copy

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset


class Ones(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        return {'x': torch.ones(64)}


class Dropped(BaseModel):
    """The parameter follows the mask that dropout draws."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(64))

    def forward(self, x, mode='tensor'):
        dropped = torch.nn.functional.dropout(x, training=True)
        return {'loss': (dropped * self.scale).sum()}


def train(work_dir, max_epochs, resume=False, hook=True):
    runner = Runner(
        Dropped(),
        str(work_dir),
        train_dataloader=dict(
            dataset=Ones(),
            sampler=dict(type='DefaultSampler', shuffle=False),
            batch_size=1,
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=max_epochs),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.0)),
        custom_hooks=[dict(type='DropoutSeedHook')] if hook else [],
        randomness=dict(seed=3),
        resume=resume,
        default_scope='mmsimtrack',
        experiment_name=f'{work_dir.name}_{max_epochs}_{resume}_{hook}',
    )
    runner.train()
    return copy.deepcopy(runner.model.scale.detach())


@pytest.mark.parametrize('hook', [True, False])
def test_a_resumed_run_drops_the_same(tmp_path, hook):
    whole = train(tmp_path / 'whole', 3, hook=hook)
    train(tmp_path / 'parts', 1, hook=hook)
    parts = train(tmp_path / 'parts', 3, resume=True, hook=hook)
    # without the hook the resumed run repeats the masks of its start
    assert torch.equal(whole, parts) == hook
    assert len(whole.unique()) > 2  # the masks differ from step to step
