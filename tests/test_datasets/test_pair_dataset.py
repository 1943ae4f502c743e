import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import make_coco
from mmengine.dataset import default_collate
from torch.utils.data import DataLoader

from mmsimtrack.datasets import PairDataset, VideoSequence, jitter_bbox

PARITY = Path(__file__).parents[2] / '../shared/parity/boxes.json'
AUGMENTATION = [
    dict(type='JointGray', prob=0.5),
    dict(type='RandomMirror', prob=0.5, joint=True),
    dict(type='BrightnessJitter', amount=0.2),
    dict(type='RandomMirror', prob=0.5, joint=False),
    dict(type='JointChannelPermutation'),
    dict(type='JointTranspose', prob=0.5),
    dict(type='PackPair'),
]


@pytest.fixture
def build(make_got10k, tmp_path):
    """A function that writes a data set and builds its pairs."""

    def _build(transforms=(), reading=None, **data):
        make_got10k(tmp_path, **data)
        return build_pairs(tmp_path, transforms, reading=reading)

    return _build


def build_pairs(
    root,
    transforms=(),
    reading=None,
    min_frames=2,
    min_visible=2,
    type_='Got10kDataset',
):
    cfg = dict(type=type_, data_root=str(root), split='train')
    return PairDataset(
        datasets=[cfg],
        ratios=[1],
        exemplar=dict(size=32, factor=2),
        search=dict(size=64, factor=4),
        jitter=dict(center=3.5, scale=0.5),
        sampling=dict(
            max_gap=200, min_frames=min_frames, min_visible=min_visible
        ),
        transforms=transforms,
        reading=reading,
    )


@pytest.fixture
def reads(monkeypatch):
    """Frames that were decoded, by file name, as they come in."""
    names = []
    read = VideoSequence.read_frame

    def record(self, t):
        names.append(Path(self.frame_path(t)).name)
        return read(self, t)

    monkeypatch.setattr(VideoSequence, 'read_frame', record)
    return names


@pytest.fixture
def warnings(monkeypatch):
    """What pairs log."""
    lines = []
    monkeypatch.setattr(
        'mmsimtrack.datasets.pair_dataset.print_log',
        lambda text, *_, **__: lines.append(text),
    )
    return lines


def assert_same(pair, other):
    assert pair['inputs'].keys() == other['inputs'].keys()
    for name, value in pair['inputs'].items():
        assert torch.equal(value, other['inputs'][name])
    sample, reference = pair['data_samples'], other['data_samples']
    assert sample.metainfo == reference.metainfo
    assert torch.equal(
        sample.gt_instances.bboxes, reference.gt_instances.bboxes
    )


@pytest.mark.parametrize('type_', ['Got10kDataset', 'CocoDataset'])
def test_pair_is_a_function_of_its_key(make_got10k, tmp_path, type_):
    make = make_got10k if type_ == 'Got10kDataset' else make_coco
    make(tmp_path)
    pairs, again = (
        build_pairs(tmp_path, AUGMENTATION, type_=type_) for _ in range(2)
    )
    keys = [(7, k) for k in range(12)] + [(8, 0), (0, 7)]
    np.random.seed(0)
    torch.manual_seed(0)
    first = [pairs[key] for key in keys]
    state = np.random.get_state()[1].copy(), torch.get_rng_state()
    for key, pair in zip(reversed(keys), reversed(first)):
        assert_same(again[key], pair)
    searches = {bytes(pair['inputs']['search'].numpy()) for pair in first}
    assert len(searches) == len(keys)
    assert [pair['data_samples'].key for pair in first] == keys
    # global generators stay untouched
    np.testing.assert_array_equal(np.random.get_state()[1], state[0])
    assert torch.equal(torch.get_rng_state(), state[1])


def test_pairs_do_not_depend_on_workers(build):
    pairs = build(AUGMENTATION)
    keys = [(1, k) for k in range(16)]
    batches = [
        list(
            DataLoader(
                pairs,
                batch_size=4,
                sampler=keys,
                num_workers=num_workers,
                collate_fn=default_collate,
            )
        )
        for num_workers in (0, 2)
    ]
    for batch, other in zip(*batches, strict=True):
        for name, value in batch['inputs'].items():
            assert torch.equal(value, other['inputs'][name])
        keys = [sample.key for sample in batch['data_samples']]
        assert keys == [sample.key for sample in other['data_samples']]


def test_only_visible_frames_are_drawn(build):
    pairs = build(num_frames=10, absent=(0, 3, 4), uncovered=(8, 9))
    rng = np.random.default_rng(0)
    frames = np.array([pairs.draw(rng)[1:] for _ in range(300)])
    assert set(frames[:, 0]) == {1, 2, 5, 6}
    assert set(frames[:, 1]) == {2, 5, 6, 7}
    assert (frames[:, 0] < frames[:, 1]).all()


def test_short_and_hidden_sequences_are_not_drawn(make_got10k, tmp_path):
    # seq_0 has 8 frames, 5 of them visible
    make_got10k(tmp_path, num_sequences=1, absent=(0, 1, 2))
    assert len(build_pairs(tmp_path, min_frames=8, min_visible=5)) == 1
    for limits in ((9, 5), (8, 6)):
        message = (
            r'none of the 1 sequences of Got10kDataset in '
            rf'{tmp_path} has {limits[0]} frames and {limits[1]} visible '
            r'ones\. Lower sampling\.min_frames and sampling\.min_vis'
        )
        with pytest.raises(ValueError, match=message):
            build_pairs(tmp_path, min_frames=limits[0], min_visible=limits[1])


def test_pairs_need_two_visible_frames():
    message = 'sampling.min_visible is 1, expected at least 2'
    with pytest.raises(ValueError, match=message):
        build_pairs('nowhere', min_visible=1)


def test_ratios(make_got10k, tmp_path):
    roots = [tmp_path / name for name in 'ab']
    for root in roots:
        make_got10k(root, num_sequences=1)
    pairs = build_pairs(roots[0])
    settings = dict(
        datasets=[
            dict(type='Got10kDataset', data_root=str(root), split='train')
            for root in roots
        ],
        exemplar=pairs.exemplar,
        search=pairs.search,
        jitter=pairs.jitter,
        sampling=vars(pairs.sampling),
        transforms=[],
    )
    pairs = PairDataset(ratios=[1, 3], **settings)
    rng = np.random.default_rng(0)
    paths = [pairs.draw(rng)[0].frame_path(0) for _ in range(2000)]
    share = np.mean([f'{tmp_path}/b/' in path for path in paths])
    assert share == pytest.approx(0.75, abs=0.04)
    with pytest.raises(ValueError, match='1 ratios for 2 data sets'):
        PairDataset(ratios=[1], **settings)


def test_jitter_by_hand():
    bbox = jitter_bbox(
        np.array([0.0, 0, 4, 9]),
        normal=np.array([2, -2]) * np.log(2),
        uniform=np.array([0.75, 0.25]),
        center=3.5,
        scale=0.5,
    )
    # 4 x 9 -> 8 x 4.5, of side 6; the center moves by 0.25 * 6 * 3.5
    np.testing.assert_allclose(bbox, (3.25, -3, 11.25, 1.5))


def test_jitter_equals_the_release():
    if not PARITY.exists():
        pytest.skip(f'{PARITY} is not here')
    for case in json.loads(PARITY.read_text())['jitter']:
        x, y, w, h = case['box']
        bbox = jitter_bbox(
            np.array([x, y, x + w, y + h]),
            np.array(case['normal']),
            np.array(case['uniform']),
            case['center_jitter'],
            case['scale_jitter'],
        )
        x, y, w, h = case['out_xywh']
        # the release computes in float32
        np.testing.assert_allclose(
            bbox, (x, y, x + w, y + h), rtol=1e-5, atol=1e-4
        )


def test_exemplar_is_centered(build):
    pairs = build(
        num_frames=3, size=(160, 120), bboxes_xywh=[(40, 50, 16, 16)] * 3
    )
    pair = pairs[0, 0]
    # a window of 32 px around a box of 16 px
    np.testing.assert_array_equal(
        pair['exemplar_bbox'], (0.25, 0.25, 0.75, 0.75)
    )
    assert pair['exemplar'].shape == (32, 32, 3)
    red = pair['exemplar'][..., 0] > 128
    np.testing.assert_array_equal(np.flatnonzero(red.any(0)), range(8, 24))
    np.testing.assert_array_equal(np.flatnonzero(red.any(1)), range(8, 24))


def test_search_box_is_where_the_target_is(build):
    pairs = build(num_frames=6, size=(160, 120))
    for k in range(30):
        pair = pairs[3, k]
        assert pair['search'].shape == (64, 64, 3)
        target = np.clip(pair['search_bbox'], 0, 1) * 64
        ys, xs = np.nonzero(pair['search'][..., 0] > 150)
        extent = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        np.testing.assert_allclose(extent, target, atol=1.5)


def test_pair_knows_its_frames(build):
    pairs = build(num_frames=8, size=(160, 120))
    for k in range(5):
        pair = pairs[0, k]
        for view, t in zip(('exemplar', 'search'), pair['frames']):
            # the ground of frame t is 10 * (t + 1), what lies outside 0
            levels = np.unique(pair[view][..., 1]).astype(int)
            assert (abs(levels - 10 * (t + 1)) < 3).any()


def test_crops_outside_of_the_frame_are_redrawn(build):
    inside, outside = (20, 20, 8, 8), (900, 20, 8, 8)
    pairs = build(
        num_frames=6, bboxes_xywh=[inside] * 3 + [outside] * 2 + [inside]
    )
    frames = {pairs[0, k]['frames'] for k in range(60)}
    assert frames == {(0, 1), (0, 2), (1, 2), (0, 5), (1, 5), (2, 5)}


def test_redrawing_ends(build):
    pairs = build(num_frames=6, bboxes_xywh=[(20, -900, 8, 8)] * 6)
    message = (
        r'PairDataset: pair \(4, 2\): 100 draws in a row failed, 0 of them '
        r'for a corrupt frame, the others since a crop lay outside.*Check the '
    )
    with pytest.raises(RuntimeError, match=message):
        pairs[4, 2]


def test_broken_frame_stops_training(build, tmp_path):
    pairs = build(num_sequences=1, num_frames=2)
    cut_short(tmp_path / 'train/seq_0/00000002.jpg')
    with pytest.raises(ValueError, match='00000002.jpg is truncated'):
        pairs[0, 0]


def test_frames_are_decoded_once_and_the_exemplar_last(build, reads):
    pairs = build(num_sequences=1, num_frames=2)
    pairs[0, 0]
    assert reads == ['00000002.jpg', '00000001.jpg']


def test_exemplar_is_not_decoded_where_the_search_crop_misses(build, reads):
    pairs = build(
        num_sequences=1,
        num_frames=2,
        bboxes_xywh=[(20, 20, 8, 8), (900, 20, 8, 8)],
    )
    sequence = pairs.datasets[0].get_sequence(0)
    assert pairs.cut(sequence, 0, 1, np.random.default_rng(0)) is None
    assert reads == ['00000002.jpg']


@pytest.mark.parametrize('outside', ['exemplar', 'search'])
def test_box_far_outside_is_logged(build, warnings, tmp_path, outside):
    bboxes_xywh = [(20, 20, 8, 8), (20, 20, 8, 8)]
    t = 0 if outside == 'exemplar' else 1
    bboxes_xywh[t] = (-90, 20, 8, 8)
    pairs = build(num_sequences=1, num_frames=2, bboxes_xywh=bboxes_xywh)
    sequence = pairs.datasets[0].get_sequence(0)
    assert pairs.cut(sequence, 0, 1, np.random.default_rng(0)) is None
    assert warnings == [
        f'{tmp_path}/train/seq_0/0000000{t + 1}.jpg: the annotated box '
        '[-90.0, 20.0, -82.0, 28.0] (xyxy) lies far outside of the frame. '
        'The pair is redrawn; correct the annotation.'
    ]


def test_jitter_out_of_the_frame_is_not_logged(build, warnings):
    pairs = build(
        num_sequences=1, num_frames=2, bboxes_xywh=[(0, 20, 4, 4)] * 2
    )
    pairs.jitter = dict(center=30, scale=0)
    sequence = pairs.datasets[0].get_sequence(0)
    views = [
        pairs.cut(sequence, 0, 1, np.random.default_rng(k)) for k in range(20)
    ]
    assert None in views
    assert warnings == []


def test_both_views_of_an_image(tmp_path, reads):
    """An image is decoded once; length and visible frames are not asked."""
    make_coco(tmp_path, objects=[(7, (100, 60, 16, 16), 0)], size=(256, 160))
    pairs = build_pairs(
        tmp_path, min_frames=20, min_visible=5, type_='CocoDataset'
    )
    assert len(pairs) == 1
    pair = pairs[0, 0]
    assert pair['sequence'] == '100'
    assert pair['frames'] == (0, 0)
    assert reads == ['000000000007.jpg']
    np.testing.assert_array_equal(
        pair['exemplar_bbox'], (0.25, 0.25, 0.75, 0.75)
    )
    red = pair['exemplar'][..., 0] > 128
    np.testing.assert_array_equal(np.flatnonzero(red.any(0)), range(8, 24))
    # the search crop is jittered, by draws of the pair's generator
    boxes = {tuple(pairs[0, k]['search_bbox']) for k in range(10)}
    assert len(boxes) == 10
    for k in range(10):
        target = np.clip(pairs[0, k]['search_bbox'], 0, 1) * 64
        ys, xs = np.nonzero(pairs[0, k]['search'][..., 0] > 150)
        extent = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        np.testing.assert_allclose(extent, target, atol=1.5)


def test_objects_without_area_are_not_drawn(tmp_path):
    empty = (9, (4, 4, 0, 8), 0)
    make_coco(tmp_path, objects=[empty, (9, (4, 4, 2, 1), 0), empty])
    pairs = build_pairs(tmp_path, type_='CocoDataset')
    rng = np.random.default_rng(0)
    assert {pairs.draw(rng)[0].name for _ in range(20)} == {'101'}
    make_coco(tmp_path, objects=[empty])
    message = (
        rf'none of the 1 sequences of CocoDataset in {tmp_path} has 1 frames '
        r'and 1 visible ones\..* or check the annotations'
    )
    with pytest.raises(ValueError, match=message):
        build_pairs(tmp_path, type_='CocoDataset')


def test_reading_refuses_what_it_does_not_know(build):
    message = (
        r"PairDataset: reading\.on_corrupt is 'ignore', expected one of "
        r"\['raise', 'skip'\]\. Change it in the config"
    )
    with pytest.raises(ValueError, match=message):
        build(reading=dict(on_corrupt='ignore'))
    with pytest.raises(TypeError, match='reduce'):
        build(reading=dict(reduce=True))


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-60])


@pytest.fixture
def errors(monkeypatch):
    """What a reading policy logs, with the level."""
    lines = []
    monkeypatch.setattr(
        'mmsimtrack.datasets.reading_policy.print_log',
        lambda text, _, level: lines.append((level, text)),
    )
    return lines


def test_pairs_of_corrupt_frames_are_drawn_again(build, tmp_path, errors):
    reading = dict(on_corrupt='skip')
    pairs = build(AUGMENTATION, num_frames=4, reading=reading)
    keys = [(0, k) for k in range(40)]
    good = [pairs[key] for key in keys]
    assert {pair['data_samples'].num_corrupt for pair in good} == {0}
    broken = tmp_path / 'train/seq_0/00000003.jpg'
    cut_short(broken)
    found = [pairs[key] for key in keys]
    num_corrupt = [pair['data_samples'].num_corrupt for pair in found]
    assert set(num_corrupt) == {0, 1, 2}
    for pair, before, num in zip(found, good, num_corrupt):
        sample = pair['data_samples']
        shown = sample.sequence == 'seq_0' and 2 in sample.frames
        assert not shown
        if num == 0:
            assert_same(pair, before)
    # logged once, and on all ranks, whose loggers leave warnings out
    (line,) = errors
    assert line[0] == logging.ERROR
    assert line[1].startswith(f'{broken} is truncated')
    assert 'The pair is drawn again (on_corrupt=skip)' in line[1]
    assert 'this worker has met 1 corrupt frames' in line[1]
    # another worker gives the same
    again = build_pairs(tmp_path, AUGMENTATION, reading=reading)
    for key, pair in zip(reversed(keys), reversed(found)):
        assert_same(again[key], pair)
    # a second frame is logged with the count of all
    cut_short(broken.with_name('00000001.jpg'))
    for key in keys:
        pairs[key]
    assert len(errors) == 3  # one is of the second worker
    assert 'this worker has met 2 corrupt frames' in errors[2][1]


def test_drawing_again_ends(build, tmp_path, errors):
    pairs = build(num_sequences=2, reading=dict(on_corrupt='skip'))
    for path in tmp_path.glob('train/*/*.jpg'):
        cut_short(path)
    message = (
        r'PairDataset: pair \(4, 2\): 100 draws in a row failed, 100 of them '
        r'for a corrupt.* The last corrupt frame: \S*/seq_\d/\d+\.jpg is trunc'
    )
    with pytest.raises(RuntimeError, match=message):
        pairs[4, 2]
    assert len(errors) <= 16


@pytest.mark.parametrize('on_corrupt', ['raise', 'skip'])
def test_missing_frames_are_not_skipped(build, tmp_path, on_corrupt):
    pairs = build(
        num_sequences=1, num_frames=2, reading=dict(on_corrupt=on_corrupt)
    )
    (tmp_path / 'train/seq_0/00000002.jpg').unlink()
    with pytest.raises(FileNotFoundError, match='00000002.jpg is missing'):
        pairs[0, 0]


@pytest.fixture
def reductions(monkeypatch):
    """By how much frames are reduced, as they come in."""
    found = []
    read = VideoSequence.read_reduced

    def record(self, t, reduction):
        found.append(reduction)
        return read(self, t, reduction)

    monkeypatch.setattr(VideoSequence, 'read_reduced', record)
    return found


def test_frames_are_reduced_where_crops_allow_it(build, reductions):
    # windows of 80 and 160 px, for crops of 32 and 64 px
    data = dict(
        num_sequences=1,
        num_frames=2,
        size=(320, 240),
        bboxes_xywh=[(100, 100, 40, 40), (110, 90, 40, 40)],
    )
    pairs = build(**data)
    pairs.jitter = dict(center=0.1, scale=0)
    reduced = build(**data, reading=dict(reduced=True))
    reduced.jitter = pairs.jitter
    expected, found = pairs[0, 0], reduced[0, 0]
    assert reductions == [2, 2]
    for view in ('exemplar', 'search'):
        np.testing.assert_array_equal(
            found[f'{view}_bbox'], expected[f'{view}_bbox']
        )
        difference = abs(found[view].astype(int) - expected[view])
        # the frame is flat but for the border of the target
        assert np.median(difference) <= 1
        assert (difference > 40).mean() < 0.03


def test_default_reads_whole_frames(build, reductions, reads):
    build(num_sequences=1, num_frames=2)[0, 0]
    assert (reductions, len(reads)) == ([], 2)


def test_both_views_of_a_reduced_image(tmp_path, reductions):
    """It is decoded once, as large as the more demanding view needs it."""
    make_coco(tmp_path, objects=[(7, (100, 60, 72, 72), 0)], size=(256, 160))
    pairs = build_pairs(
        tmp_path, type_='CocoDataset', reading=dict(reduced=True)
    )
    pairs.jitter = dict(center=0, scale=0)
    pairs[0, 0]
    # 2 * 72 px for a crop of 32 px, 4 * 72 px for one of 64 px: 4 and 4
    assert reductions == [4]
    pairs.exemplar['size'] = 64
    pairs[0, 0]
    assert reductions == [4, 2]
