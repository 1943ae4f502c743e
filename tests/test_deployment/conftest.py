"""The small shipped tracker, and its export."""

import json
import shutil

import pytest

from mmsimtrack.apis import init_model
from mmsimtrack.deployment.export import export

NAME = 'sim_t16_real'  # calibrates, and smooths sizes


@pytest.fixture(scope='session')
def model():
    return init_model(NAME, device='cpu')


@pytest.fixture(scope='session')
def exported(model, tmp_path_factory):
    """The folder of its ONNX files, and the report."""
    out = tmp_path_factory.mktemp('export') / 'small'
    return out, export(model, out, name=NAME)


@pytest.fixture
def exported_before(exported, monkeypatch):
    """Let exports begin with the files of `exported`; torch is slow."""

    def copy(model, folder, format_, batch):
        for file in exported[0].iterdir():
            shutil.copy(file, folder)
        settings = json.loads((folder / 'tracker.json').read_text())
        del settings['sha256']
        return settings

    monkeypatch.setattr('mmsimtrack.deployment.export._write_networks', copy)


@pytest.fixture(scope='session')
def openvino():
    """Skip without OpenVINO."""
    return pytest.importorskip('openvino')
