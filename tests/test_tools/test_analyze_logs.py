import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))
from analyze_logs import (  # noqa: E402
    choose_keys,
    curve,
    last_epoch,
    main,
    read_training,
    smooth_values,
)


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
    return path


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


@pytest.fixture
def run(monkeypatch):
    """The tool; returns the curves that it draws."""
    curves = []
    draw = Axes.plot

    def record(self, *args, **style):
        curves.append((*map(np.ndarray.tolist, args), style))
        return draw(self, *args, **style)

    monkeypatch.setattr(Axes, 'plot', record)

    def run(*arguments):
        monkeypatch.setattr('sys.argv', ['tool', *map(str, arguments)])
        main()
        return curves

    return run


def test_resumed_training_is_one_curve(work_dir):
    steps, values = curve(read_training(work_dir), 'loss')
    assert steps.tolist() == [10, 20, 30, 40, 50, 60]
    assert values.tolist() == [9, 8, 7, 6, 4, 3]


def test_validation_stands_at_its_step(work_dir):
    rows = read_training(work_dir)
    steps, values = curve(rows, 'pair/iou')
    assert (steps.tolist(), values.tolist()) == ([40], [0.5])
    assert curve(rows, 'time')[1].tolist() == [0.4] * 6
    assert curve(rows, 'data_share')[1].tolist() == [0.25] * 6


def test_part_of_a_training(work_dir):
    part = work_dir / '20260101_110000'
    for path in (part, part / 'vis_data/scalars.json'):
        assert curve(read_training(path), 'loss')[0].tolist() == [50, 60]


def test_fresh_start_replaces_what_was_there(work_dir):
    write_log(work_dir, '20260103_000000', [train_row(10, 5)])
    assert curve(read_training(work_dir), 'loss')[1].tolist() == [5]


def test_logged_share_of_waiting_stays(tmp_path):
    write_log(tmp_path, 'a', [train_row(1, 2, data_share=0.7)])
    assert curve(read_training(tmp_path), 'data_share')[1].tolist() == [0.7]


def test_unfinished_last_line_is_left_out(work_dir):
    path = work_dir / '20260101_110000/vis_data/scalars.json'
    path.write_text(path.read_text() + '{"lr": 0.00')
    assert len(curve(read_training(work_dir), 'loss')[0]) == 6
    path.write_text('{"lr": 0.00\n' + path.read_text())
    message = r"scalars\.json, line 1: '\{\"lr\": 0\.00' is no JSON .* delete"
    with pytest.raises(ValueError, match=message):
        read_training(work_dir)


def test_logs_must_be_there(tmp_path):
    message = r'holds no <date>/vis_data/scalars.json\. Give the work dir'
    with pytest.raises(FileNotFoundError, match=message):
        read_training(tmp_path)
    write_log(tmp_path, 'a', [{'AUC': 60, 'step': 0}])
    message = 'holds logs, but no training step is in them'
    with pytest.raises(ValueError, match=message):
        read_training(tmp_path)


def test_smoothing_by_hand():
    values = np.array([1.0, 3, np.nan, 5, 4])
    smooth = smooth_values(values, 3)
    np.testing.assert_allclose(smooth, [2, 2, np.nan, 4.5, 4.5])
    np.testing.assert_array_equal(smooth_values(values, 1), values)
    np.testing.assert_allclose(
        smooth_values(values, 9), [3.25, 3.25, np.nan, 3.25, 3.25]
    )


def test_last_whole_epoch():
    rows = [{'epoch': 1, 'x': i} for i in range(3)]
    rows += [{'epoch': 2, 'x': i} for i in range(3)] + [{'epoch': 3}]
    assert last_epoch(rows) == rows[3:6]
    rows = [{'step': i} for i in range(25)]
    assert last_epoch(rows) == rows[-3:]


def test_keys(work_dir):
    trainings = {'a': read_training(work_dir)}
    assert choose_keys(trainings, None) == ['loss', 'loss_iou', 'pair/iou']
    assert choose_keys(trainings, ['lr', 'loss']) == ['lr', 'loss']
    message = (
        '--keys: found no los, x in the logs, expected some of: data_share, '
        'data_time, loss, loss_iou, lr, pair/iou, time'
    )
    with pytest.raises(KeyError, match=message):
        choose_keys(trainings, ['los', 'loss', 'x'])


def test_table(run, work_dir, tmp_path, capsys):
    run(work_dir, '--labels', 'ours', '--out', tmp_path / 'a.png')
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines]
    assert rows[0] == ['training', 'key', 'step', 'last', *rows[0][4:]]
    assert rows[1:6] == [
        ['ours', 'loss', '60', '3', '3.5'],
        ['ours', 'loss_iou', '60', '1', '1'],
        ['ours', 'pair/iou', '40', '0.5', '-'],
        ['ours', 'time', '60', '0.4', '0.4'],
        ['ours', 'data_share', '60', '0.25', '0.25'],
    ]
    assert lines[6].startswith('Drew loss, loss_iou, pair/iou to ')
    assert len({len(line) for line in lines[:6]}) == 1


def test_picture(run, work_dir, tmp_path, monkeypatch):
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure,
        'savefig',
        lambda self, *args, **more: (
            figures.append(self),
            save(self, *args, **more),
        ),
    )
    other = tmp_path / 'other'
    write_log(other, 'a', [train_row(10 * i, i) for i in range(1, 4)])
    out = tmp_path / 'new' / 'losses.png'
    keys = ('loss', 'lr', 'time', 'pair/iou')
    curves = run(work_dir, other, '--keys', *keys, '--smooth', 3, '--out', out)
    assert cv2.imread(str(out)).shape == (864, 1152, 3)
    (figure,) = figures
    assert [axes.get_title() for axes in figure.axes] == list(keys)
    names = [text.get_text() for text in figure.axes[0].get_legend().texts]
    assert names == [str(work_dir), str(other)]
    # pale as logged, then smooth
    (steps, logged, pale), (_, smooth, style) = curves[2:4]
    assert (steps, logged, smooth) == ([10, 20, 30], [1, 2, 3], [1.5, 2, 2.5])
    assert pale['alpha'] < 1 and 'alpha' not in style
    assert pale['color'] == style['color'] != curves[0][2]['color']
    # of the one training with a validation, never smoothed
    assert [values for _, values, _ in curves[12:]] == [[0.5]]


@pytest.mark.parametrize(
    'options, message',
    [
        (('--smooth', 4), '--smooth is 4, expected 1, 3, 5'),
        (('--labels', 'a', 'b'), r"--labels: found \['a', 'b'\] for 1 train"),
        (('--out', 'a.doc'), "found 'a.doc', expected an image file"),
    ],
)
def test_options_are_checked(run, capsys, options, message):
    with pytest.raises(SystemExit):
        run('work', *options)
    assert re.search(message, capsys.readouterr().err)
