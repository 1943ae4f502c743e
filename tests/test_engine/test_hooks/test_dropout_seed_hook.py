import pytest
import torch
from mmengine.model import BaseModel


class Dropped(BaseModel):
    """The parameter follows the mask that dropout draws."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(64))

    def forward(self, x, mode='tensor'):
        dropped = torch.nn.functional.dropout(x, training=True)
        return {'loss': (dropped * self.scale).sum()}


@pytest.mark.parametrize('hook', [True, False])
def test_a_resumed_run_drops_the_same(tmp_path, make_trainer, hook):
    hooks = [dict(type='DropoutSeedHook')] if hook else []
    options = dict(custom_hooks=hooks, randomness=dict(seed=3))
    items = [{'x': torch.ones(64)}] * 2

    def train(name, max_epochs, resume=False):
        given = tmp_path / name, Dropped(), items, max_epochs
        runner = make_trainer(*given, resume=resume, **options)
        runner.train()
        return runner.model.scale.detach().clone()

    whole = train('whole', 3)
    train('parts', 1)
    # without the hook the resumed run repeats the masks of its start
    assert torch.equal(whole, train('parts', 3, resume=True)) == hook
    assert len(whole.unique()) > 2  # the masks differ from step to step
