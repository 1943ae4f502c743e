import numpy as np
import pytest
import results
from reports import write_scores


def test_plots(tmp_path, capsys):
    attributes = [('IV', 50.0), ('OV', 40.0), ('FM', 30.0)]
    paths = [
        write_scores(tmp_path / name / 'metrics.json', [50.0, x], attributes)
        for name, x in (('a$b^c', 60.0), ('stark', 20.0))
    ]
    out = tmp_path / 'plots'
    assert results.main(['plot', *paths, '--out-dir', str(out)]) == 0
    names = ['attributes', 'norm_precision', 'precision', 'success']
    assert sorted(path.stem for path in out.iterdir()) == names
    assert capsys.readouterr().out.splitlines() == [
        f'{out}/success.png: [auc]',
        f'{out}/precision.png: [precision20]',
        f'{out}/norm_precision.png: [norm_precision_at_0_2]',
        f'{out}/attributes.png: [auc]',
    ]


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn: all arguments but the curves and the path."""
    calls = []

    def note(*args):
        calls.append(args[2:])

    monkeypatch.setattr(results.pictures, 'plot_curves', note)
    return calls


def test_legends_show_the_scores(tmp_path, drawn):
    write_scores(tmp_path / 'metrics.json', [50.0, 60.0])
    options = ['--names', 'Sim', '--title', 'LaSOT', '--out-dir']
    results.main(['plot', str(tmp_path), *options, str(tmp_path)])
    assert drawn == [
        ('success', {'Sim': 55.0}, 'Success on LaSOT'),
        ('precision', {'Sim': 61.0}, 'Precision on LaSOT'),
        ('norm_precision', {'Sim': 72.0}, 'Normalized precision on LaSOT'),
    ]


def test_servers_have_scores_of_their_own(tmp_path, drawn):
    """GOT-10k has one plot, in per cent; TrackingNet shows areas."""
    areas = dict(success_auc=80.0, precision_auc_0_50px=70.0)
    areas['norm_precision_auc_0_0_5'] = 60.0
    for changes, expected in (
        (dict(overall={'ao': 0.686}, kinds=['success']), [68.6]),
        (dict(overall={'coverage': 99.0, **areas}), [80, 70, 60]),
    ):
        path = write_scores(tmp_path / 'sim.json', [1.0], **changes)
        results.main(['plot', path, '--out-dir', str(tmp_path)])
        assert [call[1]['sim'] for call in drawn] == pytest.approx(expected)
        drawn.clear()


REFUSED = [
    ({'benchmark': 'uav123'}, "b.json has benchmark 'uav123', but "),
    ({'overall': {'auc': np.nan}}, 'b has no auc, which the legend'),
    (
        {'overall': {'auc': 1.0}},
        'b has no precision20 or precision_auc_0_50px, which the legend',
    ),
]


@pytest.mark.parametrize('changes, message', REFUSED)
def test_refused(tmp_path, capsys, changes, message):
    a = write_scores(tmp_path / 'a.json', [1.0])
    b = write_scores(tmp_path / 'b.json', [1.0], **changes)
    out = tmp_path / 'plots'
    assert results.main(['plot', a, b, '--out-dir', str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob('plots/*'))
    if 'benchmark' in changes:
        assert results.main(['compare', a, b]) == 2
        assert message in capsys.readouterr().err


def test_radar_of_what_all_have(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        results.pictures, 'plot_attributes', lambda *args: calls.append(args)
    )
    attributes = [('IV', 50.0), ('OV', None), ('FM', 30.0), ('LR', 20.0)]
    a = write_scores(tmp_path / 'a.json', [40.0], attributes)
    b = write_scores(tmp_path / 'b.json', [60.0])
    results.main(['plot', a, '--out-dir', str(tmp_path)])
    ((table, overall, path, title),) = calls
    # undefined ones are left out
    assert table == {'a': {'IV': 50.0, 'FM': 30.0, 'LR': 20.0}}
    assert overall == {'a': 40.0}
    assert title == 'AUC by attribute on lasot (official)'
    assert path == tmp_path / 'attributes.png'
    capsys.readouterr()
    results.main(['plot', a, b, '--out-dir', str(tmp_path)])
    assert len(calls) == 1
    assert 'in common, a has 3, b has 0.\n' in capsys.readouterr().out
    b = write_scores(tmp_path / 'b.json', [60.0], attributes[:3])
    assert results.main(['plot', a, b, '--out-dir', str(tmp_path)]) == 0
    assert len(calls) == 1
    text = 'No radar: expected 3 attributes in common, a has 3, b has 2.\n'
    assert text in capsys.readouterr().out
