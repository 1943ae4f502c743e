import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from clips import LENGTH, write_clip
from drifter import Drifter
from mmengine.config import Config
from small_models import SIMTRACK

from mmsimtrack.apis import (
    SOTInferencer,
    Tracker,
    find_model,
    inference_sot,
    init_model,
    open_source,
)
from mmsimtrack.apis.sources import MANIFEST
from mmsimtrack.fileio import read_bboxes_xywh
from mmsimtrack.registry import MODELS

BBOX = (10.0, 8.0, 30.0, 24.0)


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
    assert files['boxes'] == tmp_path / 'out/clip_tracked.txt'
    np.testing.assert_allclose(
        read_bboxes_xywh(files['boxes'])[-1], [18, 12, 20, 16]
    )
    written = list(open_source(files['video']))
    assert len(written) == 5 and written[0].shape == (60, 80, 3)
    # the box is drawn in red around (30, 20)
    assert cv2.imread(str(files['sheet'])).shape[1] == 4 * 320
    assert not [
        p.name
        for p in Path(tmp_path / 'out').iterdir()
        if p.name[0] == '.' and p.name != MANIFEST
    ]


def test_a_camera_ends_with_ctrl_c(inferencer, frames, tmp_path):
    def camera():
        yield from frames[:3]
        raise KeyboardInterrupt

    result = inferencer(camera(), BBOX, tmp_path)
    assert len(result['bboxes']) == 3
    assert (tmp_path / 'frames_tracked.mp4').exists()


def test_no_frames(inferencer):
    with pytest.raises(ValueError, match=re.escape('[] holds no frame')):
        inferencer([], BBOX)


def test_several_targets(inferencer, frames, tmp_path):
    other = [0, 0, 9, 9]
    result = inferencer(frames, [BBOX, other], tmp_path, return_vis=True)
    assert result['bboxes'].shape == (5, 2, 4)
    np.testing.assert_array_equal(result['bboxes'][:, 0], expected_bboxes(5))
    assert result['bboxes'][4, 1].tolist() == [8, 4, 17, 13]
    assert result['scores'].shape == (5, 2)
    assert result['frames'].tolist() == list(range(5))
    assert result['times'][2] == 0.08
    assert len(result['visualization']) == 5
    assert {p.name for p in result['files'].values()} == {
        'frames_tracked_id1.txt',
        'frames_tracked_id2.txt',
        'frames_tracked.mp4',
        'frames_tracked.png',
    }
    stream = list(inferencer.stream(frames, [BBOX, other]))
    assert stream[1].bbox.tolist() == [[12, 9, 32, 25], [2, 1, 11, 10]]
    assert stream[1].score.tolist() == [0.5, 0.5]
    assert (stream[4].number, stream[4].time) == (4, 0.16)


@pytest.mark.parametrize('batch_size', [1, 2, 5])
def test_many_sources_share_a_batch(
    inferencer, folder, video, tmp_path, batch_size
):
    """Sources of different lengths come and go."""
    longer = write_clip(tmp_path / 'longer.mp4')
    sources = [str(longer), folder, str(video)]
    boxes = [BBOX, [BBOX, [0, 0, 9, 9]], BBOX]
    results = inferencer(
        sources, boxes, tmp_path / 'out', batch_size=batch_size
    )
    assert [len(r['bboxes']) for r in results] == [LENGTH, 5, 5]
    assert [r['bboxes'].ndim for r in results] == [2, 3, 2]
    for result in results:
        first = result['bboxes'].reshape(len(result['bboxes']), -1, 4)[:, 0]
        np.testing.assert_array_equal(first, expected_bboxes(len(first)))
    assert inferencer.model.largest == {1: 2, 2: 3, 5: 4}[batch_size]
    names = {r['files']['video'].stem for r in results}
    assert names == {'longer_tracked', 'clip_tracked', 'clip_tracked_2'}


def test_boxes_and_sources_must_agree(inferencer, folder):
    with pytest.raises(ValueError, match='found 1 boxes for 2 sources'):
        inferencer([folder, folder], [BBOX])
    with pytest.raises(TypeError, match='bboxes is missing'):
        inferencer(folder)


def test_low_scores_are_not_drawn(inferencer, frames):
    shown = [
        inferencer(frames, bbox=BBOX, return_vis=True, pred_score_thr=t)[
            'visualization'
        ][3]
        for t in (0, 0.2)
    ]
    red = [(image == (255, 64, 32)).all(-1).sum() for image in shown]
    assert red[0] > 50 and red[1] == 0


def test_showing_needs_a_display(inferencer, frames, monkeypatch):
    def imshow(*args):
        raise cv2.error('not implemented')

    monkeypatch.setattr(cv2, 'imshow', imshow)
    with pytest.raises(ValueError, match='this OpenCV has no window system'):
        inferencer(frames, BBOX, show=True)


def test_a_loop_of_ones_own(frames):
    tracker = Tracker(Drifter())
    with pytest.raises(RuntimeError, match='Call init'):
        tracker.update(frames[0])
    tracker.init(frames[0], BBOX)
    ok, bbox, score = tracker.update(frames[1])
    assert ok and bbox.tolist() == [12, 9, 32, 25] and score == 0.5


def test_as_in_mmtracking(frames):
    model = init_model(Drifter())
    with pytest.raises(RuntimeError, match='has seen no frame 0'):
        inference_sot(model, frames[0], BBOX, 3)
    found = [inference_sot(model, f, BBOX, i) for i, f in enumerate(frames)]
    assert found[0]['track_bboxes'].tolist() == [*BBOX, 1]
    assert found[2]['track_bboxes'].tolist() == [14, 10, 34, 26, 0.25]


def test_the_config_comes_from_the_checkpoint(tmp_path):
    """As text: nothing in it runs."""
    model = MODELS.build(SIMTRACK)
    text = Config(dict(model=SIMTRACK, lr=1)).pretty_text
    path = tmp_path / 'epoch_1.pth'
    checkpoint = {'state_dict': model.state_dict(), 'meta': {'cfg': text}}
    torch.save(checkpoint, path)
    found = init_model(None, path, 'cpu').state_dict()
    assert all((found[k] == v).all() for k, v in model.state_dict().items())
    checkpoint['meta']['cfg'] = "model = dict(type=print('no'))"
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match='does not say which config'):
        init_model(None, path, 'cpu')
    checkpoint['meta'] = {}
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match='does not say which config'):
        init_model(None, path, 'cpu')


def test_the_shipped_file_names_its_model():
    _, weights = find_model('sim_s16-6l_real')
    assert init_model(None, weights, 'cpu').search['size'] > 0
