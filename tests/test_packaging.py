"""What `pip install` of a built wheel brings."""

import zipfile

import pytest
from processes import ROOT, python

from mmsimtrack.fileio import lock_folder


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Names in a wheel that is built from a source distribution."""
    pytest.importorskip('build')
    out = tmp_path_factory.mktemp('dist')
    # a build writes to the tree: the workers of a test run take turns
    shared = tmp_path_factory.getbasetemp().parent / 'build'
    with lock_folder(shared, wait=True):
        python('-m', 'build', '-n', '-o', out, ROOT)
    (path,) = out.glob('*.whl')
    return zipfile.ZipFile(path).namelist()


def test_splits_are_shipped(wheel):
    for path in (ROOT / 'mmsimtrack/datasets/splits').glob('*.txt'):
        assert f'mmsimtrack/datasets/splits/{path.name}' in wheel


def test_mim_finds_configs_tools_and_index(wheel):
    mim = 'mmsimtrack/.mim'
    assert f'{mim}/model-index.yml' in wheel
    for path in [
        *(ROOT / 'configs').rglob('*.py'),
        *(ROOT / 'configs').rglob('*.yml'),
        *(ROOT / 'tools').rglob('*.py'),
        *(ROOT / 'tools').glob('*.sh'),
    ]:
        shipped = f'{mim}/{path.relative_to(ROOT)}' in wheel
        assert shipped == ('benchmarks' not in path.parts)


def test_no_tests_and_no_leftovers(wheel):
    assert not [name for name in wheel if name.startswith('tests')]
    assert not [name for name in wheel if '__pycache__' in name]
