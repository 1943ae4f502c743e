from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from clips import describe, packets, write_clip

from mmsimtrack.visualization import (
    SOTVisualizer,
    VideoWriter,
    contact_sheet,
    sot_visualizer,
)

RATES = [(10, 10), (0, 25), (float('nan'), 25), (1e6, 1000)]
RATES += [(Fraction(n, 1001), Fraction(n, 1001)) for n in (24000, 30000)]
RATES += [(Fraction(1234567, 65537), Fraction(1234567, 65537))]


@pytest.fixture
def frame():
    return np.full((120, 160, 3), 80, np.uint8)


def has_color(image, x, y, color):
    return tuple(image[y, x].tolist()) == color


def test_boxes_are_drawn_inside_of_their_edges(frame):
    boxes = (20, 30, 61, 71), (100, 10, 120, 40)
    drawn = SOTVisualizer.draw_frame(frame, *boxes)
    # first and last pixel of each box
    assert has_color(drawn, 20, 30, sot_visualizer.PRED_COLOR)
    assert has_color(drawn, 60, 70, sot_visualizer.PRED_COLOR)
    assert has_color(drawn, 100, 10, sot_visualizer.GT_COLOR)
    assert has_color(drawn, 119, 39, sot_visualizer.GT_COLOR)
    assert has_color(drawn, 61, 71, (80, 80, 80))
    assert (frame == 80).all()  # the input is left alone
    drawn = SOTVisualizer.draw_frame(frame, None, (np.nan, 1, 2, 3))
    assert (drawn == 80).all()


def test_contact_sheet_puts_frames_in_reading_order(frame):
    frames = [np.full_like(frame, value) for value in (10, 20, 30, 40, 50)]
    sheet = contact_sheet(frames, num_columns=2, width=80)
    assert sheet.shape == (3 * 60, 2 * 80, 3)
    assert sheet[30, 120, 0] == 20 and sheet[90, 40, 0] == 30
    assert sheet[150, 40, 0] == 50 and sheet[150, 120, 0] == 255


def test_browsers_play_the_video(frame, tmp_path):
    """H.264 of the usual kind, with the index in front of the pictures."""
    path = tmp_path / 'clip.mp4'
    with VideoWriter(path) as video:
        for _ in range(3):
            video.write(frame[:-1, :-1])  # odd sides
    found = describe(path)
    assert (found['codec'], found['pix_fmt']) == ('h264', 'yuv420p')
    content = path.read_bytes()
    assert 0 < content.index(b'moov') < content.index(b'mdat')
    assert b'moof' not in content


@pytest.mark.parametrize('fps, expected', RATES)
def test_rates(frame, tmp_path, fps, expected):
    with VideoWriter(tmp_path / 'clip.mp4', fps) as video:
        for _ in range(5):
            video.write(frame)
    times = describe(tmp_path / 'clip.mp4')['times']
    expected = np.arange(5) / float(expected)
    np.testing.assert_allclose(times, expected, atol=1e-5)


def test_times_may_vary_but_not_stand_still(frame, tmp_path):
    with VideoWriter(tmp_path / 'clip.mp4') as video:
        for time in (3, 3.01, 3.01, 3.5):
            video.write(frame, time)
    times = describe(tmp_path / 'clip.mp4')['times']
    np.testing.assert_allclose(times, [0, 0.01, 0.01, 0.5], atol=1e-4)
    assert times[2] > times[1]


@pytest.mark.parametrize('codec', ['aac', 'pcm_s16le'])
def test_sound_is_copied_where_it_fits(frame, tmp_path, codec, recwarn):
    name = 'clip.mp4' if codec == 'aac' else 'clip.avi'
    source = write_clip(tmp_path / name, audio=codec)
    with VideoWriter(tmp_path / 'out.mp4', audio=source) as video:
        for _ in range(24):
            video.write(frame)
    sound = {packet[2] for packet in packets(source, 'audio')}
    found = describe(tmp_path / 'out.mp4')
    warned = any('does not fit' in str(w.message) for w in recwarn)
    assert warned != bool(found['audio'])
    assert found['audio'] or codec != 'aac'
    if found['audio']:
        copied = [p[2] for p in packets(tmp_path / 'out.mp4', 'audio')]
        assert len(copied) >= 38 and set(copied) <= sound
    assert len(found['times']) == 24


def test_sound_stays_in_step_with_a_part(frame, tmp_path):
    """A transport stream begins at 1.4 s; the part, half a second later."""
    source = write_clip(tmp_path / 'clip.ts', audio='aac')
    with VideoWriter(tmp_path / 'out.mp4', audio=source) as video:
        for i in range(12, 22):
            video.write(frame, i / 25)
    with av.open(str(tmp_path / 'out.mp4')) as container:
        stream = container.streams.audio[0]
        parts = [p for p in container.demux(stream) if p.size]
        times = [p.pts * stream.time_base for p in parts]
    assert 0 <= times[0] < 0.03 and 0.3 < times[-1] <= 0.4


def test_what_a_killed_process_leaves_plays(frame, tmp_path):
    video = VideoWriter(tmp_path / 'new/clip.mp4')
    for _ in range(80):
        video.write(frame)
    assert len(describe(video.path)['times']) >= 25
    video.close()
    assert len(describe(video.path)['times']) == 80


@pytest.mark.parametrize('codec', ['vp9', 'mpeg4'])
def test_without_pyav_opencv_writes(frame, tmp_path, monkeypatch, codec):
    fourcc = {'vp9': 'vp09', 'mpeg4': 'mp4v'}[codec]
    monkeypatch.setattr(sot_visualizer, 'av', None)
    if codec == 'mpeg4':
        real = cv2.VideoWriter_fourcc
        monkeypatch.setattr(
            cv2,
            'VideoWriter_fourcc',
            lambda *c: real(*c) if c[0] == 'm' else real(*'none'),
        )
    with (
        pytest.warns(UserWarning, match=f'written as {fourcc}, without sound'),
        VideoWriter(tmp_path / 'clip.mp4', 10) as video,
    ):
        video.write(frame)
    found = describe(tmp_path / 'clip.mp4')
    assert found['codec'] == codec and found['rate'] == 10


def test_several_targets_have_colors(frame):
    bboxes = np.array([(20, 30, 61, 71), (100, 60, 120, 90)])
    options = [1, 2], bboxes, 'ab', '#3'
    drawn = SOTVisualizer.draw_targets(frame, *options, [False, False])
    assert has_color(drawn, 20, 30, sot_visualizer.COLORS[0])
    assert has_color(drawn, 100, 60, sot_visualizer.COLORS[1])
    drawn = SOTVisualizer.draw_targets(frame, *options, [False, True])
    assert has_color(drawn, 20, 30, sot_visualizer.COLORS[0])
    assert has_color(drawn, 100, 60, sot_visualizer.LOST_COLOR)
