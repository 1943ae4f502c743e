import csv
import json

import numpy as np
import pytest

from mmsimtrack.evaluation.reports import (
    per_cent,
    report,
    worst_sequences,
    write_report,
)

PER_SEQUENCE = {
    'b': {'auc': 50.0, 'op50': 60.0},
    'a': {'auc': 1 / 3, 'op50': np.nan},
    'c d': {'auc': np.nan, 'op50': 1.0},
}


def make(**changes):
    content = dict(
        benchmark='lasot',
        profile='stark',
        overall={'auc': 100 / 3, 'ao': 0.12345, 'op50': np.nan},
        per_sequence=PER_SEQUENCE,
    )
    return report(**{**content, **changes})


def write(path, content=None):
    curves = {'success': np.array([1, 1 / 3, 0]), 'precision': np.ones(51)}
    write_report(path, content or make(), curves)


def test_json(tmp_path):
    path = tmp_path / 'deep/metrics.json'
    write(path)
    assert json.loads(path.read_text()) == {
        'benchmark': 'lasot',
        'profile': 'stark',
        'overall': {'auc': 33.3333, 'ao': 0.1235, 'op50': None},
        'per_sequence': {
            'b': {'auc': 50, 'op50': 60},
            'a': {'auc': 0.3333, 'op50': None},
            'c d': {'auc': None, 'op50': 1},
        },
    }
    assert sorted(p.name for p in path.parent.iterdir()) == [
        'metrics.csv',
        'metrics.json',
        'metrics.md',
        'metrics_curves.csv',
    ]


def test_csv(tmp_path):
    write(tmp_path / 'metrics.json')
    with open(tmp_path / 'metrics.csv', newline='') as file:
        assert list(csv.reader(file)) == [
            ['sequence', 'auc', 'op50'],
            ['b', '50.0', '60.0'],
            ['a', '0.3333', ''],
            ['c d', '', '1.0'],
        ]


def test_curves(tmp_path):
    write(tmp_path / 'metrics.json')
    lines = (tmp_path / 'metrics_curves.csv').read_text().splitlines()
    assert lines[:5] == [
        'curve,threshold,share',
        'success,0,1.000000',
        'success,0.5,0.333333',
        'success,1,0.000000',
        'precision,0,1.000000',
    ]
    assert lines[-1] == 'precision,50,1.000000'


def test_markdown(tmp_path):
    content = make()
    content['per_attribute'] = {'IV': {'num_sequences': 2, 'auc': 25.0}}
    write(tmp_path / 'x.json', content)
    assert (tmp_path / 'x.md').read_text() == (
        '# lasot, profile stark, 3 sequences\n\n'
        '| auc | ao | op50 |\n| --- | --- | --- |\n| 33.33 | 0.1235 | - |\n\n'
        '## Attributes\n\n'
        '| attribute | num_sequences | auc |\n| --- | --- | --- |\n'
        '| IV | 2 | 25 |\n\n'
        '## Lowest auc\n\n'
        '| sequence | auc | op50 |\n| --- | --- | --- |\n'
        '| a | 0.3333 | - |\n| b | 50 | 60 |\n'
    )


@pytest.mark.parametrize('key', ['auc', 'success_auc', 'ao'])
def test_worst_sequences_by_the_main_score(key):
    each = {name: {'coverage': 1.0, key: i} for i, name in enumerate('cab')}
    content = make(overall={'coverage': 1.0, key: 1.0}, per_sequence=each)
    assert worst_sequences(content) == ['c', 'a', 'b']
    assert worst_sequences(content, 2) == ['c', 'a']


def test_a_short_sequence_may_lack_scores(tmp_path):
    """One frame has curves, but no AO."""
    each = {'a': {'auc': 1.0}, 'b': {'auc': 2.0, 'ao': 0.5}}
    write(tmp_path / 'metrics.json', make(per_sequence=each))
    assert (tmp_path / 'metrics.csv').read_text() == (
        'sequence,auc,ao\na,1.0,\nb,2.0,0.5\n'
    )
    table = (tmp_path / 'metrics.md').read_text().split('## Lowest auc\n\n')[1]
    assert table.splitlines()[2:] == ['| a | 1 | - |', '| b | 2 | 0.5 |']


def test_names_in_any_alphabet(tmp_path):
    each = {'Piñata-1': {'auc': 1.0}, 'a|b': {'auc': 2.0}}
    write(tmp_path / 'metrics.json', make(per_sequence=each))
    for name in ('metrics.csv', 'metrics.md'):
        assert 'Piñata-1'.encode() in (tmp_path / name).read_bytes()
    assert '| a\\|b | 2 |' in (tmp_path / 'metrics.md').read_text('utf-8')


@pytest.mark.parametrize('name', ['sim.b16', 'metrics', 'x.csv', 'x.md'])
def test_names_that_would_collide(tmp_path, name):
    message = rf"'{tmp_path}/{name}', expected a name that ends in \.json"
    with pytest.raises(ValueError, match=message):
        write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_old_report_does_not_stand_beside_new_curves(tmp_path, monkeypatch):
    write(tmp_path / 'metrics.json')

    def die(content):
        raise KeyboardInterrupt

    monkeypatch.setattr('mmsimtrack.evaluation.reports.markdown', die)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / 'metrics.json')
    assert not (tmp_path / 'metrics.json').exists()


def test_fractions_in_per_cent():
    assert per_cent('ao', 0.25) == per_cent('auc', 25) == 25
