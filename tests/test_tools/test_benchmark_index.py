import mmap
import os
import re
from pathlib import Path

import index as tool
import numpy as np
import pytest


@pytest.fixture
def root(tmp_path):
    tool.make_trackingnet(tmp_path, 14)
    return tmp_path


def test_data_set(root):
    """The second video of a chunk is of the next length; links are read."""
    dataset = tool.load(root)
    names = [dataset.get_sequence(i).name for i in range(4)]
    assert names == [f'video_{i:06d}_0' for i in (0, 12, 1, 13)]
    lengths = [317, 337, 317, 337] + [317] * 10
    np.testing.assert_array_equal(dataset.num_frames(), lengths)
    np.testing.assert_array_equal(dataset.num_visible(), lengths)
    assert np.mean(tool.LENGTHS) == 467
    found = tool.time_start(root)
    assert found['frames'] == sum(lengths)
    assert 0 < found['wall'] < 60 and found['rss'] > 50


def test_memory_of_its_own_counts_and_mapped_boxes_do_not(root):
    size = 128 * tool.MIB
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    before = tool.own_memory()
    with mmap.mmap(-1, size, flags) as memory:
        memory.write(b'x' * size)
        after = tool.own_memory()
    # other parts of this process take and return memory meanwhile
    assert after - before == pytest.approx(128, abs=40)
    added = tool.measure_workers(tool.load(root), 'fork', 2)
    assert len(added) == 2
    assert max(map(abs, added)) < 10


def test_table(run_tool, capsys):
    arguments = '--sequences 2 --workers 1 --repeats 1 --methods fork'
    run_tool(tool, *arguments.split())
    out = capsys.readouterr().out
    for row in (
        r'\| \d+ cores, .* \|  \|\n\| --- \| --- \|\n',
        r'\| sequences \| 2 \|',
        r'\| frames \| 634 \|',
        r'\| index on disk \| 0\.0 MiB \|',
        r'\| first start-up, wall \(CPU\) \| \d+\.\d\d s \(\d+\.\d\d s\) \|',
        r'\| warm start-up, RSS \| \d+ MiB \|',
        r'\| USS per worker, fork \| -?\d+\.\d MiB \|',
    ):
        assert re.search(row, out)
    assert not list(Path(os.environ['MMSIMTRACK_CACHE']).iterdir())
