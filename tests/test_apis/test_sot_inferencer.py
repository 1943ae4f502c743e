import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmsimtrack.apis import SOTInferencer, open_source
from mmsimtrack.apis.sources import source_name
from mmsimtrack.fileio import read_bboxes_xywh
from mmsimtrack.models import TrackState

BBOX = (10.0, 8.0, 30.0, 24.0)


class Drifter(torch.nn.Module):
    """Moves each box by (2, 1) px per frame."""

    def init(self, frames, bboxes):
        bboxes = torch.tensor(np.array(bboxes), dtype=torch.float64)
        one = torch.ones(len(bboxes))
        return TrackState((), bboxes, one)

    def track(self, frames, state):
        step = torch.tensor([2, 1, 2, 1])
        return TrackState((), state.bboxes + step, state.scores / 2)


@pytest.fixture
def inferencer():
    return SOTInferencer(Drifter())


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    smooth = [rng.integers(0, 256, (6, 8, 3), np.uint8) for _ in range(5)]
    return [cv2.resize(frame, (80, 60)) for frame in smooth]


@pytest.fixture
def folder(tmp_path, frames):
    folder = tmp_path / 'clip' / 'img'
    folder.mkdir(parents=True)
    # 10 comes after 9, whatever the padding
    for number, frame in zip((8, 9, 10, 11, 12), frames):
        cv2.imwrite(str(folder / f'{number}.png'), frame[..., ::-1])
    (folder / 'notes.txt').write_text('no frame')
    return folder


@pytest.fixture
def video(tmp_path, frames):
    path = tmp_path / 'clip.avi'
    codec = cv2.VideoWriter_fourcc(*'MJPG')
    writer = cv2.VideoWriter(str(path), codec, 10, (80, 60))
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    return path


def expected_bboxes(num):
    steps = np.arange(num)[:, None] * [2, 1, 2, 1]
    return np.array(BBOX) + steps


def test_iterable_of_frames(inferencer, frames):
    result = inferencer(iter(frames), BBOX)
    np.testing.assert_array_equal(result['bboxes'], expected_bboxes(5))
    np.testing.assert_array_equal(result['scores'], 0.5 ** np.arange(5))
    assert result['files'] == {}


def test_folder_is_read_in_order(folder, frames):
    for found, expected in zip(open_source(folder), frames, strict=True):
        np.testing.assert_array_equal(found, expected)
    # the folder of a sequence will do as well
    assert len(list(open_source(folder.parent))) == 5


def test_video_gives_rgb_frames(video, frames):
    found = list(open_source(str(video)))
    assert len(found) == 5
    assert np.abs(found[2].astype(int) - frames[2]).mean() < 12


def test_stream_is_lazy(inferencer, frames):
    given = []

    def camera():
        for frame in frames:
            given.append(1)
            yield frame

    stream = inferencer.stream(camera(), BBOX)
    assert next(stream).bbox.tolist() == list(BBOX)
    assert next(stream).score == 0.5
    assert len(given) == 2


@pytest.mark.parametrize('kind', ['folder', 'video'])
def test_files(inferencer, folder, video, tmp_path, kind):
    source = {'folder': folder, 'video': video}[kind]
    result = inferencer(source, BBOX, tmp_path / 'out')
    files = result['files']
    assert files['boxes'] == tmp_path / 'out/clip.txt'
    np.testing.assert_allclose(
        read_bboxes_xywh(files['boxes'])[-1], [18, 12, 20, 16]
    )
    written = list(open_source(files['video']))
    assert len(written) == 5 and written[0].shape == (60, 80, 3)
    # the box is drawn in red around (30, 20)
    assert cv2.imread(str(files['sheet'])).shape[1] == 4 * 320
    assert not [
        p for p in Path(tmp_path / 'out').iterdir() if p.name[0] == '.'
    ]


def test_a_camera_ends_with_ctrl_c(inferencer, frames, tmp_path):
    def camera():
        yield from frames[:3]
        raise KeyboardInterrupt

    result = inferencer(camera(), BBOX, tmp_path)
    assert len(result['bboxes']) == 3
    assert (tmp_path / 'frames.mp4').exists()


def test_a_long_video_has_a_short_contact_sheet(inferencer, frames, tmp_path):
    result = inferencer(frames * 9, BBOX, tmp_path)
    sheet = cv2.imread(str(result['files']['sheet']))
    assert 8 <= sheet.shape[0] // 240 * 4 <= 16


@pytest.mark.parametrize(
    ('name', 'error', 'message'),
    [
        ('nowhere.mp4', FileNotFoundError, 'nowhere.mp4 is missing'),
        ('empty', ValueError, 'empty holds no frame, expected files ending'),
        ('text.mp4', ValueError, "reads no frame from '.*text.mp4'"),
    ],
)
def test_bad_sources(inferencer, tmp_path, name, error, message):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(error, match=message):
        inferencer(tmp_path / name, BBOX)


def test_no_frames(inferencer):
    with pytest.raises(ValueError, match=re.escape('[] holds no frame')):
        inferencer([], BBOX)


def test_names(tmp_path):
    (tmp_path / 'bag-1.2' / 'img').mkdir(parents=True)
    assert source_name(tmp_path / 'bag-1.2' / 'img') == 'bag-1.2'
    assert source_name(tmp_path / 'bag-1.2') == 'bag-1.2'
    assert source_name('a/b/clip.mp4') == 'clip'
    assert source_name(2) == 'camera2'
    assert source_name([]) == 'frames'
