"""Our MACs beside the analytic ones of the official network, and the table.

Layers and corner head are the same. What differs, on purpose: our position MLP
also sees the foveal patches (Eq. 7), whose position the release takes from
their neighbors; to shift an exemplar (B/32) the release embeds all of its
patches, and we those of the foveal window; the release computes the bottleneck
for every token but the foveal ones, and we for the search tokens.
"""

import json
import re

import get_flops
import pytest

from .recipes import ROOT, load_json

FLOPS = load_json('flops.json').get('models', {})
CONFIGS = {
    'Sim-B/32': 'sim_b32_lasot.py',
    'Sim-B/16': 'sim_b16_lasot.py',
    'Sim-B/16*': 'sim_b16-8l_lasot.py',
    'Sim-L/14': 'sim_l14_lasot.py',
}
TINY = 'configs/demo/sim_tiny_generated.py'
DOC = (ROOT / 'docs/en/flops.md').read_text()
ROWS = dict(re.findall(r'^\| (configs/\S+) \| (.*) \|$', DOC, re.M))
# one network of every kind; those of FLOPS are counted anyway
KINDS = 'pvt|swin|stark-s_|stark-sv_b32|decoder1|n25|one-way|fovea|plain|tiny'


def check_row(result, name):
    numbers = ('macs backbone_macs memory_macs frame_macs').split()
    assert ROWS[name].split(' | ') == [
        f'{result["params"] / 1e6:.2f}',
        *(f'{result[key] / 1e9:.3f}' for key in numbers),
    ]


@pytest.mark.parametrize('name', FLOPS)
def test_beside_the_release(name, unset_weights):
    entry, path = FLOPS[name], f'configs/simtrack/{CONFIGS[name]}'
    tokens = entry['tokens']
    result = get_flops.count_config(ROOT / path)
    check_row(result, path)
    macs = {key: one['macs'] for key, one in result['modules'].items()}
    assert macs['backbone.layers'] == entry['blocks']
    corners = macs['head.top_left'] + macs['head.bottom_right']
    assert corners == entry['corner_head']
    # patches that only the release embeds, and then drops
    in_vain = int(entry['patch_embed_note'].split()[1]) - tokens['foveal']
    in_vain *= 3 * entry['patch'] ** 2 * entry['width']
    embed = entry['patch_embed'] - in_vain
    assert macs['backbone.patch_embed'] == embed
    position = entry['position_mlp'] // tokens['template']
    position *= tokens['template'] + tokens['foveal']
    assert macs['backbone.tokenizer.position'] == position
    bottleneck = entry['bottleneck'] // (tokens['total'] - tokens['foveal'])
    bottleneck *= tokens['search']
    assert macs['head.bottleneck'] == bottleneck
    assert result['memory_macs'] == embed + position - (
        tokens['search'] * 3 * entry['patch'] ** 2 * entry['width']
    )
    assert result['backbone_macs'] == embed + position + entry['blocks']
    assert result['macs'] == result['backbone_macs'] + corners + bottleneck


@pytest.mark.parametrize('name', [n for n in ROWS if re.search(KINDS, n)])
def test_the_table_is_the_output(name, unset_weights):
    check_row(get_flops.count_config(ROOT / name), name)


def test_deviations_from_the_paper():
    row = r'^\| (\S+) \| ([\d.]+) \| [\d, ]+ \| ([\d.]+) \| (\S+) \|$'
    rows = re.findall(row, DOC, re.M)
    assert len(rows) == 11
    for model, paper, ours, deviation in rows:
        folder = 'stark' if model.startswith('stark') else 'simtrack'
        name = f'configs/{folder}/{model}_lasot.py'
        assert ours == ROWS[name].split(' | ')[2]
        assert f'{100 * (float(ours) / float(paper) - 1):+.1f}' == deviation


def test_the_command(monkeypatch, capsys, tmp_path):
    out = tmp_path / 'new/flops.json'
    option = 'model.backbone.tokenizer.foveal_size=0'
    args = [TINY, TINY, '--out', out, '--depth', 1, '--cfg-options', option]
    monkeypatch.setattr('sys.argv', ['get_flops.py', *map(str, args)])
    monkeypatch.chdir(ROOT)
    get_flops.main()
    text = capsys.readouterr().out
    results = json.loads(out.read_text())
    expected = get_flops.count_config(
        TINY, {'model.backbone.tokenizer.foveal_size': 0}
    )
    assert results == [expected] * 2
    macs, backbone = expected['macs'] / 1e9, expected['backbone_macs'] / 1e9
    share = 100 * backbone / macs
    row = rf'\| backbone \| .* \| {backbone:.3f} \| {share:.1f} \|'
    assert len(re.findall(row, text)) == 2
    assert 'backbone.layers' not in text
    assert f'| {macs:.3f} | {backbone:.3f} |' in text
    assert get_flops.CONVENTION in text


def test_a_config_without_a_model_is_refused():
    path = ROOT / 'configs/_base_/default_runtime.py'
    with pytest.raises(KeyError, match="default_runtime.py has no 'model'"):
        get_flops.count_config(path)
