import argparse

import cv2
import numpy as np
import pytest
import torch
import visualize_attention as tool
from mmengine.config import Config
from processes import ROOT

from mmsimtrack.registry import MODELS

ARCH = dict(embed_dims=8, num_layers=2, num_heads=1, feedforward_channels=8)
INTERACTION = dict(embed_dims=8, num_layers=1, num_heads=1)
# configs/_base_/models/ -> a small backbone of two layers
SMALL = {
    'sim_b16': dict(arch=ARCH),
    'sim_b16-one-way': dict(type='OneWayViT', arch=ARCH),
    'stark-sv_b16': dict(features=dict(arch=ARCH), interaction=INTERACTION),
}


def make_model(folder, name):
    """A config and a checkpoint of a small network with random weights."""
    base = name.removesuffix('-one-way')
    backbone = SMALL[name]
    config, checkpoint = folder / f'{name}.py', folder / f'{name}.pth'
    config.write_text(
        f"_base_ = ['{ROOT}/configs/_base_/models/{base}.py']\n"
        f'model = dict(backbone={backbone!r}, head=dict(channels=8))\n'
    )
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config).model)
    torch.save({'state_dict': model.state_dict()}, checkpoint)
    return str(config), str(checkpoint)


@pytest.fixture
def run(tmp_path, run_tool, make_got10k):
    """The tool, on a video of five frames; returns the picture."""
    (video,) = make_got10k(tmp_path, num_sequences=1, num_frames=5)

    def run(model, *options):
        out = tmp_path / 'out' / 'attention.png'
        arguments = [*model, video, '--bbox', '16,12,16,12', '--out', out]
        arguments += ['--device', 'cpu', *options]
        run_tool(tool, *arguments)
        assert [path.name for path in out.parent.iterdir()] == [out.name]
        return cv2.imread(str(out))

    return run


@pytest.mark.parametrize('name', SMALL)
def test_draws_every_model_of_the_zoo(run, tmp_path, name, capsys):
    image = run(make_model(tmp_path, name))
    assert image.shape == (4 * 242 + 18, (2 + 2) * 228, 3)
    assert 'Drew 4 rows' in capsys.readouterr().out


def test_models_frames_and_layers_as_asked_for(run, tmp_path, monkeypatch):
    rows = []
    monkeypatch.setattr(tool, 'attention_row', lambda *args: args)
    monkeypatch.setattr(
        tool,
        'draw_attention',
        lambda found: rows.extend(found) or np.zeros((9, 9, 3), np.uint8),
    )
    base = make_model(tmp_path, 'stark-sv_b16')
    ours = make_model(tmp_path, 'sim_b16')
    options = ['--compare', *ours, '--frames', '2,1', '--layers', '2,1']
    run(base, *options, '--cfg-options', 'model.search.factor=1')
    names = ('stark-sv_b16', 'sim_b16')
    titles = [f'{name} #{t}' for t in (2, 1) for name in names]
    assert [row[-1] for row in rows] == titles
    for model, _, _, layers, _ in rows:
        assert list(layers) == [2, 1]
        assert model.search['factor'] == 1


def test_wrong_arguments_are_refused_before_tracking(run, tmp_path, capsys):
    model = make_model(tmp_path, 'sim_b16')
    with pytest.raises(ValueError, match='found 3, .* has 2 layers'):
        run(model, '--layers', '1,3')
    with pytest.raises(SystemExit):
        run([*model, 'rtsp://camera'])


def test_untrusted_checkpoints_need_the_option(run, tmp_path):
    config, checkpoint = make_model(tmp_path, 'sim_b16')
    content = torch.load(checkpoint) | {'object': argparse.Namespace()}
    torch.save(content, checkpoint)
    with pytest.raises(ValueError, match='add --trust-checkpoint'):
        run((config, checkpoint))
    run((config, checkpoint), '--trust-checkpoint')


FRAMES = [(81, [20, 40, 60, 80]), (5, [1, 2, 3, 4]), (3, [1, 2]), (2, [1])]


@pytest.mark.parametrize('num_frames, expected', FRAMES)
def test_four_frames_by_default(num_frames, expected):
    assert tool.choose_frames(num_frames) == expected


def test_frames_without_search_crop_are_refused():
    assert tool.choose_frames(5, [4, 1]) == [4, 1]
    message = 'found 0, 5, expected .* 1 to 4: clip holds 5 frames'
    with pytest.raises(ValueError, match=message):
        tool.choose_frames(5, [0, 2, 5], 'clip')
    with pytest.raises(ValueError, match='clip holds one frame'):
        tool.choose_frames(1, None, 'clip')
