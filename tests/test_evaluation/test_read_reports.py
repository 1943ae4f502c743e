import json

import numpy as np
import pytest

from mmsimtrack.evaluation.reports import (
    read_reports,
    report,
    write_report,
)

PER_SEQUENCE = {'b': {'auc': 50.0}, 'a': {'auc': 20.0}, 'c d': {'auc': 30.0}}


def write(path, kinds=('success', 'precision'), **changes):
    content = dict(
        benchmark='lasot',
        profile='stark',
        overall={'auc': 100 / 3},
        per_sequence=PER_SEQUENCE,
    )
    curve = np.array([1, 1 / 3, 0])
    write_report(
        path, report(**{**content, **changes}), dict.fromkeys(kinds, curve)
    )


def test_names_of_trackers(tmp_path):
    write(tmp_path / 'sim/metrics.json')
    write(tmp_path / 'stark.json')
    paths = [tmp_path / 'sim', tmp_path / 'stark.json']
    reports = read_reports(paths, with_curves=True)
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
            r"other sequences: only one of them has 'c d'\. Score both",
        ),
        (
            {'kinds': ['success']},
            r"b.json has curves \['success'\], but .*/a.json has \['suc",
        ),
    ],
)
def test_what_cannot_be_compared(tmp_path, changes, message):
    paths = tmp_path / 'a.json', tmp_path / 'b.json'
    write(paths[0])
    write(paths[1], **changes)
    with pytest.raises(ValueError, match=message):
        read_reports(paths, with_curves=True)


NO_REPORT = r'metrics.json is no report of scores\. Write it again'
BROKEN = ['[]', 'null', 'a\n1,2\n', '"' + 'x' * 200000]


@pytest.mark.parametrize('text', BROKEN)
def test_no_report(tmp_path, text):
    (tmp_path / 'metrics.json').write_text(text)
    with pytest.raises(ValueError, match=NO_REPORT):
        read_reports([tmp_path])


@pytest.mark.parametrize('text', BROKEN)
def test_no_curves(tmp_path, text):
    write(tmp_path / 'metrics.json')
    (tmp_path / 'metrics_curves.csv').write_text(text)
    assert 'curves' not in read_reports([tmp_path])[tmp_path.name]
    message = r'metrics_curves.csv holds no curves\. Write it again'
    with pytest.raises(ValueError, match=message):
        read_reports([tmp_path], with_curves=True)


@pytest.mark.parametrize(
    'change',
    [
        lambda content: content.pop('benchmark'),
        lambda content: content.pop('overall'),
        lambda content: content.update(overall={'coverage': 1}),
        lambda content: content['per_sequence'].clear(),
        lambda content: content['per_sequence'].update(a={}),
        lambda content: content.update(per_sequence=[1]),
    ],
)
def test_half_a_report(tmp_path, change):
    write(tmp_path / 'metrics.json')
    content = json.loads((tmp_path / 'metrics.json').read_text())
    change(content)
    (tmp_path / 'metrics.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=NO_REPORT):
        read_reports([tmp_path])


@pytest.mark.parametrize(
    ('file', 'message'),
    [
        ('metrics.json', r'No such file or directory\. Give a metrics\.json'),
        ('metrics_curves.csv', r'No such file or directory\. It must lie bes'),
    ],
)
def test_missing_files(tmp_path, file, message):
    write(tmp_path / 'metrics.json')
    (tmp_path / file).unlink()
    with pytest.raises(ValueError, match=rf'/{file}: {message}'):
        read_reports([tmp_path], with_curves=True)
