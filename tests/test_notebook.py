"""The tutorial runs as it is.

`MMSIMTRACK_REWRITE_NOTEBOOK=1` stores what its cells put out, for the site.
"""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / 'docs/tutorials/track_and_train.ipynb'


def test_the_tutorial_runs(tmp_path, monkeypatch):
    nbclient = pytest.importorskip('nbclient')
    nbformat = pytest.importorskip('nbformat')
    pytest.importorskip('ipykernel')
    paths = [str(Path(sys.executable).parent), os.environ['PATH']]
    monkeypatch.setenv('PATH', os.pathsep.join(paths))
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=600)
    client.coalesce_streams = True
    client.execute()
    if os.environ.get('MMSIMTRACK_REWRITE_NOTEBOOK'):
        nbformat.write(notebook, NOTEBOOK)
    assert 'AUC' in notebook.cells[-2].outputs[0].text
