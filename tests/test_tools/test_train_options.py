"""What the options of tools/train.py do to the config."""

from types import SimpleNamespace

import pytest
import torch
from small_models import DEMO

from mmsimtrack.cli import train


@pytest.fixture
def composed(monkeypatch):
    """A function that gives the config that train.py would run with."""

    def _composed(*args, accelerator=True):
        found = []
        runner = SimpleNamespace(train=lambda: None)
        monkeypatch.setattr(
            train,
            'build_runner',
            lambda cfg, **_: found.append(cfg) or runner,
        )
        monkeypatch.setattr(train, 'check_roots', lambda *_: None)
        monkeypatch.setattr(
            torch.accelerator, 'is_available', lambda: accelerator
        )
        assert train.main([str(DEMO), *args]) == 0
        return found[0]

    return _composed


def test_amp_chooses_the_type(composed, recwarn, monkeypatch):
    assert composed('--amp').optim_wrapper.type == 'AutocastOptimWrapper'
    wrapper = composed('--amp', 'float16').optim_wrapper
    assert wrapper.type == 'AmpOptimWrapper'
    assert (wrapper.dtype, wrapper.loss_scale) == ('float16', 'dynamic')
    with pytest.raises(SystemExit, match='float16 needs an accelerator'):
        composed('--amp', 'float16', accelerator=False)
    monkeypatch.setattr(train, 'has_native_bfloat16', lambda: False)
    with pytest.warns(UserWarning, match='several times as fast'):
        composed('--amp', accelerator=False)
    monkeypatch.setattr(train, 'has_native_bfloat16', lambda: True)
    recwarn.clear()
    composed('--amp', accelerator=False)
    assert not [w for w in recwarn if 'bfloat16' in str(w.message)]


def test_resuming_without_a_checkpoint_begins_as_without(composed, tmp_path):
    begun = ['--work-dir', str(tmp_path), '--cfg-options', 'load_from=a.pth']
    cfg = composed(*begun, '--resume')
    assert (cfg.resume, cfg.load_from) == (False, 'a.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    cfg = composed(*begun, '--resume')
    assert (cfg.resume, cfg.load_from) == (True, None)
    cfg = composed(*begun, '--resume', 'b.pth')
    assert (cfg.resume, cfg.load_from) == (True, 'b.pth')


def test_adamw_is_fused_on_accelerators(composed):
    assert composed().optim_wrapper.optimizer.fused is True
    assert 'fused' not in composed(accelerator=False).optim_wrapper.optimizer
    off = ('--cfg-options', 'optim_wrapper.optimizer.fused=False')
    assert composed(*off).optim_wrapper.optimizer.fused is False
