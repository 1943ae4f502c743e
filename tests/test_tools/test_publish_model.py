import publish_model as tool
import pytest
import torch
from safetensors import safe_open
from small_models import load_demo, small_demo

from mmsimtrack.models.weights import load
from mmsimtrack.registry import MODELS


@pytest.fixture
def trained(tmp_path):
    """Config and checkpoint of a small network, with a set to train on."""
    (tmp_path / 'small.py').write_text(small_demo(tmp_path))
    model = MODELS.build(load_demo().model)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'epoch_1.pth')
    return tmp_path / 'small.py', tmp_path / 'epoch_1.pth', model


def test_published_weights_are_those_of_training(trained, tmp_path, capsys):
    config, checkpoint, model = trained
    out = tmp_path / 'small.safetensors'
    tool.main([str(config), str(checkpoint), str(out), '--data', 'none'])
    assert out.stat().st_size < checkpoint.stat().st_size / 1.6
    with safe_open(out, 'pt') as file:
        header = file.metadata()
    assert header['config'] == 'small' and header['data'] == 'none'
    found = load.load_from_address(str(out))
    assert tool.hash_tensors(found['state_dict']) == header['sha256']
    assert found['meta'] == header
    for name, tensor in model.state_dict().items():
        half = found['state_dict'][name].to(tensor.dtype)
        torch.testing.assert_close(half, tensor, rtol=1e-3, atol=1e-6)
    model.load_state_dict(found['state_dict'])
    # nothing is overwritten
    before = out.read_bytes()
    with pytest.raises(SystemExit, match='2'):
        tool.main([str(config), str(checkpoint), str(out)])
    assert 'exists. Remove it' in capsys.readouterr().err
    assert out.read_bytes() == before


def test_statistics_are_of_training_pairs(trained, tmp_path, make_got10k):
    config, checkpoint, model = trained
    make_got10k(tmp_path)
    out = tmp_path / 'small.safetensors'
    tool.main([str(config), str(checkpoint), str(out), '--recount', '3'])
    found = load.load_from_address(str(out))['state_dict']
    name = 'head.top_left.1'
    assert found[f'{name}.num_batches_tracked'] == 3
    name += '.running_mean'
    assert not torch.allclose(found[name].float(), model.state_dict()[name])


@pytest.mark.parametrize('content', [b'', b'\x08', b'x' * 400])
def test_broken_files_are_named(content, tmp_path):
    path = tmp_path / 'cut.safetensors'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'cut\.safetensors cannot be read'):
        load.load_from_address(str(path))
