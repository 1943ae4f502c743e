"""The adapters around stand-ins of the toolkits; `test_kits.py`: real ones."""

import importlib
import sys
from unittest.mock import Mock

import numpy as np
import pytest
import torch
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


class FakeTracker:
    """`got10k.trackers.Tracker`."""

    def __init__(self, name, is_deterministic=False):
        self.name, self.is_deterministic = name, is_deterministic


@pytest.fixture(autouse=True)
def trax(monkeypatch):
    """What stands in for the toolkits where `import` looks."""
    trax = Mock(Rectangle=Mock(create=lambda *box: box))
    trackers = Mock(Tracker=FakeTracker)
    fakes = {'got10k': Mock(), 'got10k.trackers': trackers, 'trax': trax}
    for name, module in fakes.items():
        monkeypatch.setitem(sys.modules, name, module)
        ours = f'mmsimtrack.adapters.{name}'
        monkeypatch.delitem(sys.modules, ours, raising=False)
    return trax


def load(name):
    return importlib.import_module(f'mmsimtrack.adapters.{name}')


def test_got10k(model, frames, expected):
    tracker = load('got10k').GOT10kTracker('ours', model, device='cpu')
    assert tracker.name == 'ours'
    assert tracker.is_deterministic
    images = [Image.fromarray(frame) for frame in frames]
    tracker.init(images[0], np.array(BOX))
    for image, box in zip(images[1:], expected[0][1:]):
        np.testing.assert_allclose(tracker.update(image), box)


def test_trax(model, frames, expected, trax, tmp_path):
    """Every request is answered, the first one too, but not `quit`."""
    kinds, requests = trax.TraxStatus, []
    for t, frame in enumerate(frames):
        path = tmp_path / f'{t}.png'
        Image.fromarray(frame).save(path)
        image = {'color': Mock(path=Mock(return_value=str(path)))}
        requests.append(Mock(type=kinds.FRAME, objects=[], image=image))
    requests[0].type = kinds.INITIALIZE
    requests[0].objects = [(Mock(bounds=lambda: BOX), {})]
    requests.append(Mock(type=kinds.QUIT))
    server = Mock(wait=Mock(side_effect=requests))
    load('trax').serve(server, model)
    assert server.wait.call_count == len(requests)
    answers = server.status.call_args_list
    for answer, box, score in zip(answers, *expected, strict=True):
        ((region, properties),) = answer.args[0]
        np.testing.assert_allclose(region, box)
        assert properties == {'confidence': pytest.approx(score)}


def test_trax_needs_a_model(monkeypatch):
    monkeypatch.delenv('MMSIMTRACK_MODEL', raising=False)
    with pytest.raises(KeyError, match='MMSIMTRACK_MODEL is not set.*env_'):
        load('trax').main()


@pytest.mark.parametrize(
    ('name', 'package'), [('got10k', 'got10k'), ('trax', 'vot-trax')]
)
def test_what_to_install(monkeypatch, name, package):
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
