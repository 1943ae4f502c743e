import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import make_coco

from mmsimtrack.datasets import PairDataset, VideoSequence

AUGMENTATION = [
    dict(type='JointGray', prob=0.5),
    dict(type='JointGamma', prob=0.5, largest=3),
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
        make_got10k(tmp_path, **{'num_sequences': 1, 'num_frames': 2, **data})
        return build_pairs(tmp_path, transforms, reading=reading)

    return _build


def build_pairs(root, transforms=(), type_='Got10kDataset', **options):
    cfg = dict(type=type_, data_root=str(root), split='train')
    sampling = dict(max_gap=200, min_frames=2, min_visible=2, mode='causal')
    sampling |= {k: options.pop(k) for k in list(options) if k in sampling}
    return PairDataset(
        datasets=[cfg],
        ratios=[1],
        exemplar=dict(size=32, factor=2),
        search=dict(size=64, factor=4),
        jitter=dict(center=3.5, scale=0.5),
        sampling=sampling,
        transforms=transforms,
        **options,
    )


@pytest.fixture
def reads(monkeypatch):
    """Names of the frames that are decoded, or by how much each is reduced."""
    found = []
    read, reduce = VideoSequence.read_frame, VideoSequence.read_reduced

    def record(self, t):
        found.append(Path(self.frame_path(t)).name)
        return read(self, t)

    def record_reduction(self, t, reduction):
        found.append(reduction)
        return reduce(self, t, reduction)

    monkeypatch.setattr(VideoSequence, 'read_frame', record)
    monkeypatch.setattr(VideoSequence, 'read_reduced', record_reduction)
    return found


def cut_once(pairs, seed=0):
    """Cut a pair of the first two frames."""
    sequence = pairs.datasets[0].get_sequence(0)
    return pairs.cut(sequence, 0, 1, np.random.default_rng(seed))


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-60])


def assert_same(pair, other):
    torch.testing.assert_close(pair['inputs'], other['inputs'], rtol=0, atol=0)
    sample, reference = pair['data_samples'], other['data_samples']
    assert sample.metainfo == reference.metainfo
    found, expected = sample.gt_instances.bboxes, reference.gt_instances.bboxes
    assert torch.equal(found, expected)


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
    message = r'none of the 1 sequences of {} in {} has {} frames and {} '
    for frames, visible in ((9, 5), (8, 6)):
        found = message.format('Got10kDataset', tmp_path, frames, visible)
        found += r'visible ones\. Lower sampling\.min_frames and sampling\.min'
        with pytest.raises(ValueError, match=found):
            build_pairs(tmp_path, min_frames=frames, min_visible=visible)
    # objects without area
    empty = (9, (4, 4, 0, 8), 0)
    make_coco(tmp_path, objects=[empty, (9, (4, 4, 2, 1), 0), empty])
    pairs = build_pairs(tmp_path, type_='CocoDataset')
    rng = np.random.default_rng(0)
    assert {pairs.draw(rng)[0].name for _ in range(20)} == {'101'}
    make_coco(tmp_path, objects=[empty])
    found = message.format('CocoDataset', tmp_path, 1, 1)
    with pytest.raises(ValueError, match=f'{found}.* check the annotations'):
        build_pairs(tmp_path, type_='CocoDataset')


def test_views_show_their_frames(build):
    pairs = build(num_frames=6, size=(160, 120))
    for k in range(30):
        pair = pairs[3, k]
        assert pair['exemplar'].shape == (32, 32, 3)
        assert pair['search'].shape == (64, 64, 3)
        for view, t in zip(('exemplar', 'search'), pair['frames']):
            # the ground of frame t is 10 * (t + 1), what lies outside 0
            levels = np.unique(pair[view][..., 1]).astype(int)
            assert (abs(levels - 10 * (t + 1)) < 3).any()


def test_crops_outside_of_the_frame_are_redrawn(build):
    inside, outside = (20, 20, 8, 8), (900, 20, 8, 8)
    pairs = build(bboxes_xywh=[inside] * 3 + [outside] * 2 + [inside])
    frames = {pairs[0, k]['frames'] for k in range(60)}
    assert frames == {(0, 1), (0, 2), (1, 2), (0, 5), (1, 5), (2, 5)}


@pytest.mark.parametrize('missed', [False, True])
def test_frames_are_decoded_once_and_the_exemplar_last(build, reads, missed):
    """Not at all where the search crop misses its frame."""
    pairs = build(bboxes_xywh=[(20, 20, 8, 8), (900 * missed, 20, 8, 8)])
    assert (cut_once(pairs) is None) == missed
    assert reads == ['00000002.jpg', '00000001.jpg'][: 2 - missed]


@pytest.mark.parametrize('t', [0, 1])
@pytest.mark.parametrize('corner, size', [((-90, 20), 8), ((0, 0), 1e5)])
def test_odd_box_is_logged(build, logged, tmp_path, t, corner, size):
    bboxes_xywh = [(20, 20, 8, 8), (20, 20, 8, 8)]
    bboxes_xywh[t] = (*corner, size, size)
    box = [float(each) for each in (*corner, corner[0] + size)]
    box.append(float(corner[1] + size))
    assert cut_once(build(bboxes_xywh=bboxes_xywh)) is None
    text = (
        f'{tmp_path}/train/seq_0/0000000{t + 1}.jpg: the annotated box '
        f'{box} (xyxy) lies far outside of the frame, or is over 10 times as '
        'large. The pair is redrawn; correct the annotation.'
    )
    assert logged[-1] == text


def test_jitter_out_of_the_frame_is_not_logged(build, logged):
    pairs = build(bboxes_xywh=[(0, 20, 4, 4)] * 2)
    pairs.jitter = dict(center=30, scale=0)
    assert None in [cut_once(pairs, seed) for seed in range(20)]
    assert not any('annotated box' in line for line in logged)


def test_both_views_of_an_image(tmp_path, reads):
    """An image is decoded once; length and visible frames are not asked."""
    make_coco(tmp_path, objects=[(7, (100, 60, 16, 16), 0)], size=(256, 160))
    limits = dict(min_frames=20, min_visible=5)
    pairs = build_pairs(tmp_path, type_='CocoDataset', **limits)
    assert len(pairs) == 1
    found = [pairs[0, k] for k in range(10)]
    assert reads == ['000000000007.jpg'] * 10
    for pair in found:
        assert (pair['sequence'], pair['frames']) == ('100', (0, 0))
        # a window of 32 px around a box of 16 px
        assert pair['exemplar_bbox'].tolist() == [0.25, 0.25, 0.75, 0.75]
    # the search crop is jittered, by draws of the pair's generator
    assert len({tuple(pair['search_bbox']) for pair in found}) == 10


def test_pairs_of_corrupt_frames_are_drawn_again(build, tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(
        'mmsimtrack.datasets.pair_dataset.log',
        lambda text, level: logged.append((level, text)),
    )
    reading = dict(on_corrupt='skip')
    data = dict(num_sequences=2, num_frames=4)
    pairs = build(AUGMENTATION, reading=reading, **data)
    keys = [(0, k) for k in range(40)]
    good = [pairs[key] for key in keys]
    broken = tmp_path / 'train/seq_0/00000003.jpg'
    cut_short(broken)
    found = [pairs[key] for key in keys]
    samples = [pair['data_samples'] for pair in found]
    assert {sample.num_corrupt for sample in samples} == {0, 1, 2}
    for pair, before, sample in zip(found, good, samples):
        assert sample.sequence != 'seq_0' or 2 not in sample.frames
        if not sample.num_corrupt:
            assert_same(pair, before)
    # logged once, and on all ranks, whose loggers leave warnings out
    ((level, text),) = logged
    assert level == logging.ERROR
    assert text.startswith(f'{broken} is truncated')
    assert text.endswith(
        'The pair is drawn again (on_corrupt=skip); this worker has met 1 '
        'corrupt frames.'
    )
    # another worker gives the same
    again = build_pairs(tmp_path, AUGMENTATION, reading=reading)
    for key, pair in zip(reversed(keys), reversed(found)):
        assert_same(again[key], pair)
    # a second frame is logged with the count of all
    cut_short(broken.with_name('00000001.jpg'))
    for key in keys:
        pairs[key]
    assert len(logged) == 3  # one is of the second worker
    assert 'this worker has met 2 corrupt frames' in logged[2][1]


@pytest.mark.parametrize('corrupt', [False, True])
def test_drawing_again_ends(build, tmp_path, corrupt):
    box = (20, 20 if corrupt else -900, 8, 8)
    pairs = build(bboxes_xywh=[box] * 6, reading=dict(on_corrupt='skip'))
    message = '0 of them for a corrupt frame, the others since a crop lay out'
    if corrupt:
        message = r'100 of them .* The last corrupt frame: \S*\.jpg is trunc'
        for path in tmp_path.glob('train/*/*.jpg'):
            cut_short(path)
    message = rf'pair \(4, 2\): 100 draws in a row failed, {message}'
    with pytest.raises(RuntimeError, match=message):
        pairs[4, 2]


@pytest.mark.parametrize('on_corrupt', ['raise', 'skip'])
def test_broken_and_missing_frames_stop_training(build, tmp_path, on_corrupt):
    """But for broken ones that may be skipped."""
    pairs = build(reading=dict(on_corrupt=on_corrupt))
    path = tmp_path / 'train/seq_0/00000002.jpg'
    if on_corrupt == 'raise':
        cut_short(path)
        with pytest.raises(ValueError, match='00000002.jpg is truncated'):
            pairs[0, 0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match='00000002.jpg is missing'):
        pairs[0, 0]


WRONG_OPTIONS = [
    (dict(min_visible=1), ValueError, 'sampling.min_visible is 1, exp'),
    (
        dict(mode='casual'),
        ValueError,
        r"PairDataset: sampling\.mode is 'casual', expected one of "
        r"\['causal', 'interval', 'order'\]\. Change it in the config",
    ),
    (
        dict(reading=dict(on_corrupt='ignore')),
        ValueError,
        r"PairDataset: reading\.on_corrupt is 'ignore', expected one of "
        r"\['raise', 'skip'\]\. Change it in the config",
    ),
    (dict(reading=dict(reduce=True)), TypeError, 'reduce'),
]


@pytest.mark.parametrize('options, error, message', WRONG_OPTIONS)
def test_options_are_checked(make_got10k, tmp_path, options, error, message):
    make_got10k(tmp_path)
    with pytest.raises(error, match=message):
        build_pairs(tmp_path, **options)


def test_frames_are_reduced_where_crops_allow_it(build, reads):
    # windows of 80 and 160 px, for crops of 32 and 64 px
    boxes = [(100, 100, 40, 40), (110, 90, 40, 40)]
    data = dict(size=(320, 240), bboxes_xywh=boxes)
    found = []
    for reduced in (False, True):
        pairs = build(**data, reading=dict(reduced=reduced))
        pairs.jitter = dict(center=0.1, scale=0)
        found.append(pairs[0, 0])
    assert reads == ['00000002.jpg', '00000001.jpg', 2, 2]
    for view in ('exemplar', 'search'):
        one, other = (pair[f'{view}_bbox'] for pair in found)
        np.testing.assert_array_equal(one, other)
        one, other = (pair[view].astype(int) for pair in found)
        # the frame is flat but for the border of the target
        assert np.median(abs(one - other)) <= 1
        assert (abs(one - other) > 40).mean() < 0.03


def test_both_views_of_a_reduced_image(tmp_path, reads):
    """It is decoded once, as large as the more demanding view needs it."""
    make_coco(tmp_path, objects=[(7, (100, 60, 72, 72), 0)], size=(256, 160))
    reading = dict(reduced=True)
    pairs = build_pairs(tmp_path, type_='CocoDataset', reading=reading)
    pairs.jitter = dict(center=0, scale=0)
    pairs[0, 0]
    # 2 * 72 px for a crop of 32 px, 4 * 72 px for one of 64 px: 4 and 4
    assert reads == [4]
    pairs.exemplar['size'] = 64
    pairs[0, 0]
    assert reads == [4, 2]
