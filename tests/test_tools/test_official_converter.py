import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer

TOOL = (
    Path(__file__).parents[2]
    / 'tools/model_converters/official_simtrack_to_mmsimtrack.py'
)
sys.path.insert(0, str(TOOL.parent))
import official_simtrack_to_mmsimtrack as converter  # noqa: E402


@pytest.fixture
def official():
    """A state dict of two layers in official naming."""
    names = converter.simtrack_names(num_layers=2)
    torch.manual_seed(0)
    weights = {name: torch.randn(3) for name in names}
    weights['backbone.visual.class_embedding'] = torch.randn(8)
    weights['backbone.visual.positional_embedding'] = torch.randn(5, 8)
    weights['bottleneck.weight'] = torch.randn(4, 8)
    weights['backbone.visual.proj'] = torch.randn(8, 2)
    return weights


@pytest.fixture
def run(monkeypatch):
    """A function that runs the tool with options."""

    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        converter.main()

    return run


def test_names_by_hand():
    names = converter.simtrack_names(num_layers=12)
    assert len(names) == 217  # of B/16, without CLIP's projection
    assert len(set(names.values())) == 217
    assert names['backbone.visual.transformer.resblocks.3.mlp.c_fc.bias'] == (
        'backbone.layers.3.ffn.layers.0.0.bias'
    )
    assert names['backbone.pos_fc.2.weight'] == (
        'backbone.tokenizer.position.fcs.2.weight'
    )
    assert names['box_head.conv2_br.1.running_var'] == (
        'head.bottom_right.4.running_var'
    )
    assert names['box_head.conv5_tl.bias'] == 'head.top_left.12.bias'


def test_shapes(official):
    ours, unused = converter.to_ours(official, 'x')
    assert ours['backbone.cls_token'].shape == (1, 1, 8)
    assert ours['backbone.pos_embed'].shape == (1, 5, 8)
    assert ours['head.bottleneck.weight'].shape == (4, 8, 1, 1)
    assert list(unused) == ['backbone.visual.proj']


def test_there_and_back(official, tmp_path, run, capsys):
    wrapped = {f'module.{name}': t for name, t in official.items()}
    torch.save({'net': wrapped}, tmp_path / 'src.pth')
    run(tmp_path / 'src.pth', tmp_path / 'ours.pth')
    assert f'Converted {len(official) - 1} tensors' in capsys.readouterr().out
    run(tmp_path / 'ours.pth', tmp_path / 'back.pth', '--reverse')
    assert 'left out' not in capsys.readouterr().out
    back = torch.load(tmp_path / 'back.pth', weights_only=True)['net']
    assert set(back) == set(official)
    for name, tensor in official.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor), name


def test_back_and_there(official, tmp_path, run):
    ours, unused = converter.to_ours(official, 'x')
    file = {'state_dict': ours, 'meta': {'unused': unused}}
    torch.save(file, tmp_path / 'ours.pth')
    run(tmp_path / 'ours.pth', tmp_path / 'official.pth', '--reverse')
    run(tmp_path / 'official.pth', tmp_path / 'again.pth')
    again = torch.load(tmp_path / 'again.pth', weights_only=True)
    assert set(again['state_dict']) == set(ours)
    for name, tensor in ours.items():
        assert torch.equal(again['state_dict'][name], tensor), name
    (kept,) = again['meta']['unused'].values()
    assert torch.equal(kept, official['backbone.visual.proj'])


def test_a_checkpoint_of_a_training_converts_back(official, tmp_path, run):
    """It holds mmengine's log, but no code."""
    ours, _ = converter.to_ours(official, 'x')
    log = {'loss': HistoryBuffer([0.5], [1])}
    torch.save({'state_dict': ours, 'message_hub': log}, tmp_path / 'a.pth')
    run(tmp_path / 'a.pth', tmp_path / 'b.pth', '--reverse')
    back = torch.load(tmp_path / 'b.pth', weights_only=True)['net']
    assert set(back) == set(official) - {'backbone.visual.proj'}


def test_reverse_says_that_the_projection_is_absent(
    official, tmp_path, run, capsys
):
    del official['backbone.visual.proj']
    torch.save({'net': official}, tmp_path / 'src.pth')
    run(tmp_path / 'src.pth', tmp_path / 'ours.pth')
    run(tmp_path / 'ours.pth', tmp_path / 'back.pth', '--reverse')
    assert 'backbone.visual.proj is not in' in capsys.readouterr().out


def test_a_key_too_many_or_too_few_is_refused_by_name(official):
    del official['box_head.conv1_tl.0.bias']
    official['backbone.extra'] = torch.zeros(1)
    message = r"missing \['box_head.conv1_tl.0.bias'\].*\['backbone.extra'\]"
    with pytest.raises(KeyError, match=message):
        converter.to_ours(official, 'x.pth')


def test_a_missing_layer_is_named(official):
    official = {k: t for k, t in official.items() if 'resblocks.0.' not in k}
    with pytest.raises(KeyError, match=re.escape('resblocks.0.ln_1.weight')):
        converter.to_ours(official, 'x.pth')


def test_python_objects_need_trust(official, tmp_path, run):
    path = tmp_path / 'src.pth'
    torch.save({'net': official, 'settings': Path('x')}, path)
    command = [sys.executable, TOOL, path, tmp_path / 'ours.pth']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert 'add --trust-checkpoint' in done.stderr
    assert not (tmp_path / 'ours.pth').exists()
    run(path, tmp_path / 'ours.pth', '--trust-checkpoint')
    assert (tmp_path / 'ours.pth').exists()


def test_names_that_collide_are_refused(official):
    official['module.bottleneck.weight'] = torch.zeros(4, 8)
    with pytest.raises(KeyError, match="without 'module.': .*bottleneck.w"):
        converter.unwrap({'net': official}, 'x', ('net',))


def test_nothing_hides_among_the_unused(official):
    ours, unused = converter.to_ours(official, 'x')
    unused['bottleneck.weight'] = torch.zeros(4, 8)
    with pytest.raises(KeyError, match='no use for.*bottleneck.weight'):
        converter.to_official(ours, unused, 'x')
