import cv2
import numpy as np
import pytest

from mmsimtrack.visualization import (
    SOTVisualizer,
    VideoWriter,
    contact_sheet,
    write_image,
)
from mmsimtrack.visualization.sot_visualizer import GT_COLOR, PRED_COLOR


@pytest.fixture
def frame():
    return np.full((120, 160, 3), 80, np.uint8)


def has_color(image, x, y, color):
    return tuple(image[y, x].tolist()) == color


def test_boxes_are_drawn_inside_of_their_edges(frame):
    drawn = SOTVisualizer.draw_frame(
        frame, (20, 30, 61, 71), (100, 10, 120, 40)
    )
    # first and last pixel of each box
    assert has_color(drawn, 20, 30, PRED_COLOR)
    assert has_color(drawn, 60, 70, PRED_COLOR)
    assert has_color(drawn, 100, 10, GT_COLOR)
    assert has_color(drawn, 119, 39, GT_COLOR)
    assert has_color(drawn, 61, 71, (80, 80, 80))
    assert (frame == 80).all()  # the input is left alone


def test_nan_is_not_drawn(frame):
    drawn = SOTVisualizer.draw_frame(frame, None, (np.nan, 1, 2, 3))
    assert (drawn == 80).all()


def test_contact_sheet_puts_frames_in_reading_order(frame):
    frames = [np.full_like(frame, value) for value in (10, 20, 30, 40, 50)]
    sheet = contact_sheet(frames, num_columns=2, width=80)
    assert sheet.shape == (3 * 60, 2 * 80, 3)
    assert sheet[30, 120, 0] == 20 and sheet[90, 40, 0] == 30
    assert sheet[150, 40, 0] == 50 and sheet[150, 120, 0] == 255


def test_video_appears_when_it_is_complete(frame, tmp_path):
    path = tmp_path / 'new' / 'clip.mp4'
    with VideoWriter(path, fps=10) as video:
        for _ in range(3):
            video.write(frame)
        assert not path.exists()
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert capture.get(cv2.CAP_PROP_FPS) == 10
    ok, first = capture.read()
    assert ok and np.abs(first.astype(int) - 80).max() <= 8


def test_a_failed_video_leaves_nothing(frame, tmp_path):
    with (
        pytest.raises(RuntimeError),
        VideoWriter(tmp_path / 'clip.mp4') as video,
    ):
        video.write(frame)
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_refused(frame, tmp_path):
    with pytest.raises((OSError, cv2.error)):
        write_image(tmp_path / 'frame.unknown', frame)
