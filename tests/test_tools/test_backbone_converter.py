import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import torch

from mmsimtrack.models.weights import FORMATS
from mmsimtrack.models.weights.vit import timm_vit_names
from mmsimtrack.registry import MODELS

TOOL = (
    Path(__file__).parents[2]
    / 'tools/model_converters/backbone_to_mmsimtrack.py'
)
sys.path.insert(0, str(TOOL.parent))
import backbone_to_mmsimtrack as converter  # noqa: E402


@pytest.fixture
def network():
    return dict(
        type='JointViT',
        arch=dict(
            embed_dims=16,
            num_layers=2,
            num_heads=2,
            feedforward_channels=32,
        ),
        patch_size=16,
        img_size=32,
        tokenizer=dict(foveal_size=16),
    )


@pytest.fixture
def deit(network):
    """A small DeiT, and its weights in our names."""
    torch.manual_seed(0)
    own = MODELS.build(network).state_dict()
    names = timm_vit_names(2)
    ours = {mine: torch.randn(own[mine].shape) for mine in names.values()}
    weights = {theirs: ours[mine] for theirs, mine in names.items()}
    return {'model': weights | {'head.bias': torch.zeros(3)}}, ours


def run(monkeypatch, *args):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
    converter.main()


def test_what_is_written_loads_into_the_network(
    deit, network, tmp_path, monkeypatch, capsys
):
    checkpoint, ours = deit
    src, dst = tmp_path / 'deit.pth', tmp_path / 'new/dst.pth'
    torch.save(checkpoint, src)
    run(monkeypatch, 'timm', src, dst)
    assert f'Converted {len(ours)} tensors: {src}' in capsys.readouterr().out
    written = torch.load(dst, weights_only=True)
    assert list(written) == ['state_dict']
    network['init_cfg'] = dict(type='Pretrained', checkpoint=str(dst))
    model = MODELS.build(network)
    model.init_weights()
    state = model.state_dict()
    for name, tensor in ours.items():
        assert torch.equal(state[name], tensor), name


def test_nothing_is_written_if_a_weight_is_missing(
    deit, tmp_path, monkeypatch
):
    checkpoint, _ = deit
    del checkpoint['model']['norm.bias']
    torch.save(checkpoint, tmp_path / 'deit.pth')
    with pytest.raises(KeyError, match=r"missing \['norm.bias'\]"):
        run(monkeypatch, 'timm', tmp_path / 'deit.pth', tmp_path / 'dst.pth')
    assert [path.name for path in tmp_path.iterdir()] == ['deit.pth']


def test_views_do_not_take_their_tensors_along(tmp_path, monkeypatch):
    """Of PVT's last position only the entry of the class token is cut off."""
    large = torch.zeros(1000, 16)
    monkeypatch.setitem(FORMATS, 'pvt', lambda *args: {'x': large[:1]})
    torch.save({'x': torch.zeros(1)}, tmp_path / 'src.pth')
    run(monkeypatch, 'pvt', tmp_path / 'src.pth', tmp_path / 'dst.pth')
    assert (tmp_path / 'dst.pth').stat().st_size < 5000


def test_python_objects_need_trust(deit, tmp_path, monkeypatch):
    checkpoint, ours = deit
    src, dst = tmp_path / 'src.pth', tmp_path / 'dst.pth'
    torch.save(checkpoint | {'date': date(2020, 1, 1)}, src)
    command = [sys.executable, TOOL, 'timm', src, dst]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert 'datetime.date, and loading them runs code' in done.stderr
    assert 'add --trust-checkpoint' in done.stderr
    assert not dst.exists()
    run(monkeypatch, 'timm', src, dst, '--trust-checkpoint')
    written = torch.load(dst, weights_only=True)['state_dict']
    assert set(written) == set(ours)


def test_an_unknown_format_is_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, 'foo', 'a.pth', 'b.pth')
    assert "invalid choice: 'foo'" in capsys.readouterr().err
