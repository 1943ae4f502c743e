"""What the options of tools/train.py do to the config."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs/demo/sim_tiny_generated.py')


@pytest.fixture
def composed(monkeypatch):
    """A function that gives the config that train.py would run with."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    import train

    def _composed(*args, accelerator=True):
        found = []
        runner = SimpleNamespace(train=lambda: None)
        monkeypatch.setattr(
            train.RUNNERS, 'build', lambda cfg: (found.append(cfg), runner)[1]
        )
        monkeypatch.setattr(
            torch.accelerator, 'is_available', lambda: accelerator
        )
        monkeypatch.setattr(sys, 'argv', ['train.py', CONFIG, *args])
        train.main()
        return found[0].optim_wrapper

    return _composed


def test_amp_chooses_the_type(composed):
    for args, dtype, scale in (
        (['--amp'], 'bfloat16', 1.0),
        (['--amp', 'float16'], 'float16', 'dynamic'),
    ):
        wrapper = composed(*args)
        assert wrapper.type == 'AmpOptimWrapper'
        assert (wrapper.dtype, wrapper.loss_scale) == (dtype, scale)
    with pytest.raises(SystemExit, match='on accelerators only'):
        composed('--amp', accelerator=False)


def test_adamw_is_fused_on_accelerators(composed):
    assert composed().optimizer.fused is True
    assert 'fused' not in composed(accelerator=False).optimizer
    off = ('--cfg-options', 'optim_wrapper.optimizer.fused=False')
    assert composed(*off).optimizer.fused is False
