"""Every layout gives the same data, unpacked or not."""

import multiprocessing
import pickle

import numpy as np
import pytest
import storage
import torch
from storage import ARCHIVE

from mmsimtrack.registry import DATASETS

PACKERS = {'zip': storage.pack_zips, 'lmdb': storage.pack_lmdbs}
PAIRS = dict(
    type='PairDataset',
    ratios=[1],
    exemplar=dict(size=32, factor=2),
    search=dict(size=64, factor=4),
    jitter=dict(center=1, scale=0.2),
    sampling=dict(max_gap=200, min_frames=2, min_visible=2),
    transforms=[dict(type='PackPair')],
)


@pytest.fixture(params=sorted(PACKERS))
def pack(request):
    if request.param == 'lmdb':
        pytest.importorskip('lmdb')
    return PACKERS[request.param]


def read_all(cfg):
    """Everything of all sequences."""
    dataset = DATASETS.build(cfg)
    sequences = [dataset.get_sequence(i) for i in range(len(dataset))]
    return [
        (s.name, s.bboxes, s.visible, [s.read_frame(t) for t in range(len(s))])
        for s in sequences
    ]


def draw_pairs(cfg, keys=((0, 0), (0, 1), (0, 2))):
    pairs = DATASETS.build(dict(PAIRS, datasets=[cfg]))
    return [pairs[key]['inputs'] for key in keys]


@pytest.mark.parametrize('name', sorted(storage.LAYOUTS))
def test_equals_the_folder(tmp_path, name, pack):
    cfg = storage.make(name, tmp_path / 'data')
    sequences, pairs = read_all(cfg), draw_pairs(cfg)
    pack(name, tmp_path / 'data')
    cfg['backend_args'] = ARCHIVE
    packed = read_all(cfg)
    assert len(packed) == len(sequences) > 0
    for expected, found in zip(sequences, packed):
        assert found[0] == expected[0]
        for one, other in zip(expected[1:], found[1:]):
            np.testing.assert_array_equal(one, other)
    for expected, found in zip(pairs, draw_pairs(cfg), strict=True):
        assert expected.keys() == found.keys()
        for key in expected:
            assert torch.equal(expected[key], found[key])


@pytest.mark.parametrize('name', ['lasot', 'trackingnet'])
def test_workers_read_from_one_archive(tmp_path, name, pack):
    """Archives that the parent has opened before a fork included."""
    cfg = storage.make(name, tmp_path / 'data')
    pack(name, tmp_path / 'data')
    dataset = DATASETS.build(dict(cfg, backend_args=ARCHIVE))
    # without threads: OpenCV may hang in a child that is forked when one ends
    sequence = dataset.get_sequence(0)
    frames = [sequence.read_frame(t) for t in range(len(sequence))]
    expected = [int(frame[40, 60, 0]) for frame in frames]
    with multiprocessing.get_context('fork').Pool(2) as pool:
        found = pool.map(_read_levels, [pickle.dumps(dataset)] * 4)
    assert found == [expected] * 4
    assert _read_levels(pickle.dumps(dataset)) == expected


def _read_levels(pickled):
    reader = pickle.loads(pickled)[0]['inputs']
    reader.num_threads = 4
    return [int(frame[40, 60, 0]) for frame in reader]


@pytest.mark.parametrize('name', sorted(storage.LAYOUTS))
def test_folders_are_read_by_the_same_backend(tmp_path, name):
    cfg = storage.make(name, tmp_path)
    assert len(read_all(dict(cfg, backend_args=ARCHIVE))) == len(read_all(cfg))
