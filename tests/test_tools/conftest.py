"""The tools as modules, and a fixture that runs one of them."""

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
for folder in (
    'analysis_tools',
    'benchmarks',
    'dataset_converters',
    'model_converters',
):
    sys.path.insert(0, str(TOOLS / folder))


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
