"""The small shipped tracker, and its export."""

import os
from importlib.util import find_spec

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


@pytest.fixture(scope='session')
def openvino():
    """Skip without OpenVINO, but where MMSIMTRACK_REQUIRE_ALL is set: fail."""
    if not find_spec('openvino'):
        missing = pytest.skip
        if os.environ.get('MMSIMTRACK_REQUIRE_ALL'):
            missing = pytest.fail
        missing('openvino is missing: pip install openvino')
