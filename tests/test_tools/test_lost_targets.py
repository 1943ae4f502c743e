from types import SimpleNamespace

import lost_targets as tool
import numpy as np
import pytest
from real_clips import Clip

from mmsimtrack.structures.tracking import BoxRules

BOX = np.array([20.0, 30, 40, 50])


@pytest.fixture
def clip():
    """A clip of a bright square on a dark ground; twice, there is no box."""
    frames = [np.full((80, 100, 3), 50, np.uint8) for _ in range(50)]
    for frame in frames:
        frame[30:50, 20:40] = 200
    bboxes = np.tile(BOX, (50, 1))
    bboxes[[27, 45]] = np.nan
    return Clip('square', frames, bboxes)


class Watcher:
    """Loses the square where the middle of it is not bright."""

    model = SimpleNamespace()

    def init(self, frame, bbox):
        self.bbox = bbox

    def update(self, frame):
        bright = frame[40, 30, 0] > 100
        return bright, self.bbox if bright else self.bbox + 50, 1.0


@pytest.mark.parametrize('x', [20, 60])  # room on the right, or on the left
def test_a_target_vanishes(clip, x):
    shift = x - 20
    clip.bboxes[:, ::2] += shift
    for frame in clip.frames:
        frame[:] = np.roll(frame, shift, axis=1)
    hidden, gone = tool.hide(clip, tool.vanish)
    assert len(hidden.frames) == len(hidden.bboxes) == 45
    assert np.flatnonzero(gone).tolist() == list(range(16, 27))
    for frame, is_gone in zip(hidden.frames, gone):
        assert frame.max() == (50 if is_gone else 200)
    assert clip.frames[20].max() == 200  # the clip is not changed


def test_a_picture_slides_over_the_target(clip):
    picture = np.zeros((10, 10, 3), np.uint8)
    hidden, gone = tool.hide(
        clip, lambda *about: tool.occlude(*about, picture)
    )
    covered = [(f[30:50, 20:40] == 0).mean() for f in hidden.frames]
    assert covered[15] == covered[28] == 0
    assert covered[16] < covered[17] < covered[20] < covered[21] == 1
    assert covered[22] > covered[23] > covered[26]
    assert np.flatnonzero(gone).tolist() == [19, 20, 21, 22, 23]


def test_numbers_by_hand(clip):
    found = tool.measure(Watcher(), [tool.hide(clip, tool.vanish)])
    assert found == {
        'clips with an alarm': 1,
        'frames until it': 0,
        'lost, %': 100,
        'found again': 1,
        'frames until then': 0,
        'overlap afterwards': 1,
    }
    with pytest.raises(ValueError, match='beside it in the frame'):
        tool.vanish(clip.frames[0], (0, 0, 90, 70), 0)


def test_tool(run_tool, clip, tmp_path, capsys, monkeypatch):
    rules = BoxRules(0, lost=dict(share=0.5, rate=0, growth=1, limit=1))
    watcher = Watcher()
    watcher.model = SimpleNamespace(rules=rules)
    monkeypatch.setattr(tool, 'open_tracker', lambda _: watcher)
    monkeypatch.setattr(tool, 'find_clips', lambda _: [clip])
    run_tool(tool, tmp_path, 'name', '--out', tmp_path / 'out.json')
    printed = capsys.readouterr().out
    assert 'false alarms 0, frames with a target 48' in printed
    assert '| vanish | 1 | 0 | 100 | 1 | 0 | 1 |' in printed
    assert (tmp_path / 'out.json').exists()
    watcher.model.rules = BoxRules(0)
    with pytest.raises(ValueError, match='name has no rule for lost'):
        run_tool(tool, tmp_path, 'name')
    del clip.frames[44:]
    with pytest.raises(ValueError, match='44 frames, expected 45 or more'):
        tool.hide(clip, tool.vanish)
