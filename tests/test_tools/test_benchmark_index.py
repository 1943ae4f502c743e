import mmap
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/benchmarks'))

import index


@pytest.fixture
def root(tmp_path):
    index.make_trackingnet(tmp_path, 14)
    return tmp_path


def test_data_set(root):
    dataset = index.load(root, 14)
    names = [dataset.get_sequence(i).name for i in range(14)]
    assert names[:4] == [
        'video_000000_0',
        'video_000012_0',
        'video_000001_0',
        'video_000013_0',
    ]
    # the second of a chunk is of the next length
    lengths = [317, 337, 317, 337] + [317] * 10
    np.testing.assert_array_equal(dataset.num_frames(), lengths)
    np.testing.assert_array_equal(dataset.num_visible(), lengths)
    assert np.mean(index.LENGTHS) == 467


def test_start(root):
    found = index.time_start(root, 14)
    assert found['frames'] == 12 * 317 + 2 * 337
    assert 0 < found['wall'] < 60
    assert found['rss'] > 50
    assert list(Path(os.environ['MMSIMTRACK_CACHE']).iterdir())


def test_own_memory():
    size = 128 * index.MIB
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    before = index.own_memory()
    with mmap.mmap(-1, size, flags) as memory:
        memory.write(b'x' * size)
        after = index.own_memory()
    # other parts of this process take and return memory meanwhile
    assert after - before == pytest.approx(128, abs=40)


def test_memory_of_workers(root, monkeypatch):
    """What a worker holds itself counts, mapped boxes do not."""
    monkeypatch.setattr(index, 'DRAWS_PER_SAMPLE', 10)
    dataset = index.load(root, 14)
    added = index.measure_workers(dataset, 'fork', 2)
    assert len(added) == 2
    assert max(map(abs, added)) < 10


def test_table(monkeypatch, capsys):
    arguments = '--sequences 2 --workers 1 --repeats 1 --methods fork'
    monkeypatch.setattr(sys, 'argv', ['index.py', *arguments.split()])
    index.main()
    out = capsys.readouterr().out
    assert re.match(r'\| \d+ cores, .* \|  \|\n\| --- \| ---: \|\n', out)
    for row in (
        r'\| sequences \| 2 \|',
        r'\| frames \| 634 \|',
        r'\| index on disk \| 0\.0 MiB \|',
        r'\| first start-up, wall \(CPU\) \| \d+\.\d\d s \(\d+\.\d\d s\) \|',
        r'\| warm start-up, RSS \| \d+ MiB \|',
        r'\| USS per worker, fork \| -?\d+\.\d MiB \|',
    ):
        assert re.search(row, out)
    assert not list(Path(os.environ['MMSIMTRACK_CACHE']).iterdir())
