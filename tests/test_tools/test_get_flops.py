import json
import re
import sys
from pathlib import Path

import pytest
import torch
from macs_by_hand import macs_by_hand, tokens_by_hand
from mmengine.config import Config

from mmsimtrack.registry import MODELS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))
import get_flops  # noqa: E402

TINY = 'demo/sim_tiny_generated.py'
BACKBONE = 'model.backbone.'
DECODER = dict(num_layers=2, embed_dims=32, num_heads=2, dropout=0.1)
# sides that fill no whole number of windows or of reductions
ODD = {'model.exemplar.size': 72, 'model.search.size': 160}
SMALL_VIT = {
    BACKBONE + f'features.arch.{key}': value
    for key, value in dict(
        embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=48
    ).items()
}
CASES = {
    'sim': (TINY, {}),
    'released': (TINY, {BACKBONE + 'tokenizer.as_released': True}),
    'no-fovea': (TINY, {BACKBONE + 'tokenizer.foveal_size': 0}),
    'plain': (
        TINY,
        {
            BACKBONE + 'tokenizer.foveal_size': 0,
            BACKBONE + 'tokenizer.target_position': False,
        },
    ),
    'interaction50': (TINY, {BACKBONE + 'interaction_every': 2}),
    'interaction25': (TINY, {BACKBONE + 'interaction_every': 4}),
    'decoder': (TINY, {BACKBONE + 'decoder': DECODER}),
    'one-way': (TINY, {BACKBONE + 'type': 'OneWayViT'}),
    'swin': ('simtrack/sim_swin-b_lasot.py', ODD),
    'pvt': ('simtrack/sim_pvt-m_lasot.py', ODD),
    'stark-sv': ('stark/stark-sv_b32_lasot.py', SMALL_VIT),
    'stark-s': (
        'stark/stark-s_r50_lasot.py',
        {'model.exemplar.size': 64, 'model.search.size': 96},
    ),
}


def load(name, options=None):
    cfg = Config.fromfile(ROOT / 'configs' / name)
    cfg.merge_from_dict(options or {})
    return cfg


@pytest.mark.parametrize('name, options', CASES.values(), ids=CASES)
def test_macs_by_hand(name, options):
    result = get_flops.count_config(ROOT / 'configs' / name, options)
    memory, backbone, macs = macs_by_hand(load(name, options).model)
    assert result['memory_macs'] == memory
    assert result['backbone_macs'] == backbone
    assert result['macs'] == macs
    assert result['frame_macs'] == macs - memory
    assert result['tokens'] == tokens_by_hand(load(name, options).model)
    modules = result['modules']
    for total in ('macs', 'params'):
        parts = [modules[name][total] for name in ('backbone', 'head')]
        assert sum(parts) == result[total]
    assert modules['backbone']['macs'] == backbone


def test_tiny_sim_in_numbers():
    """16 exemplar, 1 foveal, 1 class and 64 search tokens of width 128."""
    result = get_flops.count_config(ROOT / 'configs' / TINY)
    assert result['tokens'] == {
        'exemplar': 16,
        'foveal': 1,
        'class': 1,
        'search': 64,
    }
    layers = 4 * (82 * (4 * 128**2 + 2 * 128 * 256) + 2 * 128 * 82**2)
    modules = result['modules']
    assert modules['backbone.layers']['macs'] == layers
    embed = (17 + 64) * 3 * 16 * 16 * 128
    assert modules['backbone.patch_embed.projection']['macs'] == embed
    positions = 17 * (3 * 64 + 64 * 128)
    assert modules['backbone.tokenizer.position']['macs'] == positions
    assert result['memory_macs'] == 17 * 3 * 16 * 16 * 128 + positions
    assert modules['head.bottleneck'] == {
        'macs': 64 * 128 * 64,
        'params': 128 * 64 + 64,
    }
    # qkv of the first layer, and the attention products beside it
    assert modules['backbone.layers.0.attn.qkv']['macs'] == 82 * 3 * 128**2
    attn = modules['backbone.layers.0.attn']['macs']
    assert attn - 82 * 4 * 128**2 == 2 * 128 * 82**2
    model = MODELS.build(load(TINY).model)
    assert result['params'] == sum(p.numel() for p in model.parameters())


def run(monkeypatch, capsys, *args):
    monkeypatch.setattr(sys, 'argv', ['get_flops.py', *map(str, args)])
    get_flops.main()
    return capsys.readouterr().out


def test_the_command(monkeypatch, capsys, tmp_path):
    path, out = ROOT / 'configs' / TINY, tmp_path / 'new/flops.json'
    text = run(monkeypatch, capsys, path, '--out', out, '--depth', 1)
    result = json.loads(out.read_text())
    assert [file.name for file in out.parent.iterdir()] == ['flops.json']
    assert result == get_flops.count_config(path)
    assert get_flops.CONVENTION in text
    assert 'attention products' in result['convention']
    macs, backbone = result['macs'] / 1e9, result['backbone_macs'] / 1e9
    share = 100 * backbone / macs
    assert re.search(
        rf'\| backbone \| .* \| {backbone:.3f} \| {share:.1f} \|', text
    )
    assert 'backbone.layers' not in text
    row = f'| {macs:.3f} | {backbone:.3f} |'
    assert row in text
    assert 'exemplar 16, foveal 1, class 1, search 64' in text


def test_several_configs_and_options(monkeypatch, capsys, tmp_path):
    paths = [ROOT / 'configs' / TINY] * 2
    option = 'model.backbone.tokenizer.foveal_size=0'
    args = [*paths, '--out', tmp_path / 'flops.json', '--depth', 0]
    text = run(monkeypatch, capsys, *args, '--cfg-options', option)
    assert text.count('sim_tiny_generated.py') == 2  # the rows
    results = json.loads((tmp_path / 'flops.json').read_text())
    expected = macs_by_hand(load(*CASES['no-fovea']).model)
    assert [result['macs'] for result in results] == [expected[2]] * 2


def test_a_config_without_a_model_is_refused():
    path = ROOT / 'configs/_base_/default_runtime.py'
    with pytest.raises(KeyError, match="default_runtime.py has no 'model'"):
        get_flops.count_config(path)


@pytest.mark.parametrize('fused', [True, False])
def test_the_fused_kernels_come_back(fused):
    torch.backends.mha.set_fastpath_enabled(fused)
    try:
        counter = get_flops.MacCounter(torch.nn.Identity())
        with pytest.raises(OSError), counter.running():
            assert not torch.backends.mha.get_fastpath_enabled()
            assert not torch.backends.cuda.flash_sdp_enabled()
            raise OSError
        assert torch.backends.mha.get_fastpath_enabled() == fused
        assert torch.backends.cuda.flash_sdp_enabled()
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
