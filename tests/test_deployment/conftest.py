"""The small shipped tracker, and its export."""

import json
import shutil

import cv2
import pytest

from mmsimtrack.apis import init_model
from mmsimtrack.deployment.export import draw_clip, export

NAME = 'sim_t16_real'  # calibrates, and smooths sizes


@pytest.fixture(scope='session')
def model():
    return init_model(NAME, device='cpu')


@pytest.fixture(scope='session')
def exported(model, tmp_path_factory):
    """The folder of its ONNX files, and the report."""
    out = tmp_path_factory.mktemp('export') / 'small'
    return out, export(model, out, name=NAME)


@pytest.fixture(scope='session')
def frames(tmp_path_factory):
    """A folder of frames, of which the tenth comes after the ninth."""
    folder = tmp_path_factory.mktemp('frames') / 'clip'
    folder.mkdir()
    for t, frame in enumerate(draw_clip(12)[0]):
        cv2.imwrite(str(folder / f'{t}.png'), frame[..., ::-1])
    return folder


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
