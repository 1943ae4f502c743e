import json
import re

import analyze_logs as tool
import cv2
import numpy as np
import pytest
from matplotlib.axes import Axes


def train_row(step, loss, epoch=1, **more):
    """What a training logs."""
    times = {'data_time': 0.1, 'time': 0.4}
    row = {'lr': 1e-4, **times, 'loss': loss, 'step': step, 'iter': step}
    return row | {'epoch': epoch} | more


def write_log(work_dir, date, rows):
    """One part of a training."""
    path = work_dir / date / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(row) + '\n' for row in rows))


@pytest.fixture
def work_dir(tmp_path):
    """Steps 10 to 60, resumed after 40; a validation at 40; a test."""
    folder = tmp_path / 'work'
    validation = {'pair/iou': 0.5, 'data_time': 9.0, 'time': 9.0, 'step': 2}
    first = [train_row(10 * i, 10 - i, (i + 1) // 2) for i in range(1, 5)]
    first += [validation, train_row(50, 99, 3), train_row(60, 99, 3)]
    write_log(folder, '20260101_100000', first)
    again = [train_row(50, 4, 3), train_row(60, 3, 3, loss_iou=1)]
    write_log(folder, '20260101_110000', again)
    write_log(folder, '20260102_090000', [{'AUC': 60, 'step': 0}])
    return folder


def curve(path, key='loss'):
    """Steps and values of a training."""
    return tool.curve(tool.read_training(path), key).tolist()


def test_parts_of_a_training_are_one_curve(work_dir):
    steps = [10, 20, 30, 40, 50, 60]
    assert curve(work_dir) == [steps, [9, 8, 7, 6, 4, 3]]
    # a validation stands at its step, but its times do not count
    assert curve(work_dir, 'pair/iou') == [[40], [0.5]]
    assert curve(work_dir, 'time') == [steps, [0.4] * 6]
    assert curve(work_dir, 'data_share') == [steps, [0.25] * 6]
    part = work_dir / '20260101_110000'
    for path in (part, part / 'vis_data/scalars.json'):
        assert curve(path)[0] == [50, 60]
    # a fresh start replaces what was there; a share that is logged stays
    write_log(work_dir, '20260103', [train_row(10, 5, data_share=0.7)])
    assert curve(work_dir) == [[10], [5]]
    assert curve(work_dir, 'data_share') == [[10], [0.7]]


def test_unfinished_last_line_is_left_out(work_dir):
    path = work_dir / '20260101_110000/vis_data/scalars.json'
    path.write_text(path.read_text() + '{"lr": 0.00')
    assert len(curve(work_dir)[0]) == 6
    path.write_text('{"lr": 0.00\n' + path.read_text())
    message = r"scalars\.json, line 1: '\{\"lr\": 0\.00' is no JSON .* delete"
    with pytest.raises(ValueError, match=message):
        tool.read_training(work_dir)


def test_logs_must_be_there(tmp_path):
    message = r'holds no <date>/vis_data/scalars.json\. Give the work dir'
    with pytest.raises(FileNotFoundError, match=message):
        tool.read_training(tmp_path)
    write_log(tmp_path, 'a', [{'AUC': 60, 'step': 0}])
    message = 'holds logs, but no training step is in them'
    with pytest.raises(ValueError, match=message):
        tool.read_training(tmp_path)


def test_smoothing_by_hand():
    values, nan = np.array([1.0, 3, np.nan, 5, 4]), np.nan
    expected = {1: values, 3: [2, 2, nan, 4.5, 4.5]}
    expected[9] = [3.25, 3.25, nan, 3.25, 3.25]
    for window, smooth in expected.items():
        found = tool.smooth_values(values, window)
        np.testing.assert_allclose(found, smooth)


def test_keys(work_dir):
    trainings = {'a': tool.read_training(work_dir)}
    default = ['loss', 'loss_iou', 'pair/iou']
    assert tool.choose_keys(trainings, None) == default
    message = (
        '--keys: found no los, x in the logs, expected some of: data_share, '
        'data_time, loss, loss_iou, lr, pair/iou, time'
    )
    with pytest.raises(KeyError, match=message):
        tool.choose_keys(trainings, ['los', 'loss', 'x'])


def test_table(run_tool, work_dir, tmp_path, capsys):
    run_tool(tool, work_dir, '--labels', 'ours', '--out', tmp_path / 'a.png')
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:7] == [
        '| ours | loss | 60 | 3 | 3 |',
        '| ours | loss_iou | 60 | 1 | 1 |',
        '| ours | pair/iou | 40 | 0.5 | 0.5 |',
        '| ours | time | 60 | 0.4 | 0.4 |',
        '| ours | data_share | 60 | 0.25 | 0.25 |',
    ]
    assert lines[-1].startswith('Drew loss, loss_iou, pair/iou to ')


def test_picture(run_tool, work_dir, tmp_path, monkeypatch):
    curves, draw = [], Axes.plot

    def record(self, *args, **style):
        values = map(np.ndarray.tolist, args)
        curves.append((self.get_subplotspec().num1, *values, style))
        return draw(self, *args, **style)

    monkeypatch.setattr(Axes, 'plot', record)
    other = tmp_path / 'other'
    write_log(other, 'a', [train_row(10 * i, i) for i in range(1, 4)])
    out = tmp_path / 'new' / 'losses.png'
    keys = ('loss', 'lr', 'time', 'pair/iou')
    options = ('--keys', *keys, '--smooth', 3, '--out', out)
    run_tool(tool, work_dir, other, *options)
    assert cv2.imread(str(out)).shape == (864, 1152, 3)
    # pale as logged, then smooth
    (_, steps, logged, pale), (_, _, smooth, style) = curves[2:4]
    assert (steps, logged, smooth) == ([10, 20, 30], [1, 2, 3], [1.5, 2, 2.5])
    assert pale['alpha'] < 1 and 'alpha' not in style
    assert pale['color'] == style['color'] != curves[0][3]['color']
    assert style['label'] == str(other)
    # of the one training with a validation, never smoothed
    last = [values for panel, _, values, _ in curves if panel == 3]
    assert last == [[0.5], []]


WRONG_OPTIONS = [
    (('--smooth', 4), '--smooth is 4, expected 1, 3, 5'),
    (('--labels', 'a', 'b'), r"--labels: found \['a', 'b'\] for 1 train"),
    (('--out', 'a.doc'), "found 'a.doc', expected an image file"),
]


@pytest.mark.parametrize('options, message', WRONG_OPTIONS)
def test_options_are_checked(run_tool, capsys, options, message):
    with pytest.raises(SystemExit):
        run_tool(tool, 'work', *options)
    assert re.search(message, capsys.readouterr().err)
