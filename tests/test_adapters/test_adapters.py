"""The adapters around stand-ins of the toolkits; `test_kits.py`: real ones."""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fakes import FakeRectangle, FakeServer, install
from PIL import Image
from processes import python
from small_models import SIMTRACK

from mmsimtrack.registry import MODELS
from mmsimtrack.structures import xyxy_to_xywh


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.build(SIMTRACK).eval()


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 255, (4, 60, 80, 3), np.uint8))


BOX = (20.0, 10.0, 16.0, 12.0)


@pytest.fixture
def expected(model, frames):
    """Boxes (x, y, w, h) and scores of our own loop."""
    state = model.init(frames[:1], [[20, 10, 36, 22]])
    states = [state]
    for frame in frames[1:]:
        states.append(model.track([frame], states[-1]))
    return (
        [xyxy_to_xywh(state.bboxes[0]) for state in states],
        [state.scores.item() for state in states],
    )


def load(name):
    return importlib.import_module(f'mmsimtrack.adapters.{name}')


def test_got10k(model, frames, expected, monkeypatch):
    install(monkeypatch)
    tracker = load('got10k').GOT10kTracker('ours', model, device='cpu')
    assert tracker.name == 'ours'
    assert tracker.is_deterministic
    images = [Image.fromarray(frame) for frame in frames]
    tracker.init(images[0], np.array(BOX))
    for image, box in zip(images[1:], expected[0][1:]):
        np.testing.assert_allclose(tracker.update(image), box)


def test_trax(model, frames, expected, monkeypatch, tmp_path):
    """Every request is answered, the first one too, but not `quit`."""
    trax = install(monkeypatch)
    kinds, requests = trax.TraxStatus, []
    for t, frame in enumerate(frames):
        path = tmp_path / f'{t}.png'
        Image.fromarray(frame).save(path)
        image = SimpleNamespace(path=lambda path=path: str(path))
        request = SimpleNamespace(type=kinds.FRAME, objects=[])
        request.image = {'color': image}
        requests.append(request)
    requests[0].type = kinds.INITIALIZE
    requests[0].objects = [(FakeRectangle(*BOX), {})]
    server = FakeServer([*requests, SimpleNamespace(type=kinds.QUIT)])
    load('trax').serve(server, model)
    assert not server.requests
    assert len(server.answers) == len(frames)
    for (objects, _), box, score in zip(server.answers, *expected):
        ((region, properties),) = objects
        np.testing.assert_allclose(region.bounds(), box)
        assert properties == {'confidence': pytest.approx(score)}


def test_trax_needs_a_model(monkeypatch):
    install(monkeypatch)
    monkeypatch.delenv('MMSIMTRACK_MODEL', raising=False)
    with pytest.raises(KeyError, match='MMSIMTRACK_MODEL is not set.*env_'):
        load('trax').main()


@pytest.mark.parametrize(
    ('name', 'package'), [('got10k', 'got10k'), ('trax', 'vot-trax')]
)
def test_what_to_install(monkeypatch, name, package):
    install(monkeypatch)
    monkeypatch.setitem(sys.modules, 'got10k.trackers', None)
    monkeypatch.setitem(sys.modules, 'trax', None)
    with pytest.raises(ImportError, match=f'pip install {package}'):
        load(name)


def test_nothing_else_imports_the_toolkits():
    code = (
        'import mmsimtrack.apis, mmsimtrack.adapters, sys; '
        'print(*{"trax", "got10k", "vot"} & sys.modules.keys())'
    )
    assert python('-c', code).stdout.split() == []
