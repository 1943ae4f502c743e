"""A file as OSTrack's trainer saves it, and the converter both ways."""

import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint

from mmsimtrack.cli.main import main
from mmsimtrack.models.weights import read_checkpoint
from mmsimtrack.models.weights.rename import FORMATS, convert
from mmsimtrack.registry import MODELS

from .ostrack import FOLDER, config, image, load, resize
from .recipes import ROOT, to_cxcywh

ABOUT = load('checkpoint.json')
FILE = FOLDER / 'OSTrack_ep0300.pth.tar'
UNUSED = {'backbone.cls_token', 'backbone.pos_embed'}

pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason=f'{FILE} is not there'
)


def mini():
    """The network of the file."""
    sizes = ABOUT['model']
    cfg = resize(config('vitb256'), sizes)
    return MODELS.build(cfg).eval()


@torch.no_grad()
def assert_answers(model):
    about = ABOUT['forward']
    inputs = []
    for view in ('template', 'search'):
        recipe = {'noise_seed': about[f'{view}_noise_seed']}
        inputs.append(image(recipe, about['batch'], ABOUT['model'][view]))
    exemplar, search = inputs
    bbox = torch.zeros(about['batch'], 4)
    memory = model.backbone.embed_exemplar(exemplar, bbox)
    feat = model.backbone(memory, search)
    score, *_ = model.head.maps(feat)
    np.testing.assert_allclose(
        score.flatten(), np.ravel(about['score_map']), rtol=0, atol=5e-5
    )
    found = to_cxcywh(model.head(feat))
    expected = about['pred_boxes_cxcywh']
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def run(*args):
    return main(['convert', 'ostrack', *map(str, args)])


def test_the_file_loads_as_it_is():
    """Its objects come out empty, and none of their code is needed."""
    model = mini()
    load_checkpoint(model, str(FILE), 'cpu', strict=True)
    assert_answers(model)
    assert 'lib' not in sys.modules
    shapes = ABOUT['net']
    assert set(read_checkpoint(FILE)['net']) == set(shapes)


def test_there_and_back(tmp_path):
    """Strictly; the two unused tensors come back as they were."""
    ours, back = tmp_path / 'ours.pth', tmp_path / 'back.pth'
    assert run(FILE, ours) == 0
    checkpoint = torch.load(ours, weights_only=True)
    assert set(checkpoint['meta']['unused']) == UNUSED
    model = mini()
    model.load_state_dict(checkpoint['state_dict'], strict=True)
    assert_answers(model)
    assert run(ours, back, '--reverse') == 0
    official = read_checkpoint(FILE)['net']
    found = torch.load(back, weights_only=True)['net']
    assert found.keys() == official.keys()
    for name, tensor in official.items():
        assert torch.equal(found[name], tensor), name


def test_by_the_name_of_a_model(tmp_path, monkeypatch, capsys):
    """What is there already stays."""
    monkeypatch.chdir(tmp_path)
    args = ['convert', 'ostrack_b256_lasot', str(FILE)]
    assert main(args) == 0
    checkpoint = torch.load('ostrack_b256_lasot.pth', weights_only=True)
    mini().load_state_dict(checkpoint['state_dict'], strict=True)
    assert main(args) == 2
    assert 'ostrack_b256_lasot.pth exists' in capsys.readouterr().err


def test_weights_of_our_own_get_the_unused_ones(tmp_path):
    """The official code loads strictly, and never looks at them."""
    model, back = mini(), tmp_path / 'back.pth'
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'ours.pth')
    assert run(tmp_path / 'ours.pth', back, '--reverse') == 0
    found = torch.load(back, weights_only=True)['net']
    assert {k: list(t.shape) for k, t in found.items()} == ABOUT['net']
    assert not any(found[name].any() for name in UNUSED)


def test_a_file_with_a_weight_too_few_is_refused(tmp_path, capsys):
    official = dict(read_checkpoint(FILE)['net'])
    del official['box_head.conv1_ctr.0.bias']
    official['extra'] = torch.zeros(2, 3)
    torch.save(official, tmp_path / 'src.pth')
    src, dst = tmp_path / 'src.pth', tmp_path / 'dst.pth'
    assert run(src, dst) == 2
    error = capsys.readouterr().err
    assert "1 are missing, such as ['box_head.conv1_ctr.0.bias'" in error
    assert "1 are unknown, such as ['extra']" in error
    assert not (tmp_path / 'dst.pth').exists()


def test_counters_may_be_missing(tmp_path):
    official = {
        f'module.{k}': t
        for k, t in read_checkpoint(FILE)['net'].items()
        if not k.endswith('num_batches_tracked')
    }
    torch.save({'state_dict': official}, tmp_path / 'src.pth')
    model = mini()
    load_checkpoint(model, str(tmp_path / 'src.pth'), 'cpu', strict=True)
    assert_answers(model)
    assert run(tmp_path / 'src.pth', tmp_path / 'dst.pth') == 0


@pytest.mark.parametrize('size', [256, 384])
def test_shipped_configs_fit_the_released_shapes(size):
    """Every name and shape of a released file, and no other."""
    cfg = Config.fromfile(ROOT / f'configs/ostrack/ostrack_b{size}_lasot.py')
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    rules = load('weights.json')[f'vitb{size}']['tensors']
    official = {
        k: torch.empty(r['shape'], device='meta') for k, r in rules.items()
    }
    assert len(official) == 242
    ours = convert(FORMATS['ostrack'], official, 'x')
    shapes = {k: t.shape for k, t in model.state_dict().items()}
    assert {k: t.shape for k, t in ours.items()} == shapes
