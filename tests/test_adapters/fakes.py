"""Toolkits that are not installed, as far as our adapters use them."""

import sys
from types import ModuleType, SimpleNamespace


class FakeTracker:
    """`got10k.trackers.Tracker`."""

    def __init__(self, name, is_deterministic=False):
        self.name = name
        self.is_deterministic = is_deterministic


class FakeServer:
    """`trax.Server`: asks what it is told to, and keeps the answers."""

    def __init__(self, requests):
        self.requests = list(requests)
        self.answers = []

    def wait(self):
        return self.requests.pop(0)

    def status(self, objects, properties):
        self.answers.append((objects, properties))


class FakeRectangle:
    """`trax.Rectangle`."""

    def __init__(self, *box):
        self.box = box

    @classmethod
    def create(cls, x, y, w, h):
        return cls(x, y, w, h)

    def bounds(self):
        return self.box


def install(monkeypatch):
    """Put them where `import` looks, and forget our adapters after."""
    got10k, trackers, trax = (
        ModuleType(name) for name in ('got10k', 'got10k.trackers', 'trax')
    )
    trackers.Tracker = FakeTracker
    trax.Rectangle = FakeRectangle
    trax.TraxStatus = SimpleNamespace(
        INITIALIZE='initialize', FRAME='frame', QUIT='quit', ERROR='error'
    )
    for module in (got10k, trackers, trax):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ('got10k', 'trax'):
        monkeypatch.delitem(
            sys.modules, f'mmsimtrack.adapters.{name}', raising=False
        )
    return trax
