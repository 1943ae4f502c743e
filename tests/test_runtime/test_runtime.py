"""The tracker without torch, in this environment and in one of its own."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from processes import python, run
from small_models import SIMTRACK

from mmsimtrack.deployment.export import draw_clip, export
from mmsimtrack.registry import MODELS
from mmsimtrack.runtime import Tracker, backends, cli

LIGHT = Path(__file__).parents[2] / 'tools/deployment/light'


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    # the target of the clip is lost in two frames, and found again
    lost = dict(share=0.98, rate=0.1, growth=1.2, limit=2)
    options = dict(size_smoothing=0.5, calibrate=True, lost=lost)
    return MODELS.build({**SIMTRACK, 'test_cfg': options}).eval()


@pytest.fixture(scope='module')
def folder(model, tmp_path_factory):
    """Networks that torch runs, which are written in a moment."""
    out = tmp_path_factory.mktemp('export') / 'small'
    export(model, out, 'torchscript')
    return out


@pytest.fixture
def clip(model, tmp_path):
    """A folder of frames, the box x,y,w,h, and what torch finds (T, 5)."""
    frames, bbox = draw_clip(5)
    (tmp_path / 'frames').mkdir()
    for t, frame in enumerate(frames, 8):  # 10.png comes after 9.png
        path = tmp_path / f'frames/{t}.png'
        cv2.imwrite(str(path), frame[..., ::-1])
    for name in ('.hidden.png', 'notes.txt', 'notes'):
        (tmp_path / 'frames' / name).write_text('no image')
    state, rows = model.init(frames[:1], [bbox]), [[*bbox, 0]]
    for frame in frames[1:]:
        state = model.track([frame], state)
        rows.append([*state.bboxes[0].tolist(), state.lost.item()])
    assert [lost for *_, lost in rows] == [0, 1, 1, 0, 0]
    x1, y1, x2, y2 = bbox
    box = f'{x1:g},{y1:g},{x2 - x1:g},{y2 - y1:g}'
    return str(tmp_path / 'frames'), box, np.array(rows)


def read_rows(text):
    """Numbers of frames and targets, and boxes xyxy and `lost`, of a CSV."""
    header, *rows = text.strip().split('\n')
    assert header == 'frame,target,x,y,w,h,score,lost'
    rows = np.array([row.split(',') for row in rows], float)
    corner = rows[:, 2:4]
    return rows[:, :2], np.c_[corner, corner + rows[:, 4:6], rows[:, 7]]


def test_the_light_distribution_imports_nothing_of_the_large_one(tmp_path):
    build = [sys.executable, 'setup.py', '-q', 'build_py', '-d', tmp_path]
    subprocess.run(build, cwd=LIGHT, check=True)
    code = (
        'import sys; sys.modules.update(mmsimtrack=None, torch=None);'
        'import mmsimtrack_light.runtime.cli as cli; print(cli.__file__);'
        'print(*{"mmengine", "mmcv", "mmdet"} & set(sys.modules))'
    )
    done = python('-c', code, cwd=tmp_path)
    file, modules = done.stdout.split('\n')[:2]
    assert Path(file).is_relative_to(tmp_path) and modules == ''


def test_update_gives_one_row_or_many(folder):
    frames, bbox = draw_clip(2)
    tracker = Tracker(folder)
    tracker.init(frames[0], bbox)
    ok, single, score = tracker.update(frames[1])
    assert not ok and single.shape == (4,) and 0 < score < 1
    tracker.init(frames[0], [bbox, bbox + 9])
    ok, many, scores = tracker.update(frames[1])
    assert not ok[0] and many.shape == (2, 4) and scores.shape == (2,)
    np.testing.assert_allclose(many[0], single, atol=1e-3)


def test_a_prediction_that_is_not_finite_keeps_the_box(folder):
    frames, bbox = draw_clip(2)
    tracker = Tracker(folder)
    tracker.init(frames[0], bbox)
    tracker._networks['search'] = lambda _: [
        np.full((1, 4), np.nan, np.float32),
        np.ones(1, np.float32),
    ]
    # as of an export without peaks
    ok, found, score = tracker.update(frames[1])
    assert not ok and found.tolist() == bbox.tolist() and score == 1


REFUSED = [
    (dict(version=9), 'version is 9, expected 1'),
    ({}, 'pt is missing, but tracker.json nam'),
    (dict(format='onxx'), 'tracker.json is not as an export wrote it'),
    (dict(search={'size': 0, 'factor': 4}), 'Copy the whole folder'),
    (dict(files=None), 'json is not as an export wrote it'),
]


@pytest.mark.parametrize('change, message', REFUSED)
def test_a_folder_that_does_not_fit(folder, change, message, tmp_path):
    settings = json.loads((folder / 'tracker.json').read_text())
    path = tmp_path / 'tracker.json'
    path.write_text(json.dumps({**settings, **change}))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        Tracker(tmp_path)
    copy = shutil.copytree(folder, tmp_path / 'copy')
    path = copy / 'search.pt'
    path.write_bytes(path.read_bytes() + b'x')
    with pytest.raises(ValueError, match=r'search\.pt is not the file that'):
        Tracker(copy)


def test_wrong_calls(folder, tmp_path, monkeypatch):
    frames, bbox = draw_clip(2)
    with pytest.raises(FileNotFoundError, match='mmsimtrack export MODEL'):
        Tracker(tmp_path)
    with pytest.raises(ValueError, match="'openvino', expected auto or torch"):
        Tracker(folder, 'openvino')
    tracker = Tracker(folder)
    with pytest.raises(RuntimeError, match='update was called before'):
        tracker.update(frames[0])
    with pytest.raises(ValueError, match='Target 0: the first box'):
        tracker.init(frames[0], [5, 5, 5, 9])
    with pytest.raises(ValueError, match='found .5, 5, 9. as box, expected'):
        tracker.init(frames[0], [5, 5, 9])
    for frame in (frames[0][..., 0], 'frame.png', None):
        with pytest.raises(ValueError, match='expected .H, W, 3. RGB uint8'):
            tracker.init(frame, bbox)
    monkeypatch.setattr(backends.importlib.util, 'find_spec', lambda _: None)
    with pytest.raises(ImportError, match='pip install onnxruntime'):
        backends.choose_backend('onnx')


def test_track_command(folder, clip, tmp_path, capsys):
    source, box, expected = clip
    out = tmp_path / 'new/boxes.csv'
    args = ['track', source, '--model', str(folder), '--out', str(out)]
    assert cli.main([*args, '--box', box, '--box', box]) == 0
    numbers, bboxes = read_rows(out.read_text())
    assert numbers.tolist() == [[t, i] for t in range(5) for i in (1, 2)]
    np.testing.assert_allclose(bboxes[::2], expected, atol=2e-3)
    np.testing.assert_allclose(bboxes[1::2], expected, atol=2e-3)
    assert '5 frames' in capsys.readouterr().err
    assert cli.main([*args, '--box', box]) == 2
    assert 'boxes.csv exists' in capsys.readouterr().err
    args = ['track', 'no.mp4', '--model', str(folder), '--box', box]
    assert cli.main(args) == 2
    assert 'no.mp4 is missing, expected a video' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main([*args, '--box', '1,2,3'])
    assert "found '1,2,3', expected four numbers" in capsys.readouterr().err


def test_the_rows_remain(folder, clip, tmp_path, capsys, monkeypatch):
    """Of a run that a bad frame or Ctrl-C ends."""
    source, box, expected = clip
    Path(source, '11.png').write_text('no image')
    args = ['track', source, '--model', str(folder), '--box', box]
    assert cli.main([*args, '--out', str(tmp_path / 'boxes.csv')]) == 2
    assert '11.png is truncated or no image' in capsys.readouterr().err
    _, bboxes = read_rows((tmp_path / 'boxes.csv').read_text())
    np.testing.assert_allclose(bboxes, expected[:3], atol=2e-3)

    def interrupt(path):
        yield cv2.imread(f'{path}/8.png')
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, 'read_frames', interrupt)
    assert cli.main(args) == 130
    assert len(read_rows(capsys.readouterr().out)[0]) == 1
    monkeypatch.undo()
    args[1] = str(tmp_path / 'boxes.csv')
    assert cli.main(args) == 2
    assert 'OpenCV reads no frame of' in capsys.readouterr().err


@pytest.mark.skipif(
    'MMSIMTRACK_EXPORT' not in os.environ, reason='make test-export'
)
def test_light_distribution_without_torch(model, clip, tmp_path):
    source, box, expected = clip
    export(model, tmp_path / 'small')
    wheel = ['-m', 'pip', 'wheel', '-q', '--no-deps', '-w', str(tmp_path)]
    subprocess.run([sys.executable, *wheel, str(LIGHT)], check=True)
    venv.create(tmp_path / 'venv', with_pip=True)
    python = tmp_path / 'venv/bin/python'
    (path,) = tmp_path.glob('*.whl')
    environ = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    install = [python, '-m', 'pip', 'install', '-q', path]
    subprocess.run(install, check=True, env=environ, cwd=tmp_path)
    code = (
        'import sys, mmsimtrack_light, importlib.util as u;'
        'assert not any(map(u.find_spec, ("torch", "mmengine", "mmcv")));'
        'from mmsimtrack_light.runtime.cli import main; sys.exit(main())'
    )
    args = ['track', source, '--box', box, '--model', tmp_path / 'small']
    done = run(python, '-c', code, *args, env=environ, cwd=tmp_path)
    _, bboxes = read_rows(done.stdout)
    np.testing.assert_allclose(bboxes, expected, atol=1e-3)
