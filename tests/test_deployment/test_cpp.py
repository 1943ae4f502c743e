"""The example in C++ gives the boxes of the runtime."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from processes import run

from mmsimtrack.deployment.export import draw_clip, follow
from mmsimtrack.runtime import Tracker

pytestmark = pytest.mark.openvino
SOURCE = Path(__file__).parents[2] / 'tools/deployment/cpp'
BOX = '90,70,36,28'  # of the drawn clip


@pytest.fixture(scope='module')
def program(openvino, tmp_path_factory):
    found = [shutil.which(tool) for tool in ('cmake', 'g++')]
    found += list(
        Path('/usr').glob('lib*/**/cmake/opencv4/OpenCVConfig.cmake')
    )
    if len(found) < 3 or None in found:
        missing = pytest.skip
        if os.environ.get('MMSIMTRACK_REQUIRE_ALL'):
            missing = pytest.fail
        missing('apt-get install cmake g++ libopencv-dev')
    build = tmp_path_factory.mktemp('build')
    where = Path(openvino.__file__).parent / 'cmake'
    run('cmake', '-S', SOURCE, '-B', build, f'-DOpenVINO_DIR={where}')
    run('cmake', '--build', build)
    return build / 'track'


def read_bboxes(text):
    """Boxes (T, 4) xyxy of the CSV rows."""
    header, *rows = text.split()
    assert header == 'frame,target,x,y,w,h,score,lost'
    rows = np.array([row.split(',') for row in rows], float)
    assert rows[:, 0].tolist() == list(range(len(rows)))
    return np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]])


@pytest.mark.parametrize('bbox', [(90, 70, 126, 98), (-9, 100, 40, 250.5)])
def test_boxes_of_frames(program, exported, frames, bbox):
    x1, y1, x2, y2 = bbox
    done = run(program, exported[0], frames, f'{x1},{y1},{x2 - x1},{y2 - y1}')
    found = read_bboxes(done.stdout)
    tracker = Tracker(exported[0], 'openvino')
    expected = follow(tracker, draw_clip(12)[0], bbox)
    np.testing.assert_allclose(found[0], bbox)
    np.testing.assert_allclose(found[1:], expected, atol=0.05)
    assert np.ptp(expected, axis=0).max() > 1  # it moves


def test_a_video(program, exported, tmp_path):
    path = str(tmp_path / 'clip.avi')
    code = cv2.VideoWriter_fourcc(*'MJPG')
    video = cv2.VideoWriter(path, code, 25, (240, 180))
    for frame in draw_clip(4)[0]:
        video.write(np.ascontiguousarray(frame[..., ::-1]))
    video.release()
    done = run(program, exported[0], path, BOX)
    assert len(read_bboxes(done.stdout)) == 4


def test_errors(program, exported, tmp_path):
    done = run(program, exported[0], tmp_path, '1,2,3', check=False)
    assert done.returncode == 2 and 'usage: track EXPORTED' in done.stderr
    done = run(program, tmp_path, tmp_path, BOX, check=False)
    assert 'tracker.json is missing' in done.stderr
    done = run(program, exported[0], tmp_path / 'no.mp4', BOX, check=False)
    assert done.returncode == 2 and 'no frame in' in done.stderr
