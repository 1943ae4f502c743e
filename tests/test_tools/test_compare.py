import json

import numpy as np
import pytest
import results
from reports import write_scores


def test_comparison(tmp_path, capsys):
    a = write_scores(tmp_path / 'a.json', [10.0, 20.0, 30.0, np.nan])
    b = write_scores(tmp_path / 'b.json', [15.0, 20.0, 24.0, 99.0])
    out = tmp_path / 'out/compare.json'
    assert results.main(['compare', a, b, '--out', str(out)]) == 0
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
    assert '| score | N | a | b | B - A | 95 % interval | better/eq' in text
    assert '| auc | 3 | 20.00 | 19.67 | -0.33 | ' in text
    assert (content['num_resamples'], content['seed']) == (10000, 0)
    assert 'Largest losses, auc: s2 -6.0\n' in text
    assert 'Largest gains, auc: s0 +5.0\n' in text


def test_fractions_are_compared_in_per_cent(tmp_path, capsys):
    paths = []
    for x, more in ((0.25, {}), (0.5, {'auc': 1.0})):
        scores = {'ao': x, **more}
        changes = dict(overall=scores, per_sequence={'s0': scores})
        path = tmp_path / f'{x}.json'
        paths.append(write_scores(path, [0.0], **changes))
    out = tmp_path / 'out.json'
    results.main(['compare', *paths, '--names', 'A', 'B', '--out', str(out)])
    text = capsys.readouterr().out
    assert 'auc: no sequence has it in both reports\n' in text
    # one sequence has no scatter
    assert '| ao | 1 | 25.00 | 50.00 | +25.00 | - | 1/0/0 |' in text
    assert 'Largest gains, ao: s0 +25.0\n' in text
    # in units of the reports
    row = json.loads(out.read_text())['scores']['ao']
    assert (row['difference'], row['interval']) == (0.25, None)


def test_interval_is_reproducible_and_bounded():
    values = np.random.default_rng(0).normal(0, 1, 40)
    first, again, other = (
        results.confidence_interval(values, 95, 500, seed)
        for seed in (1, 1, 2)
    )
    assert first == again != other
    low, high = results.confidence_interval(np.full(5, 2.5), 95, 50, 0)
    assert low == high == 2.5


WRONG_NUMBERS = [
    ('compare a b', '--confidence 100.0'),
    ('compare a b', '--num-resamples 0'),
    ('compare a b', '--seed -1'),
    ('worst a b --out-dir c', '--num-frames 1'),
    ('worst a b --out-dir c', '--num-sequences 0'),
]


@pytest.mark.parametrize('command, option', WRONG_NUMBERS)
def test_wrong_numbers(command, option, capsys):
    with pytest.raises(SystemExit):
        results.main([*command.split(), *option.split()])
    option = option.replace(' ', ': found ')
    assert f'argument {option}, expected >= ' in capsys.readouterr().err
