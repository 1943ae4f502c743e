import torch
from torch import nn

from mmsimtrack.engine.autocast import has_native_bfloat16
from mmsimtrack.registry import OPTIM_WRAPPERS


def test_forward_runs_in_bfloat16_and_weights_stay_in_float32():
    model = nn.Linear(4, 4)
    before = model.weight.detach().clone()
    cfg = dict(type='AutocastOptimWrapper')
    cfg['optimizer'] = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = OPTIM_WRAPPERS.build(cfg)
    with wrapper.optim_context(model):
        out = model(torch.randn(2, 4))
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(before, model.weight)


def test_native_bfloat16_is_what_the_cpu_says(monkeypatch):
    rows = ({}, False), ({'avx512_bf16': False}, False), ({'bf16': 1}, True)
    for found, expected in rows:
        monkeypatch.setattr(
            torch.cpu,
            'get_capabilities',
            lambda found=found: found,
            raising=False,
        )
        assert has_native_bfloat16() == expected
    monkeypatch.delattr(torch.cpu, 'get_capabilities')
    assert not has_native_bfloat16()
