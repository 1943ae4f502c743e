import csv
import json

import numpy as np
import pytest

from mmsimtrack.evaluation.reports import (
    read_reports,
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


def test_names_of_trackers(tmp_path):
    write(tmp_path / 'sim/metrics.json')
    write(tmp_path / 'stark.json')
    paths = [tmp_path / 'sim', tmp_path / 'stark.json']
    reports = read_reports(paths)
    assert list(reports) == ['sim', 'stark']
    assert reports['sim']['overall']['auc'] == 33.3333
    assert reports['sim']['curves']['success'].tolist() == [1, 0.333333, 0]
    assert list(read_reports(paths, ['A', 'B'])) == ['A', 'B']


@pytest.mark.parametrize('names', [['A'], ['A', 'A'], ['A', 'B', 'C']])
def test_wrong_names(tmp_path, names):
    write(tmp_path / 'metrics.json')
    message = r'found names .* for 2 reports, expected as many different'
    with pytest.raises(ValueError, match=message):
        read_reports([tmp_path, tmp_path], names)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'benchmark': 'uav123'}, r"b.json has benchmark 'uav123', but .*a\."),
        ({'profile': 'pysot'}, r"b.json has profile 'pysot', but .* 'stark'"),
        (
            {'per_sequence': {'b': {'auc': 1.0}, 'a': {'auc': 2.0}}},
            r"other sequences: only one of them has 'c d'\. Score the same",
        ),
    ],
)
def test_what_cannot_be_compared(tmp_path, changes, message):
    paths = tmp_path / 'a.json', tmp_path / 'b.json'
    write(paths[0])
    write(paths[1], make(**{'per_sequence': PER_SEQUENCE, **changes}))
    with pytest.raises(ValueError, match=message):
        read_reports(paths)


@pytest.mark.parametrize('file', ['metrics.json', 'metrics_curves.csv'])
@pytest.mark.parametrize('text', ['[]', '{"overall": {}}', 'null', 'a\n1,2\n'])
def test_no_report(tmp_path, file, text):
    write(tmp_path / 'metrics.json')
    (tmp_path / file).write_text(text)
    message = r'metrics.json, or metrics_curves.csv beside it, is no report\.'
    with pytest.raises(ValueError, match=message):
        read_reports([tmp_path])


@pytest.mark.parametrize('file', ['metrics.json', 'metrics_curves.csv'])
def test_missing_report(tmp_path, file):
    write(tmp_path / 'metrics.json')
    (tmp_path / file).unlink()
    with pytest.raises(ValueError, match=rf'/{file}: No such file .*\. Give'):
        read_reports([tmp_path])
