"""Groups of parameters and learning rates beside the official ones."""

import re

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS

from mmsimtrack.registry import MODELS

from .networks import SIZES, config_of, converter
from .recipes import ROOT, load_json

OPTIM = load_json('optim.json')
SCHEDULES = OPTIM['schedule']
PAPER = 'paper_500_epochs'
SCHEDULE = ROOT / 'configs/_base_/schedules/adamw_500e.py'


@pytest.fixture
def optimizer():
    """Ours, for a model with as many layers as the fixture's."""
    names = [name for group in OPTIM['groups'] for name in group['params']]
    layers = {m[1] for m in re.finditer(r'resblocks\.(\d+)', str(names))}
    cfg = config_of(dict(SIZES, layers=len(layers)), as_released=True)
    model = MODELS.build(cfg)
    wrapper = build_optim_wrapper(
        model, Config.fromfile(SCHEDULE).optim_wrapper
    )
    assert type(wrapper.optimizer).__name__ == OPTIM['optimizer']
    names = converter.names(len(layers)).items()
    back = {ours: official for official, ours in names}
    names = {id(p): back[name] for name, p in model.named_parameters()}
    for group in wrapper.optimizer.param_groups:
        group['official'] = {names[id(p)] for p in group['params']}
    return wrapper.optimizer


def test_groups(optimizer):
    groups = optimizer.param_groups
    ours = {name: group for group in groups for name in group['official']}
    assert len(ours) == sum(len(g['params']) for g in optimizer.param_groups)
    official = set()
    for group in OPTIM['groups']:
        for name in set(group['params']) - {*converter.unused}:
            official.add(name)
            for option in ('lr', 'weight_decay', 'eps'):
                found = ours[name][option]
                assert found == pytest.approx(group[option], rel=1e-12)
            assert list(ours[name]['betas']) == group['betas']
    assert official == set(ours)


def rates_over_epochs(optimizer, milestones, max_epochs):
    """Learning rates of the official groups, in their order, by epoch."""
    cfg = Config.fromfile(SCHEDULE).param_scheduler
    cfg.milestones = milestones
    scheduler = PARAM_SCHEDULERS.build(dict(cfg, optimizer=optimizer))
    examples = [group['params'][0] for group in OPTIM['groups']]
    for _ in range(max_epochs):
        groups = optimizer.param_groups
        rates = {k: g['lr'] for g in groups for k in g['official']}
        yield [rates[name] for name in examples]
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize('name', [k for k in SCHEDULES if k != 'note'])
def test_learning_rates(optimizer, name):
    """In every epoch; milestones are the fixture's."""
    entries = SCHEDULES[name]
    milestones = [entry['epoch'] - 1 for entry in entries[1:]]
    cfg = Config.fromfile(SCHEDULE)
    if name == PAPER:
        assert cfg.param_scheduler.milestones == milestones
    (max_epochs,) = map(int, re.findall(r'\d+', name))
    rates = rates_over_epochs(optimizer, milestones, max_epochs)
    for epoch, found in enumerate(rates, start=1):
        expected = [e['lr'] for e in entries if e['epoch'] <= epoch][-1]
        assert found == pytest.approx(expected, rel=1e-12), epoch
    assert epoch == max_epochs
