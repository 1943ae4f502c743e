"""docs/en/flops.md is the output of get_flops.py, and complete."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from macs_by_hand import (
    attention,
    macs_by_hand,
    tokens_by_hand,
    vit_layer,
)
from mmengine.config import Config

from mmsimtrack.registry import MODELS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))
import get_flops  # noqa: E402

CONFIGS = ROOT / 'configs'
DOC = (ROOT / 'docs/en/flops.md').read_text()


def documented():
    """Cells of the table of all networks, by config."""
    rows = re.findall(r'^\| configs/(\S+) \| (.*) \|$', DOC, re.M)
    return {name: cells.split(' | ') for name, cells in rows}


def network(path):
    """What tells the network of a config apart: all but its weights
    and what saves memory."""
    model = Config.fromfile(path).model
    for name in ('init_cfg', 'with_cp'):
        model.backbone.pop(name, None)
    model.backbone.get('features', {}).pop('init_cfg', None)
    return json.dumps(model.to_dict(), sort_keys=True)


def test_every_shipped_network_is_counted():
    (command,) = re.findall(r'--depth 0 (.*?)```', DOC, re.S)
    counted = [
        path
        for pattern in command.replace('\\', '').split()
        for path in ROOT.glob(pattern)
    ]
    assert set(documented()) == {
        str(path.relative_to(CONFIGS)) for path in counted
    }
    networks = {
        path: network(path)
        for path in CONFIGS.rglob('*.py')
        if '_base_' not in path.parts
    }
    assert set(networks.values()) == {networks[path] for path in counted}


def count_params(cfg):
    """Of a ViT without allocating them; other networks cannot be built so."""
    backbone = cfg.backbone.get('features', cfg.backbone)
    with torch.device('meta' if 'patch_size' in backbone else 'cpu'):
        model = MODELS.build(cfg)
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize('name', documented())
def test_the_document_by_hand(name):
    cfg = Config.fromfile(CONFIGS / name).model
    memory, backbone, macs = macs_by_hand(cfg)
    numbers = (macs, backbone, memory, macs - memory)
    tokens = tokens_by_hand(cfg)
    tokens = [
        f'{kind} ' + '/'.join(map(str, n if isinstance(n, list) else [n]))
        for kind, n in tokens.items()
    ]
    assert documented()[name] == [
        f'{count_params(cfg) / 1e6:.2f}',
        *(f'{number / 1e9:.3f}' for number in numbers),
        ', '.join(tokens),
    ]


@pytest.mark.parametrize(
    'name', ['simtrack/sim_b32_lasot.py', 'simtrack/sim_pvt-m_lasot.py']
)
def test_the_document_is_the_output(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = get_flops.count_config(f'configs/{name}')
    header, rule, row = get_flops.summary([result]).splitlines()
    assert f'{header}\n{rule}\n' in DOC
    assert f'\n{row}\n' in DOC


def test_deviations_from_the_paper():
    rows = re.findall(
        r'^\| (\S+) \| ([\d.]+) \| [\d, ]+ \| ([\d.]+) \| (\S+) \|$',
        DOC,
        re.M,
    )
    assert len(rows) == 11
    expected = documented()
    for model, paper, ours, deviation in rows:
        folder = 'stark' if model.startswith('stark') else 'simtrack'
        assert ours == expected[f'{folder}/{model}_lasot.py'][2]
        percent = 100 * (float(ours) / float(paper) - 1)
        assert f'{percent:+.1f}' == deviation


@pytest.mark.parametrize(
    'figure, width, num_layers, num_tokens',
    [
        (11.5, 768, 12, 132),
        (14.7, 768, 8, 246),
        (25.0, 768, 12, 278),
        (23.4, 768, 12, 261),
        (95.4, 1024, 24, 301),
    ],
)
def test_what_meets_the_figures(figure, width, num_layers, num_tokens):
    """Layers of so many tokens give the paper's figure."""
    macs = num_layers * vit_layer(width, num_tokens, 4 * width)
    assert round(macs / 1e9, 1) == figure
    assert f'N = {num_tokens}' in DOC
    assert f'{macs / 1e9:.2f}' in DOC


def test_what_meets_swin_and_stark():
    cfg = Config.fromfile(CONFIGS / 'simtrack/sim_swin-b_lasot.py').model
    memory, backbone, _ = macs_by_hand(cfg)
    kept = sum(
        depth * attention(128 * 2**stage, side**2, pooled**2)
        for stage, (depth, side, pooled) in enumerate(
            [(2, 56, 7), (2, 28, 7), (18, 14, 7), (2, 7, 4)]
        )
    )
    assert round((backbone - memory - kept) / 1e9, 2) == 15.43
    assert round(kept / 1e9, 2) == 0.30
    cfg = Config.fromfile(CONFIGS / 'stark/stark-sv_b16_lasot.py').model
    cfg.exemplar.size = 128
    embed = (8**2 + 14**2) * 3 * 16**2 * 768
    assert round((macs_by_hand(cfg)[1] - embed) / 1e9, 2) == 25.56
    cfg = Config.fromfile(CONFIGS / 'stark/stark-sv_b32_lasot.py').model
    cfg.exemplar.size = 192
    class_tokens = 12 * sum(
        vit_layer(768, n + 1, 3072) - vit_layer(768, n, 3072)
        for n in (6**2, 10**2)
    )
    assert round((macs_by_hand(cfg)[1] - class_tokens) / 1e9, 2) == 13.35
    for figure in ('15.43', '0.30', '25.56', '13.35'):
        assert figure in DOC
