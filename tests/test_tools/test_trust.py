"""--trust-checkpoint, wherever a checkpoint is read."""

import sys

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader, Runner
from processes import ROOT
from small_models import DEMO

from mmsimtrack.apis import SOTInferencer, sot_inferencer
from mmsimtrack.models.weights.load import trusted


@pytest.fixture
def runner(monkeypatch):
    """A Runner that only notes what it may trust."""
    seen = []

    class Fake:
        def train(self):
            seen.append(trusted())

        model, train_loop = torch.nn.Linear(1, 1), None

        def test(self):
            return {}

    def load(path, map_location, logger):
        seen.append(trusted())
        return {'state_dict': Fake.model.state_dict()}

    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: Fake())
    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', load)
    return seen


def run_tool(name, monkeypatch, *args):
    monkeypatch.setattr(sys, 'argv', [name, *map(str, args)])
    source = (ROOT / 'tools' / name).read_text()
    exec(compile(source, name, 'exec'), {'__name__': '__main__'})


COMMANDS = [
    ('train.py', [DEMO, '--resume']),
    ('test.py', [DEMO, 'x.pth']),
    ('track.py', ['c.py', 'x.pth', 'a.mp4', '--bbox', '1,2,3,4']),
]


@pytest.mark.parametrize('trust', [True, False])
@pytest.mark.parametrize('name, args', COMMANDS)
def test_every_command(name, args, trust, runner, monkeypatch):
    class Inferencer:
        def __init__(self, config, checkpoint, device, trust_checkpoint):
            runner.append(trust_checkpoint)

        def __call__(self, *args):
            return {'bboxes': [], 'scores': np.ones(1)}

    monkeypatch.setattr(sot_inferencer, 'SOTInferencer', Inferencer)
    for module in ('train', 'test'):  # there need be no data
        check = f'mmsimtrack.cli.{module}.check_roots'
        monkeypatch.setattr(check, lambda *_: None)
    option = ['--trust-checkpoint'] if trust else []
    with pytest.raises(SystemExit, match='^0$'):
        run_tool(name, monkeypatch, *args, *option)
    assert runner == [trust]
    assert not trusted()


def test_the_inferencer(tmp_path):
    model = torch.nn.Linear(1, 1)
    weights = {'weight': torch.ones(1, 1), 'bias': torch.zeros(1)}
    path = tmp_path / 'x.pth'
    torch.save({'state_dict': weights, 'path': tmp_path}, path)
    message = 'x.pth holds Python .*SOTInferencer: trust_checkpoint=True'
    with pytest.raises(ValueError, match=message):
        SOTInferencer(model, path, 'cpu')
    SOTInferencer(model, path, 'cpu', trust_checkpoint=True)
    assert model.weight == 1
    assert not trusted()
