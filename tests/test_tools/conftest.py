"""Fixtures that run a tool, and note what it writes into pictures."""

import sys

import pytest


@pytest.fixture
def run_tool(monkeypatch):
    """A function that runs the `main` of a tool with these arguments."""

    def run(tool, *args):
        argv = [tool.__name__, *map(str, args)]
        monkeypatch.setattr(sys, 'argv', argv)
        return tool.main()

    return run


@pytest.fixture
def texts(monkeypatch):
    """What is written into pictures."""
    texts = []
    monkeypatch.setattr(
        'cv2.putText', lambda image, text, *args: texts.append(text)
    )
    return texts
