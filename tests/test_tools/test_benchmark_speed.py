import json

import numpy as np
import pytest
import speed
import torch
from small_models import load_demo, small_demo

from mmsimtrack.registry import MODELS


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'small.py'
    path.write_text(small_demo())
    return path


@pytest.fixture
def frames(tmp_path, make_got10k):
    (folder,) = make_got10k(tmp_path, num_sequences=1, num_frames=3)
    return folder


def test_tables_say_what_they_are(config, frames, tmp_path, run_tool, capsys):
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


def test_boxes_are_put_back(frames, tmp_path):
    model = MODELS.build({**load_demo().model, '_scope_': 'mmsimtrack'}).eval()
    paths = sorted(map(str, frames.glob('*.jpg')))
    subject = speed.Subject(model, paths, np.array([16.0, 12, 32, 24]))
    frame = speed.read_frame(paths[0])
    state = subject.start([frame, frame], [None, None])
    moved = model.track([frame, frame], state).bboxes
    assert not np.allclose(moved, state.bboxes)
    found = subject.track([frame, frame], state)
    assert torch.equal(found.bboxes, state.bboxes)
    assert not torch.equal(found.scores, state.scores)
    # frames are generated, or those of a folder
    paths = speed.find_frames(None, tmp_path / 'new')
    assert speed.read_frame(paths[7]).shape == (720, 1280, 3)
    with pytest.raises(FileNotFoundError, match='--video: no frame in .*jpg'):
        speed.find_frames(tmp_path, tmp_path)
