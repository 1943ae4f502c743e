import csv
import json

import numpy as np
import pytest

from mmsimtrack.evaluation import reports as module

PER_SEQUENCE = {
    'b': {'auc': 50.0, 'op50': 60.0},
    'Piñata-1': {'auc': 1 / 3, 'op50': np.nan},
    'c|d': {'auc': np.nan, 'op50': 1.0},
    'e': {'auc': 70.0},  # a short sequence may lack scores
}


def write(path, kinds=('success', 'precision'), attributes=None, **changes):
    content = dict(
        benchmark='lasot',
        profile='stark',
        overall={'auc': 100 / 3, 'ao': 0.12345, 'op50': np.nan},
        per_sequence=PER_SEQUENCE,
    )
    content = module.report(**{**content, **changes})
    if attributes:
        content['per_attribute'] = attributes
    curve = np.array([1, 1 / 3, 0])
    module.write_report(path, content, dict.fromkeys(kinds, curve))


def test_files(tmp_path):
    path = tmp_path / 'deep/x.json'
    write(path, attributes={'IV': {'num_sequences': 2, 'auc': 25.0}})
    names = ['x.csv', 'x.json', 'x.md', 'x_curves.csv']
    assert sorted(p.name for p in path.parent.iterdir()) == names
    assert json.loads(path.read_text()) == {
        'benchmark': 'lasot',
        'profile': 'stark',
        'overall': {'auc': 33.3333, 'ao': 0.1235, 'op50': None},
        'per_sequence': {
            'b': {'auc': 50, 'op50': 60},
            'Piñata-1': {'auc': 0.3333, 'op50': None},
            'c|d': {'auc': None, 'op50': 1},
            'e': {'auc': 70},
        },
        'per_attribute': {'IV': {'num_sequences': 2, 'auc': 25.0}},
    }
    with open(path.with_suffix('.csv'), newline='', encoding='utf-8') as file:
        assert list(csv.reader(file)) == [
            ['sequence', 'auc', 'op50'],
            ['b', '50.0', '60.0'],
            ['Piñata-1', '0.3333', ''],
            ['c|d', '', '1.0'],
            ['e', '70.0', ''],
        ]
    assert path.with_name('x_curves.csv').read_text() == (
        'curve,threshold,share\n'
        'success,0,1.000000\nsuccess,0.5,0.333333\nsuccess,1,0.000000\n'
        'precision,0,1.000000\nprecision,25,0.333333\nprecision,50,0.000000\n'
    )
    assert path.with_suffix('.md').read_text('utf-8') == (
        '# lasot, profile stark, 4 sequences\n\n'
        '| auc | ao | op50 |\n| --- | --- | --- |\n| 33.33 | 0.1235 | - |\n\n'
        '## Attributes\n\n'
        '| attribute | num_sequences | auc |\n| --- | --- | --- |\n'
        '| IV | 2 | 25 |\n\n'
        '## Lowest auc\n\n'
        '| sequence | auc | op50 |\n| --- | --- | --- |\n'
        '| Piñata-1 | 0.3333 | - |\n| b | 50 | 60 |\n| e | 70 | - |\n'
    )


@pytest.mark.parametrize('key', ['auc', 'success_auc', 'ao'])
def test_worst_sequences_by_the_main_score(key):
    each = {name: {'coverage': 1.0, key: i} for i, name in enumerate('cab')}
    content = module.report('x', 'y', {'coverage': 1.0, key: 1.0}, each)
    assert module.worst_sequences(content, 2) == ['c', 'a']
    assert module.per_cent(key, 0.25) == (25 if key == 'ao' else 0.25)


@pytest.mark.parametrize('name', ['sim.b16', 'metrics', 'x.csv', 'x.md'])
def test_names_that_would_collide(tmp_path, name):
    message = rf"'{tmp_path}/{name}', expected a name that ends in \.json"
    with pytest.raises(ValueError, match=message):
        write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_old_report_does_not_stand_beside_new_curves(tmp_path, monkeypatch):
    write(tmp_path / 'metrics.json')
    monkeypatch.setattr('mmsimtrack.evaluation.reports.markdown', None)
    with pytest.raises(TypeError):
        write(tmp_path / 'metrics.json')
    assert not (tmp_path / 'metrics.json').exists()


def test_names_of_trackers(tmp_path):
    write(tmp_path / 'sim/metrics.json')
    write(tmp_path / 'stark.json')
    paths = [tmp_path / 'sim', tmp_path / 'stark.json']
    reports = module.read_reports(paths, with_curves=True)
    assert list(reports) == ['sim', 'stark']
    assert reports['sim']['overall']['auc'] == 33.3333
    assert reports['sim']['curves']['success'].tolist() == [1, 0.333333, 0]
    assert list(module.read_reports(paths, ['A', 'B'])) == ['A', 'B']
    for names in (['A'], ['A', 'A'], ['A', 'B', 'C']):
        with pytest.raises(ValueError, match=r'found names .* for 2 reports'):
            module.read_reports(paths, names)


DIFFERENT = [
    ({'benchmark': 'uav123'}, r"b.json has benchmark 'uav123', but .*a\."),
    ({'profile': 'pysot'}, r"b.json has profile 'pysot', but .* 'stark'"),
    (
        {'per_sequence': {k: PER_SEQUENCE[k] for k in ('b', 'e')}},
        r"other sequences: only one of them has 'Piñata-1'\. Score both",
    ),
    (
        {'kinds': ['success']},
        r"b.json has curves \['success'\], but .*/a.json has \['suc",
    ),
]


@pytest.mark.parametrize('changes, message', DIFFERENT)
def test_what_cannot_be_compared(tmp_path, changes, message):
    paths = tmp_path / 'a.json', tmp_path / 'b.json'
    write(paths[0])
    write(paths[1], **changes)
    with pytest.raises(ValueError, match=message):
        module.read_reports(paths, with_curves=True)


BROKEN = [b'[]', b'null', b'{}', b'a\n1,2\n', b'<html>', b'"' + b'x' * 10**6]
BROKEN += [b'', b'{"benchmark": "lasot", "over', bytes(range(200, 256))]
BROKEN += ['{}'.encode('utf-16'), None]
CURVE = b'curve,threshold,share\nsuccess,0,1\n'
BROKEN += [CURVE, CURVE + b'success,1,1.5\n', CURVE + b'success,1,nan\n']
BROKEN += [CURVE + b'success,1,0\nrecall,0,1\nrecall,1,0\n']


WRONG_FILES = [
    ('metrics.json', 'is no report of scores', 'Give a metrics.json'),
    ('metrics_curves.csv', 'holds no curves', 'It must lie beside'),
]


@pytest.mark.parametrize('content', BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize('file, broken, missing', WRONG_FILES)
def test_broken_or_missing_files(tmp_path, file, content, broken, missing):
    write(tmp_path / 'metrics.json')
    message = rf'/{file} {broken}\. Write it again'
    if content is None:
        (tmp_path / file).unlink()
        message = rf'/{file}: No such file or directory\. {missing}'
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        module.read_reports([tmp_path], with_curves=True)
    if 'curves' in file:  # which are read only where they are needed
        assert 'curves' not in module.read_reports([tmp_path])[tmp_path.name]


HALVES = [
    *(dict(overall=x) for x in (None, {'coverage': 1}, {'auc': 'x'}, [1])),
    *(dict(per_sequence=x) for x in ({}, {'a': {}}, [1])),
    dict(per_sequence={'a': {'auc': 'x'}}),
    dict(benchmark=None),
]


@pytest.mark.parametrize('change', HALVES)
def test_half_a_report(tmp_path, change):
    path = tmp_path / 'metrics.json'
    write(path)
    content = {**json.loads(path.read_text()), **change}
    content = {k: v for k, v in content.items() if v is not None}
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'metrics.json is no report of sc'):
        module.read_reports([tmp_path])
