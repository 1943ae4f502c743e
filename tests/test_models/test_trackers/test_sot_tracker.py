import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from numpy.testing import assert_allclose
from small_models import SIMTRACK, make_batch

from mmsimtrack.models import TrackState
from mmsimtrack.models.heads import CornerHead
from mmsimtrack.registry import MODELS
from mmsimtrack.structures import CropWindow, SOTDataSample
from mmsimtrack.structures.tracking import change_bboxes, smooth_sizes

SIZE = (240, 320)
LOST = dict(share=0.5, rate=0.1, growth=1.5, limit=2.0)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.build(SIMTRACK).eval()


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*SIZE, 3), np.uint8) for _ in range(4)]


def always(*unit, score=1.0):
    """A `head.predict` that answers with the same boxes in every frame."""
    bboxes = torch.tensor(unit, dtype=torch.float64)
    scores = torch.full((len(unit),), score)
    return lambda feat, prior: InstanceData(bboxes=bboxes, scores=scores)


def test_track_equals_the_network_on_the_crop(model, frames):
    """`track` is crop, normalize, forward, map back."""
    bbox = np.array([100.0, 80, 160, 130])
    state = model.track(frames[1:2], model.init(frames[:1], [bbox]))
    windows, inputs = {}, {}
    for name, frame in zip(('exemplar', 'search'), frames):
        windows[name] = CropWindow.around(bbox, **getattr(model, name))
        crop = torch.from_numpy(windows[name].cut(frame))
        inputs[name] = (crop.permute(2, 0, 1)[None] - 128.0) / 64
    in_crop = torch.from_numpy(windows['exemplar'].to_crop(bbox)).float()
    inputs['exemplar_bbox'] = in_crop[None]
    with torch.no_grad():
        unit = model(inputs, mode='tensor').double().numpy()
    x1, y1, x2, y2 = windows['search'].to_frame(unit)[0]
    expected = [x1, y1, max(x2, x1 + 10), max(y2, y1 + 10)]
    assert_allclose(state.bboxes[0], expected, atol=1e-3)


def test_batch_equals_one_by_one(model, frames):
    """Frames of a batch may differ in size."""
    bboxes = np.array([[10, 20, 60, 80], [100, 100, 130, 150.0]])
    pairs = [(one, two[:200, :280]) for one, two in zip(frames, frames[1:])]
    state = model.init(pairs[0], bboxes)
    singles = [model.init(pairs[0][i : i + 1], bboxes[[i]]) for i in (0, 1)]
    for pair in pairs[1:]:
        state = model.track(pair, state)
        for i in (0, 1):
            singles[i] = model.track(pair[i : i + 1], singles[i])
    one_by_one = TrackState.cat(singles)
    torch.testing.assert_close(
        one_by_one.bboxes, state.bboxes, rtol=0, atol=1e-3
    )
    torch.testing.assert_close(one_by_one.scores, state.scores)
    assert len(model.track([], state[:0])) == 0


def test_a_state_carries_what_else_a_tracker_remembers():
    """Selection and concatenation reach every tensor, nested ones too."""

    def state(*rows):
        rows = torch.tensor(rows)
        return TrackState(
            (rows, (rows + 1, rows + 2)),
            rows[:, None].expand(-1, 4),
            rows / 10,
            {'age': rows + 3, 'maps': {'last': rows[:, None]}},
        )

    three = state(1, 2, 3)
    second = torch.tensor([False, True, False])
    for key in (second, np.int64(1), torch.tensor(1)):
        torch.testing.assert_close(vars(three[key]), vars(state(2)))
    for key in ([2, 0], (2, 0)):
        torch.testing.assert_close(vars(three[key]), vars(state(3, 1)))
    assert len(three[:0]) == len(three[[]]) == 0
    joined = TrackState.cat([state(1, 3), state(2)])
    torch.testing.assert_close(vars(joined), vars(state(1, 3, 2)))


@pytest.mark.parametrize('num', [1, 3])
def test_frames_must_fit_the_videos(model, frames, num):
    bboxes = [[10, 20, 60, 80], [100, 100, 130, 150]]
    message = f'Found {num} frames for 2 videos'
    with pytest.raises(ValueError, match=message):
        model.init(frames[:num], bboxes)
    state = model.init(frames[:2], bboxes)
    with pytest.raises(ValueError, match=message):
        model.track(frames[:num], state)


@pytest.mark.parametrize('value', [torch.nan, torch.inf, -torch.inf])
def test_non_finite_predictions_keep_the_box(model, frames, logged, value):
    unit = [0.4] * 4, [0.4, 0.4, value, 0.4]
    model.head.predict = always(*unit, score=0.5)
    bboxes = [[10, 20, 60, 80], [100, 100, 130, 150.0]]
    state = model.init(frames[:2], bboxes)
    for _ in range(3):
        state = model.track(frames[:2], state)
    assert state.bboxes[1].tolist() == bboxes[1]
    assert state.bboxes[0].tolist() != bboxes[0]
    assert state.scores.tolist() == [0.5, 1]  # 1 in the first frame
    assert state.extra['num_failed'].tolist() == [0, 3]
    (line,) = logged
    assert 'non-finite prediction for video 1' in line


def test_a_score_of_0_is_a_score(model, frames):
    model.head.predict = always([0.4, 0.4, 0.6, 0.6], score=0.0)
    state = model.init(frames[:1], [[100, 100, 140, 140]])
    state = model.track(frames[1:2], state)
    assert state.bboxes.tolist() != [[100, 100, 140, 140]]
    assert state.scores.tolist() == state.extra['num_failed'].tolist() == [0]


def test_size_smoothing_by_hand(frames):
    """Width and height are mixed with the former ones, around the center."""
    model = MODELS.build(dict(SIMTRACK, test_cfg=dict(size_smoothing=0.7)))
    # the search window is 160 px wide and begins at (40, 40)
    model.head.predict = always([0.25, 0.25, 0.75, 0.5])
    state = model.init(frames[:1], [[100, 100, 140, 140]])
    state = model.track(frames[1:2], state)
    # 80 x 40 px around (120, 100); a twofold width is mixed less
    share = 0.7 * np.exp(-((np.log(2) / 0.5) ** 2))
    half = ((1 - share) * 80 + share * 40) / 2
    assert_allclose(state.bboxes, [[120 - half, 80, 120 + half, 120]])
    before = np.array([[100.0, 100, 200, 200]])
    after = smooth_sizes(np.array([[100.0, 100, 210, 200]]), before, 0.7)
    share = 0.7 * np.exp(-((np.log(1.1) / 0.5) ** 2))  # 0.675
    assert after[0, 2] - after[0, 0] == pytest.approx(110 - 10 * share)


def test_calibration_takes_the_habit_of_the_network_off(frames):
    """Boxes 0.1 of their width to the right, twice as high as the truth."""
    truth = np.array([[100.0, 100, 140, 160], [30, 40, 50, 50]])
    shift, log_scale = (0.1, 0), np.log((1, 1.5))
    biased = change_bboxes(truth, shift, log_scale)
    assert_allclose(biased, [[104, 85, 144, 175], [32, 37.5, 52, 52.5]])
    model = MODELS.build(dict(SIMTRACK, test_cfg=dict(calibrate=True)))
    around = []

    def find(frames, memory, bboxes):
        around.append(bboxes)
        moved = truth if len(around) <= 7 else truth + 5
        ones = np.ones(2)
        return change_bboxes(moved, shift, log_scale), ones, ones

    model._find = find
    state = model.init(frames[:2], truth)
    # seven views around each of the first boxes, its own first
    assert_allclose(around[0], truth)
    assert_allclose(around[1], truth + [[10, 0, 10, 0], [5, 0, 5, 0]])
    assert_allclose(state.extra['bias'], [[0.1, 0, 0, np.log(1.5)]] * 2)
    assert_allclose(state.bboxes, truth)
    state = model.track(frames[2:4], state)
    assert_allclose(state.bboxes, truth + 5)
    assert len(TrackState.cat([state[1], state]).extra['bias']) == 3


def test_a_lost_target_keeps_its_box_and_is_searched_for(frames):
    """The second of two targets is not seen in the second to fourth frame."""
    model = MODELS.build(dict(SIMTRACK, test_cfg=dict(lost=LOST)))
    first = np.array([[100.0, 100, 140, 140], [30, 40, 50, 60]])
    # the usual peak of the second is 3.9 after the first of these, then 3.71
    peaks = [[8.0, 4.0]] * 7 + [[5, 3], [5, 1.9], [9, 1], [5, 0], [5, 2]]
    around = []

    def find(frames, memory, bboxes):
        around.append(bboxes)
        peak = np.array(peaks[len(around) - 1])
        return first + len(around), np.full(2, 0.5), peak

    model._find = find
    state, lost, bboxes = model.init(frames[:2], first), [], []
    assert 'bias' not in state.extra
    for _ in range(5):
        state = model.track(frames[:2], state)
        lost.append(state.lost.tolist())
        bboxes.append(state.bboxes.numpy())
    assert lost == [[False, False], *[[False, True]] * 3, [False, False]]
    assert_allclose([b[1, 0] for b in bboxes], [38, 38, 38, 38, 42])
    assert_allclose([b[0, 0] for b in bboxes], range(108, 113))
    widths = [b[1, 2] - b[1, 0] for b in around[7:]]
    assert_allclose(widths, [20, 20, 30, 40, 40])
    assert state.extra['usual_peaks'][1] == pytest.approx(3.71)
    assert TrackState.cat([state[1], state]).lost.tolist() == [False] * 3


BOUNDED = [
    ([np.nan, 0, 10, 10], [0, -0.5]),
    ([140, 100, 100, 120], [0, -0.5]),  # no width
    ([20, 100, 420, 140], [0.5, 0]),  # ten times as wide
]


@pytest.mark.parametrize('answer, bias', BOUNDED)
def test_calibration_is_bounded(frames, answer, bias):
    model = MODELS.build(dict(SIMTRACK, test_cfg=dict(calibrate=True)))
    one = np.ones(1)
    model._find = lambda *_: (np.array([answer], float), one, one)
    state = model.init(frames[:1], [[100, 100, 140, 140]])
    found = state.extra['bias']
    assert np.isfinite(found).all() and abs(found).max() <= 0.5
    assert_allclose(found[0, 2:], bias)


def test_a_window_reaches_the_head_in_track_only(frames):
    model = MODELS.build(dict(SIMTRACK, test_cfg=dict(window='hann')))
    priors = []

    def predict(feat, prior=None):
        priors.append(prior)
        ones = torch.ones(len(feat), 4)
        return InstanceData(bboxes=ones, scores=ones[:, 0])

    model.head.predict = predict
    state = model.init(frames[:1], [[100, 100, 140, 140]])
    model.track(frames[1:2], state)
    model(make_batch(num=1), mode='predict')
    prior, none = priors
    assert none is None
    side = 1 / model.search['factor']
    expected = model.head.window(torch.zeros(1, 1, 4, 4), side)
    torch.testing.assert_close(prior, expected)
    model.track(frames[2:3], state)
    assert priors[-1] is prior  # computed once


def test_a_window_needs_a_head_with_one(monkeypatch):
    monkeypatch.delattr(CornerHead, 'window')
    with pytest.raises(ValueError, match='None: CornerHead has no method'):
        MODELS.build(dict(SIMTRACK, test_cfg=dict(window='hann')))


REFUSED = [
    ('search', dict(size=60, factor=4), 'search.size is 60 px.* 16 px'),
    ('exemplar', dict(size=0, factor=2), 'exemplar.size is 0 px'),
    ('search', dict(size=64, factor=0), 'search.factor is 0, exp'),
    ('clip_margin', -1, 'clip_margin is -1 px, expected 0 or more'),
    ('test_cfg', dict(window='cosine'), "cosine, .*None or 'hann'"),
    ('test_cfg', dict(size_smoothing=1), r'1, expected within \[0, 1\)'),
    ('test_cfg', dict(lost=LOST | dict(share=1)), 'rate < 1 <= growth <='),
    ('test_cfg', dict(lost=LOST | dict(limit=1.1)), '1 <= growth <= limit'),
    (
        'data_preprocessor',
        dict(SIMTRACK['data_preprocessor'], std=[1, 0, 1]),
        r'std is \[1, 0, 1\], expected .* greater than 0',
    ),
]


@pytest.mark.parametrize('part, value, message', REFUSED)
def test_numbers_that_make_no_sense_are_refused(part, value, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build({**SIMTRACK, part: value})


FIRST_BOXES = [
    ([0, 0, np.nan, 10], 'is not finite; the frame is 320 x 240 px'),
    ([0, 0, np.inf, 10], 'is not finite'),
    ([30, 30, 30, 50], 'has no area'),
    ([30, 30, 20, 50], 'has no area'),
    ([320, 10, 400, 50], 'lies wholly outside of the frame'),
    ([-50, 10, 0, 50], 'lies wholly outside of the frame'),
]


@pytest.mark.parametrize('bbox, message', FIRST_BOXES)
def test_a_first_box_without_target_is_refused(model, frames, bbox, message):
    with pytest.raises(ValueError, match=f'Video 1: .*{message}'):
        model.init(frames[:2], [[10, 10, 50, 50], bbox])


def test_forward_modes(model):
    inputs = make_batch()
    bboxes = model(inputs, mode='tensor')
    samples = model(inputs, [SOTDataSample(), SOTDataSample()], 'predict')
    for bbox, sample in zip(bboxes, samples):
        torch.testing.assert_close(sample.pred_instances.bboxes[0], bbox)
        assert 0 < sample.pred_instances.scores.item() <= 1
    assert len(model(inputs, mode='predict')) == 2
    for sample in samples:
        sample.gt_instances = sample.pred_instances
    losses = model(inputs, samples, 'loss')
    assert set(losses) == {'loss_iou', 'loss_bbox'}
    with pytest.raises(ValueError, match="mode is 'train'"):
        model(inputs, samples, 'train')
