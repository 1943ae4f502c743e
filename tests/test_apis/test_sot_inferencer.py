import json
import re
import tracemalloc

import cv2
import numpy as np
import pytest
import torch
from clips import LENGTH, write_clip
from drifter import Drifter
from mmengine.config import Config
from PIL import Image
from small_models import SIMTRACK

from mmsimtrack import apis
from mmsimtrack.apis.sources import MANIFEST
from mmsimtrack.fileio import read_bboxes_xywh
from mmsimtrack.registry import MODELS

BBOX = (10.0, 8.0, 30.0, 24.0)


@pytest.fixture
def inferencer():
    return apis.SOTInferencer(Drifter())


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    smooth = [rng.integers(0, 256, (6, 8, 3), np.uint8) for _ in range(5)]
    return [cv2.resize(frame, (80, 60)) for frame in smooth]


@pytest.fixture
def folder(tmp_path, frames):
    folder = tmp_path / 'clip/img'
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f'{number}.png'), frame[..., ::-1])
    return folder


def expected_bboxes(num):
    steps = np.arange(num)[:, None] * [2, 1, 2, 1]
    return np.array(BBOX) + steps


def test_iterable_of_frames(inferencer, frames):
    result = inferencer(iter(frames), BBOX)
    np.testing.assert_array_equal(result['bboxes'], expected_bboxes(5))
    np.testing.assert_array_equal(result['scores'], 0.5 ** np.arange(5))
    assert result['files'] == {}
    camera = iter(frames)
    stream = inferencer.stream(camera, BBOX)
    assert next(stream).bbox.tolist() == list(BBOX)
    assert next(stream).score == 0.5
    assert len(list(camera)) == 3  # not read ahead


@pytest.mark.parametrize('kind', ['paths', 'tensors', 'images', 'footage'])
def test_kinds_of_frames(inferencer, frames, folder, kind, tmp_path):
    given = {
        'paths': sorted(map(str, folder.iterdir())),
        'tensors': torch.tensor(np.stack(frames)),
        'images': [Image.fromarray(frame) for frame in frames],
        'footage': apis.Footage(folder, 1),
    }[kind]
    boxes, first = [BBOX] * 5, int(kind == 'footage')
    result = inferencer(given, boxes, tmp_path, formats=['coco', 'json'])
    named = kind in ('paths', 'footage')
    coco = result['files']['coco']
    assert coco.name[:6] == ('clip_t' if named else 'frames')
    assert ('"4.png"' in coco.read_text()) == named
    assert len(result['files']['json'].read_text()) < 5000
    assert result['frames'].tolist() == list(range(first, 5))
    assert result['bboxes'].shape == (5 - first, 5, 4)
    if not first:
        for tracked, frame in zip(inferencer.stream(given, BBOX), frames):
            np.testing.assert_array_equal(tracked.frame, frame)
    many = inferencer([frames, iter(frames)], [BBOX, [BBOX, BBOX]])
    assert [r['scores'].shape for r in many] == [(5,), (5, 2)]


WRONG = [
    ([], BBOX, {}, 'frames holds no frame'),
    ('clip', None, {}, 'bboxes is missing'),
    (['a/img', 'b/img'], [BBOX], {}, 'found 1 boxes for 2 sources'),
    ([np.zeros((9, 9, 3))], BBOX, {}, 'dtype float64, expected (H, W, 3)'),
    (iter(['a.png']), BBOX, {}, 'dtype <U5, expected (H, W, 3)'),
    ('clip', BBOX, {'batch_size': 0}, 'batch_size is 0, expected 1'),
    ('clip', BBOX, {'formats': 'csv'}, "formats is 'csv', expected a list"),
    ('clip', BBOX, {'shet': False}, "unexpected keyword argument 'shet'"),
]
WRONG += [
    ('clip', box, {}, f'found {box!r} as box, expected four numbers x1')
    for box in ([1, 2, 3], [*BBOX, *BBOX], [], 'a', [[BBOX]], [BBOX, [1]])
]


@pytest.mark.parametrize('source, box, options, message', WRONG)
def test_wrong_calls(
    inferencer, folder, monkeypatch, source, box, options, message
):
    monkeypatch.chdir(folder.parents[1])
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        inferencer(source, box, **options)


def test_files_and_their_colors(inferencer, folder, frames, tmp_path):
    """Frames are RGB: those of files, and those that a video shows."""
    for found, expected in zip(apis.open_source(folder), frames, strict=True):
        np.testing.assert_array_equal(found, expected)
    files = inferencer(folder, BBOX, tmp_path / 'out')['files']
    assert files['boxes'] == tmp_path / 'out/clip_tracked.txt'
    last = read_bboxes_xywh(files['boxes'])[-1]
    np.testing.assert_allclose(last, [18, 12, 20, 16])
    written, *others = apis.open_source(files['video'])
    assert np.abs(written[36:].astype(int) - frames[0][36:]).mean() < 12
    assert len(others) == 4
    assert cv2.imread(str(files['sheet'])).shape[1] == 4 * 320
    hidden = [p.name for p in (tmp_path / 'out').glob('.*')]
    assert hidden == [MANIFEST]


def test_a_camera_ends_with_ctrl_c(inferencer, frames, tmp_path):
    def camera():
        yield from frames[:3]
        raise KeyboardInterrupt

    result = inferencer(camera(), BBOX, tmp_path)
    assert len(result['bboxes']) == 3
    assert (tmp_path / 'frames_tracked.mp4').exists()


def test_a_day_of_a_camera_fits_into_memory(inferencer, frames):
    sizes = []

    def watch():
        for count in (50, 400, 400, 400, 1):
            yield from frames[:1] * count
            sizes.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    inferencer(watch(), BBOX)
    tracemalloc.stop()
    # once, something may be loaded or a list be moved; a leak always grows
    assert np.diff(sizes[:-1]).min() < 400 * 100


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
    names = {p.name for p in result['files'].values()}
    endings = ('_id1.txt', '_id2.txt', '.mp4', '.png')
    assert names == {f'frames_tracked{ending}' for ending in endings}
    stream = list(inferencer.stream(frames, [BBOX, other]))
    assert stream[1].bbox.tolist() == [[12, 9, 32, 25], [2, 1, 11, 10]]
    assert stream[1].score.tolist() == [0.5, 0.5]
    assert (stream[4].number, stream[4].time) == (4, 0.16)


@pytest.mark.parametrize('batch_size, largest', [(1, 2), (2, 3), (5, 4)])
def test_a_shared_batch(inferencer, folder, tmp_path, batch_size, largest):
    """Sources of different lengths come and go; the model sees all boxes."""
    (tmp_path / 'in').mkdir()
    longer = write_clip(tmp_path / 'longer.mp4')
    video = write_clip(tmp_path / 'in/clip.mp4')
    boxes = [BBOX, [BBOX, [0, 0, 9, 9]], BBOX]
    sources = [str(longer), folder, video]
    results = inferencer(sources, boxes, tmp_path, batch_size=batch_size)
    assert [r['bboxes'].ndim for r in results] == [2, 3, 2]
    for result, length in zip(results, [LENGTH, 5, LENGTH]):
        first = result['bboxes'].reshape(length, -1, 4)[:, 0]
        np.testing.assert_array_equal(first, expected_bboxes(length))
    assert inferencer.model.largest == largest
    names = {r['files']['video'].stem for r in results}
    assert names == {'longer_tracked', 'clip_tracked', 'clip_tracked_2'}


def test_low_scores_are_not_drawn(inferencer, frames):
    for threshold in (0, 0.2):
        options = dict(return_vis=True, pred_score_thr=threshold)
        shown = inferencer(frames, bbox=BBOX, **options)['visualization'][3]
        red = (shown == (255, 64, 32)).all(-1).sum()
        assert (red > 50) == (threshold == 0)


def test_lost_targets(inferencer, frames, tmp_path):
    inferencer.model.least = 0.2  # reached in the fourth frame
    options = dict(return_vis=True, formats=('csv', 'json', 'mot', 'coco'))
    result = inferencer(frames, BBOX, tmp_path, **options)
    assert result['lost'].tolist() == [False] * 3 + [True] * 2
    gray = [(f == 170).all(-1).sum() for f in result['visualization']]
    assert max(gray[:3]) < 20 < 50 < min(gray[3:])
    files = result['files']
    rows = files['csv'].read_text().split()[1:]
    assert [row[-9:] for row in rows[2:4]] == [',0.2500,0', ',0.1250,1']
    rows = files['mot'].read_text().split()
    confidences = [row.split(',')[6] for row in rows]
    assert confidences == ['1.0000', '0.5000', '0.2500', '0.0000', '0.0000']
    (track,) = json.loads(files['json'].read_text())['tracks']
    coco = json.loads(files['coco'].read_text())
    for given in (track['frames'], coco['annotations']):
        assert [row['lost'] for row in given] == [False] * 3 + [True] * 2
    # several targets
    result = inferencer(frames, [BBOX, BBOX])
    assert result['lost'].shape == result['scores'].shape == (5, 2)
    assert result['lost'][2:4].tolist() == [[False] * 2, [True] * 2]
    stream = list(inferencer.stream(frames, BBOX))
    assert [tracked.lost for tracked in stream] == [False] * 3 + [True] * 2
    tracker = apis.Tracker(Drifter(least=0.4))
    tracker.init(frames[0], BBOX)
    assert [tracker.update(f)[0] for f in frames[1:3]] == [True, False]


def test_showing_needs_a_display(inferencer, frames, monkeypatch):
    def imshow(*args):
        raise cv2.error('not implemented')

    monkeypatch.setattr(cv2, 'imshow', imshow)
    with pytest.raises(ValueError, match='this OpenCV has no window system'):
        inferencer(frames, BBOX, show=True)


def test_a_loop_of_ones_own(frames):
    tracker = apis.Tracker(Drifter())
    with pytest.raises(RuntimeError, match='Call init'):
        tracker.update(frames[0])
    tracker.init(frames[0], BBOX)
    ok, bbox, score = tracker.update(frames[1])
    assert ok and bbox.tolist() == [12, 9, 32, 25] and score == 0.5


def test_as_in_mmtracking(frames):
    model = apis.init_model(Drifter())
    with pytest.raises(RuntimeError, match='has seen no frame 0'):
        apis.inference_sot(model, frames[0], BBOX, 3)
    calls = enumerate(frames)
    found = [apis.inference_sot(model, f, BBOX, i) for i, f in calls]
    assert found[0]['track_bboxes'].tolist() == [*BBOX, 1]
    assert found[2]['track_bboxes'].tolist() == [14, 10, 34, 26, 0.25]


def test_the_config_comes_from_the_checkpoint(tmp_path):
    """As text: nothing in it runs."""
    model = MODELS.build(SIMTRACK)
    text = Config(dict(model=SIMTRACK, lr=1)).pretty_text
    path = tmp_path / 'epoch_1.pth'
    checkpoint = {'state_dict': model.state_dict(), 'meta': {'cfg': text}}
    torch.save(checkpoint, path)
    found = apis.init_model(None, path, 'cpu').state_dict()
    assert all((found[k] == v).all() for k, v in model.state_dict().items())
    for meta in ({'cfg': "model = dict(type=print('no'))"}, {}):
        torch.save(checkpoint | {'meta': meta}, path)
        with pytest.raises(ValueError, match='does not say which config'):
            apis.init_model(None, path, 'cpu')
    _, weights = apis.find_model('sim_s16-6l_real')  # the file names its model
    for given in (weights, None):  # of which it is the default
        assert apis.init_model(None, given, 'cpu').search['size'] > 0
