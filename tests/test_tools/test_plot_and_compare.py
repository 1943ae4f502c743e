"""plot_curves.py, compare.py and worst_sequences.py, on reports."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from layouts import make_tnl2k

from mmsimtrack.evaluation.reports import report, write_report

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))
import compare  # noqa: E402
import plot_curves  # noqa: E402
import worst_sequences  # noqa: E402

KINDS = ('success', 'precision', 'norm_precision')


def write(path, auc, attributes=None, kinds=KINDS, **changes):
    """A report of sequences s0, s1, ... with these scores."""
    curve = np.linspace(1, 0, 21)
    content = report(
        **dict(
            benchmark='lasot',
            profile='official',
            overall={
                'auc': float(np.mean(auc)),
                'precision20': 61.0,
                'norm_precision_at_0_2': 72.0,
            },
            per_sequence={f's{i}': {'auc': x} for i, x in enumerate(auc)},
        )
        | changes
    )
    if attributes:
        content['per_attribute'] = {k: {'auc': v} for k, v in attributes}
    write_report(path, content, dict.fromkeys(kinds, curve))
    return str(path)


def test_plots(tmp_path, capsys):
    attributes = [('IV', 50.0), ('OV', 40.0), ('FM', 30.0)]
    paths = [
        write(tmp_path / name / 'metrics.json', [50.0, x], attributes)
        for name, x in (('sim', 60.0), ('stark', 20.0))
    ]
    out = tmp_path / 'plots'
    assert plot_curves.main([*paths, '--out-dir', str(out)]) == 0
    names = ['attributes', 'norm_precision', 'precision', 'success']
    assert sorted(path.stem for path in out.iterdir()) == names
    assert capsys.readouterr().out.splitlines() == [
        f'{out}/success.png: [auc]',
        f'{out}/precision.png: [precision20]',
        f'{out}/norm_precision.png: [norm_precision_at_0_2]',
        f'{out}/attributes.png: auc',
    ]


def test_legends_show_the_scores(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        plot_curves, 'plot_curves', lambda *args: calls.append(args)
    )
    write(tmp_path / 'metrics.json', [50.0, 60.0])
    options = ['--names', 'Sim', '--title', 'LaSOT', '--out-dir']
    plot_curves.main([str(tmp_path), *options, str(tmp_path)])
    assert [call[2:] for call in calls] == [
        ('success', {'Sim': 55.0}, 'Success on LaSOT'),
        ('precision', {'Sim': 61.0}, 'Precision on LaSOT'),
        ('norm_precision', {'Sim': 72.0}, 'Normalized precision on LaSOT'),
    ]


def test_got10k_has_one_plot_in_per_cent(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        plot_curves, 'plot_curves', lambda *args: calls.append(args)
    )
    path = write(
        tmp_path / 'metrics.json',
        [1.0],
        benchmark='got10k',
        overall={'ao': 0.686, 'sr_0_5': 0.789},
        kinds=['success'],
    )
    plot_curves.main([path, '--names', 'Sim', '--out-dir', str(tmp_path)])
    assert [call[3] for call in calls] == [{'Sim': pytest.approx(68.6)}]


@pytest.mark.parametrize('tool', [plot_curves, compare])
def test_other_benchmarks_are_refused(tmp_path, capsys, tool):
    a = write(tmp_path / 'a.json', [1.0])
    b = write(tmp_path / 'b.json', [1.0], benchmark='uav123')
    options = ['--out-dir', str(tmp_path)] if tool is plot_curves else []
    assert tool.main([a, b, *options]) == 2
    message = "b.json has benchmark 'uav123', but "
    assert message in capsys.readouterr().err


def test_comparison(tmp_path, capsys):
    a = write(tmp_path / 'a.json', [10.0, 20.0, 30.0, np.nan])
    b = write(tmp_path / 'b.json', [15.0, 20.0, 24.0, 99.0])
    out = tmp_path / 'out/compare.json'
    assert compare.main([a, b, '--out', str(out)]) == 0
    content = json.loads(out.read_text())
    row = content['scores']['auc']
    assert (content['a'], content['b']) == ('a', 'b')
    # the sequence that is undefined for a does not count
    assert row['num_sequences'] == 3
    assert (row['a'], row['difference']) == (20, pytest.approx(-1 / 3))
    assert (row['better'], row['equal'], row['worse']) == (1, 1, 1)
    low, high = row['interval']
    assert -6 <= low < -1 / 3 < high <= 5
    text = capsys.readouterr().out
    assert '| auc | 20.00 | 19.67 | -0.33 |' in text
    assert 'Largest losses, auc: s2 -6.0\n' in text
    assert 'Largest gains, auc: s0 +5.0\n' in text


def test_fractions_are_compared_in_per_cent(tmp_path, capsys):
    paths = [
        write(
            tmp_path / f'{x}.json',
            [0.0],
            overall={'ao': x},
            per_sequence={'s0': {'ao': x}},
        )
        for x in (0.25, 0.5)
    ]
    compare.main(paths)
    assert '| ao | 25.00 | 50.00 | +25.00 |' in capsys.readouterr().out


def test_interval_covers_the_mean_as_often_as_it_says():
    """200 samples of 60 numbers; 90 % means 180, give or take 4 sigma."""
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        low, high = compare.confidence_interval(
            rng.normal(3, 2, 60), 90, 300, seed
        )
        hits += low < 3 < high
    assert 180 - 17 <= hits <= 180 + 17


def test_interval_is_reproducible_and_bounded():
    values = np.array([1.0, 2, 3, 10])
    first = compare.confidence_interval(values, 95, 500, 1)
    assert first == compare.confidence_interval(values, 95, 500, 1)
    assert first != compare.confidence_interval(values, 95, 500, 2)
    assert compare.confidence_interval(np.full(5, 2.5), 95, 50, 0) == (
        2.5,
        2.5,
    )


@pytest.mark.parametrize(
    'options', [['--confidence', '100'], ['--num-resamples', '0']]
)
def test_wrong_numbers(options, capsys):
    with pytest.raises(SystemExit):
        compare.main(['a', 'b', *options])
    assert f'{options[0]} {options[1]}' in capsys.readouterr().err.replace(
        '100.0', '100'
    )


@pytest.fixture
def tracked(tmp_path):
    """A tracked data set of one's own: config and work dir."""
    make_tnl2k(tmp_path / 'data', ['good', 'bad one'], num_frames=6)
    config = tmp_path / 'config.py'
    config.write_text(
        'test_dataloader = dict(dataset=dict(type="TNL2KDataset", '
        f'data_root="{tmp_path}/data", test_mode=True))\n'
    )
    work_dir = tmp_path / 'work'
    (work_dir / 'results').mkdir(parents=True)
    for name in ('good', 'bad one'):
        boxes = np.loadtxt(
            tmp_path / f'data/{name}/groundtruth.txt', delimiter=','
        )
        if name == 'bad one':
            boxes[2:] = (0, 0, 2, 2)
        np.savetxt(work_dir / f'results/{name}.txt', boxes, '%g', ',')
    each = {'good': {'auc': 95.0}, 'bad one': {'auc': 30.0}}
    write(work_dir / 'metrics.json', [62.0], per_sequence=each)
    return config, work_dir


def test_page_of_worst_sequences(tracked, tmp_path, capsys):
    config, work_dir = map(str, tracked)
    out = tmp_path / 'worst'
    options = ['--out-dir', str(out), '--num-frames', '4']
    assert worst_sequences.main([config, work_dir, *options]) == 0
    page = (out / 'index.html').read_text()
    assert page.index('bad one: auc 30') < page.index('good: auc 95')
    assert 'overlap below 0.1 from #2 on, 4 frames' in page
    assert '<p>6 frames</p>' in page  # never lost
    assert 'src="bad%20one.jpg"' in page
    sheet = cv2.imread(str(out / 'bad one.jpg'))
    assert sheet.shape == (240, 4 * 320, 3)
    assert cv2.imread(str(out / 'bad one_overlap.png')).shape[1] == 1280
    assert len(list(out.iterdir())) == 5


def test_only_some_sequences(tracked, tmp_path):
    config, work_dir = map(str, tracked)
    out = tmp_path / 'worst'
    options = ['--out-dir', str(out), '--num-sequences', '1']
    worst_sequences.main([config, work_dir, *options])
    assert 'good' not in (out / 'index.html').read_text()


@pytest.mark.parametrize(
    ('break_it', 'message'),
    [
        (
            lambda work_dir: (work_dir / 'results/good.txt').unlink(),
            'results/good.txt is missing',
        ),
        (
            lambda work_dir: (work_dir / 'results/good.txt').write_text(
                '1,2,3,4\n'
            ),
            'good.txt has 1 rows, expected 6, one per frame',
        ),
        (
            lambda work_dir: write(work_dir / 'metrics.json', [1.0]),
            's0 is in the report, but not in ',
        ),
    ],
)
def test_pages_need_whole_tests(tracked, tmp_path, capsys, break_it, message):
    config, work_dir = tracked
    break_it(work_dir)
    options = ['--out-dir', str(tmp_path / 'worst')]
    status = worst_sequences.main([str(config), str(work_dir), *options])
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'worst').exists()


def test_longest_loss():
    visible = np.ones(9, bool)
    overlaps = np.array([1, 0, 0, 1, 0.05, 0, 0, 0.09, 0.1])
    assert worst_sequences.longest_loss(overlaps, visible) == (4, 4)
    # frames without target neither count nor end it
    visible[[2, 3]] = False
    assert worst_sequences.longest_loss(overlaps, visible) == (1, 5)
    assert worst_sequences.longest_loss(np.ones(3), visible[:3]) == (0, 0)
    assert worst_sequences.choose_frames(9, 4, 5) == [0, 4, 5, 8]
    assert worst_sequences.choose_frames(2, 4, 0) == [0, 1]
