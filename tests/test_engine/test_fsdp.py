import pytest
import torch
from mmengine._strategy import FSDPStrategy
from mmengine.config import Config
from mmengine.registry import STRATEGIES
from processes import ROOT
from small_models import SMALL_VIT
from torch import nn

from mmsimtrack.engine.fsdp import FSDPOptimWrapper
from mmsimtrack.registry import MODELS, OPTIM_WRAPPERS

CONFIG = ROOT / 'configs/simtrack/sim_l14_lasot_fsdp.py'


def test_units_are_the_encoder_layers(monkeypatch):
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.init_cfg = None
    cfg.model.backbone.arch.update(SMALL_VIT, num_layers=24)
    model = MODELS.build(cfg.model)
    strategy_cfg = dict(cfg.strategy)
    strategy = STRATEGIES.get(strategy_cfg.pop('type'))(**strategy_cfg)
    monkeypatch.setattr(FSDPStrategy, '_wrap_model', lambda self, model: None)
    strategy._wrap_model(model)
    policy = strategy.model_wrapper['auto_wrap_policy']
    modules = model.named_modules()
    units = [name for name, each in modules if policy(each, False, 0)]
    assert units == [f'backbone.layers.{i}' for i in range(24)]
    assert policy(model, True, 0)  # look inside of all else
    assert OPTIM_WRAPPERS.get(cfg.optim_wrapper.type) is FSDPOptimWrapper


class Sharded(nn.Linear):
    """Of whose gradient this process has a part."""

    def clip_grad_norm_(self, max_norm):
        for parameter in self.parameters():
            parameter.grad.mul_(max_norm / 5)
        return torch.tensor(5.0)


def test_the_norm_is_that_of_all_shards():
    model = Sharded(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1)
    wrapper = FSDPOptimWrapper(optimizer, clip_grad=dict(max_norm=0.5))
    before = model.weight.item()
    with wrapper.optim_context(model):
        loss = 3 * model.weight.sum()
    wrapper.update_params(loss)
    assert model.weight.item() == pytest.approx(before - 3 * 0.1, abs=1e-6)
