"""Our MACs beside the analytic ones of the official network.

Layers and corner head are the same. What differs, on purpose: our position MLP
also sees the foveal patches (Eq. 7), whose position the release takes from
their neighbors; to shift an exemplar (B/32) the release embeds all of its
patches, and we those of the foveal window; the release computes the bottleneck
for every token but the foveal ones, and we for the search tokens.
"""

import sys
from functools import cache

import pytest

from .recipes import ROOT, load_json

sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))
import get_flops  # noqa: E402

FLOPS = load_json('flops.json').get('models', {})
CONFIGS = {
    'Sim-B/32': 'sim_b32_lasot.py',
    'Sim-B/16': 'sim_b16_lasot.py',
    'Sim-B/16*': 'sim_b16-8l_lasot.py',
    'Sim-L/14': 'sim_l14_lasot.py',
}


@cache
def count(name):
    return get_flops.count_config(ROOT / 'configs/simtrack' / CONFIGS[name])


@cache
def count_released(name):
    """Our way of the release; its one layer does not matter here."""
    options = {
        'model.backbone.tokenizer.as_released': True,
        'model.backbone.arch.num_layers': 1,
    }
    path = ROOT / 'configs/simtrack' / CONFIGS[name]
    return get_flops.count_config(path, options)


def macs(result, name):
    return result['modules'][name]['macs']


def embedded_in_vain(entry):
    """MACs of the patches that only the release embeds, and then drops."""
    foveal = int(entry['patch_embed_note'].split()[1])
    patches = foveal - entry['tokens']['foveal']
    return patches * 3 * entry['patch'] ** 2 * entry['width']


def per_token(entry, part):
    tokens = entry['tokens']
    counted = {
        'position_mlp': tokens['template'],
        'bottleneck': tokens['total'] - tokens['foveal'],
    }
    each, rest = divmod(entry[part], counted[part])
    assert rest == 0
    return each


each_model = pytest.mark.parametrize('name', FLOPS)


@each_model
def test_tokens(name):
    theirs, ours = FLOPS[name]['tokens'], count(name)['tokens']
    assert ours == {
        'exemplar': theirs['template'],
        'foveal': theirs['foveal'],
        'class': theirs['cls'],
        'search': theirs['search'],
    }
    assert sum(ours.values()) == theirs['total']


@each_model
def test_what_is_the_same(name):
    entry, result = FLOPS[name], count(name)
    assert macs(result, 'backbone.layers') == entry['blocks']
    linear = products = 0
    for i in range(entry['layers']):
        layer = f'backbone.layers.{i}'
        attn = [macs(result, f'{layer}.attn.{x}') for x in ('qkv', 'proj')]
        linear += sum(attn) + macs(result, f'{layer}.ffn')
        products += macs(result, f'{layer}.attn') - sum(attn)
    assert linear == entry['block_linear']
    assert products == entry['block_attention_matmul']
    branches = ('head.top_left', 'head.bottom_right')
    assert sum(macs(result, b) for b in branches) == entry['corner_head']


@each_model
def test_what_differs(name):
    entry, result = FLOPS[name], count(name)
    tokens = entry['tokens']
    embed = entry['patch_embed'] - embedded_in_vain(entry)
    assert macs(result, 'backbone.patch_embed') == embed
    position = per_token(entry, 'position_mlp')
    position *= tokens['template'] + tokens['foveal']
    assert macs(result, 'backbone.tokenizer.position') == position
    bottleneck = per_token(entry, 'bottleneck') * tokens['search']
    assert macs(result, 'head.bottleneck') == bottleneck
    backbone = entry['backbone_total'] - embedded_in_vain(entry)
    backbone += position - entry['position_mlp']
    assert result['backbone_macs'] == backbone
    head = entry['corner_head'] + bottleneck
    assert result['macs'] == backbone + head


@each_model
def test_as_released(name):
    """The position of foveal tokens is then no work of the MLP."""
    entry, result = FLOPS[name], count_released(name)
    position = macs(result, 'backbone.tokenizer.position')
    assert position == entry['position_mlp']
    embed = macs(result, 'backbone.patch_embed')
    assert embed == entry['patch_embed'] - embedded_in_vain(entry)
    layer = macs(result, 'backbone.layers')
    assert layer * entry['layers'] == entry['blocks']


@each_model
def test_the_sums_of_the_fixture(name):
    """What docs/en/flops.md says of the paper's figures rests on these."""
    entry = FLOPS[name]
    width, tokens = entry['width'], entry['tokens']
    assert entry['backbone_total'] == sum(
        entry[part] for part in ('patch_embed', 'position_mlp', 'blocks')
    )
    assert entry['network_total'] == sum(
        entry[part] for part in ('backbone_total', 'bottleneck', 'corner_head')
    )
    for key, absent in [
        ('blocks', 0),
        ('blocks_without_cls', 1),
        ('blocks_without_cls_and_foveal', 1 + tokens['foveal']),
    ]:
        n = tokens['total'] - absent
        layer = 12 * width**2 * n + 2 * width * n**2
        assert entry[key] == entry['layers'] * layer
