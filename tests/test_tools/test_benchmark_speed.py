import json
from pathlib import Path
from time import perf_counter, sleep
from types import SimpleNamespace

import numpy as np
import pytest
import speed
import torch
from mmengine.config import Config

from mmsimtrack.registry import MODELS

ROOT = Path(__file__).parents[2]

CONFIG = f"""
_base_ = ['{ROOT}/configs/demo/sim_tiny_generated.py']
model = dict(
    backbone=dict(arch=dict(embed_dims=16, num_layers=1, num_heads=2,
                            feedforward_channels=16)),
    head=dict(channels=8),
)
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'small.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture
def frames(tmp_path, make_got10k):
    (folder,) = make_got10k(tmp_path, num_sequences=1, num_frames=3)
    return folder


def test_writes_tables_that_say_what_they_are(
    config, frames, tmp_path, run_tool, capsys
):
    out = tmp_path / 'speed.json'
    run_tool(
        speed,
        config,
        *('--video', frames, '--bbox-xywh', 16, 12, 16, 12, '--out', out),
        *('--precision', 'fp32', 'bf16', '--slots', 1, 3),
        *('--num-frames', 6, '--warm-up', 2, '--device', 'cpu'),
    )
    content = json.loads(out.read_text())
    assert content['frames'] == f'{frames}, 64x48'
    assert content['bbox_xyxy'] == [16, 12, 32, 24]
    assert content['device'] == 'cpu' and content['checkpoint'] is None
    for row, precision in zip(content['measurements'], ('fp32', 'bf16')):
        assert (row['mode'], row['precision']) == ('eager', precision)
        latency = row['latency_ms']
        assert 0 < latency['median'] <= latency['p95']
        stages = latency['stages']
        assert list(stages) == ['decode', 'crop', 'copy', 'network', 'rest']
        assert all(value > 0 for value in stages.values())
        assert list(row['throughput']) == ['1', '3']
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith('| eager, bf16 | 3 |') for line in lines)


def test_stages_add_up_to_the_frame(monkeypatch):
    """A tracker whose stages take known times."""
    part = SimpleNamespace(normalize=sleep, forward=sleep, predict=sleep)
    model = SimpleNamespace(data_preprocessor=part, backbone=part, head=part)

    def track(frames, state):
        part.normalize(0.01)
        part.forward(0.03)
        part.predict(0.02)
        sleep(0.015)

    subject = SimpleNamespace(
        model=model,
        paths=['a', 'b'],
        now=perf_counter,
        start=lambda *_: None,
        track=track,
    )
    read = []
    monkeypatch.setattr(
        speed, 'read_frame', lambda path: (read.append(path), sleep(0.005))
    )
    found = speed.time_latency(subject, 3, 1)
    expected = dict(decode=5, crop=0, copy=10, network=50, rest=15)
    assert max(found['stages'], key=found['stages'].get) == 'network'
    for stage, milliseconds in expected.items():
        assert found['stages'][stage] >= milliseconds - 0.5
    assert found['median'] >= 80
    assert read[1:5] == ['a', 'b', 'a', 'b']


def test_boxes_are_put_back(config, frames):
    cfg = Config.fromfile(config, format_python_code=False)
    model = MODELS.build({**cfg.model, '_scope_': 'mmsimtrack'}).eval()
    paths = sorted(map(str, frames.glob('*.jpg')))
    bbox = np.array([16.0, 12, 32, 24])
    subject = speed.Subject(model, paths, bbox)
    frame = speed.read_frame(paths[0])
    state = subject.start([frame, frame], [None, None])
    moved = model.track([frame, frame], state).bboxes
    assert not np.allclose(moved, state.bboxes)
    found = subject.track([frame, frame], state)
    assert torch.equal(found.bboxes, state.bboxes)
    assert not torch.equal(found.scores, state.scores)


def test_generated_frames(tmp_path):
    paths = speed.find_frames(None, tmp_path)
    assert len(paths) == 8
    assert speed.read_frame(paths[7]).shape == (720, 1280, 3)


def test_a_video_without_frames(tmp_path):
    with pytest.raises(FileNotFoundError, match='--video: no frame in .*jpg'):
        speed.find_frames(tmp_path, tmp_path)
