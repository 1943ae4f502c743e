import cv2
import dataloader as tool
import numpy as np
import pytest
from processes import ROOT

from mmsimtrack.datasets import VideoSequence

CONFIG = ROOT / 'configs/simtrack/sim_l14_lasot.py'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A data set of six frames."""
    root = tmp_path_factory.mktemp('frames')
    tool.write_data(root, 6, None)
    return root


def test_frames_are_like_those_of_data_sets(root, tmp_path):
    paths = sorted(root.glob('train/*/*.jpg'))
    assert len(paths) == 6
    # photographs of this size and quality have about as much
    size = np.mean([path.stat().st_size for path in paths])
    assert 150e3 < size < 450e3
    for path in paths[:2]:
        image = cv2.imread(str(path))
        assert image.shape == (720, 1280, 3)
        assert 30 < image.std() < 70
    for path in root.glob('train/*/groundtruth.txt'):
        for x, y, w, h in np.loadtxt(path, delimiter=','):
            assert 20 <= (w * h) ** 0.5 <= 400
            assert x >= 0 and y >= 0 and x + w <= 1280 and y + h <= 720
    with pytest.raises(FileNotFoundError, match=r'--photos: no \*\.jpg in'):
        tool.write_data(tmp_path / 'data', 2, tmp_path)
    cv2.imwrite(str(tmp_path / 'a.jpg'), np.full((40, 60, 3), 90, np.uint8))
    tool.write_data(tmp_path / 'data', 1, tmp_path)
    image = cv2.imread(str(next((tmp_path / 'data').rglob('*2.jpg'))))
    assert image.shape == (720, 1280, 3) and (image == 90).all()


def test_stages_add_up(root):
    """Sizes, jitter and transforms are the config's."""
    ours = tool.make_pipeline(CONFIG, root, reduced=True)
    assert ours.dataset.exemplar == dict(size=84, factor=1.5)
    assert ours.dataset.reading.reduced
    read = VideoSequence.read_frame
    for pipeline in (ours, tool.released_pipeline(ours.dataset)):
        found = tool.time_stages(pipeline, [[(0, 0), (0, 1)], [(0, 2)]])
        stages = [found[stage] for stage in (*tool.STAGES, 'other')]
        assert sum(stages) == pytest.approx(found['total'])
        assert found['read + decode'] > 1  # ms
        assert found['crop'] > 0 and found['collate'] > 0
        assert (found['augment frames'] > 0) == (pipeline is not ours)
    assert VideoSequence.read_frame is read


def test_tool(capsys):
    options = '--images 3 --pairs 6 --repeats 2 --batch-size 2 --step-time 0 '
    options += '--num-workers 1 --reduced-decoding --released'
    tool.main(options.split())
    printed = capsys.readouterr().out
    header = '| CPU time per pair, ms | ours | ours, reduced | official |'
    assert printed.splitlines()[2] == header
    for row in ('| total | ', '| pairs/s per core | ', '| 1 workers | pairs'):
        assert row in printed
