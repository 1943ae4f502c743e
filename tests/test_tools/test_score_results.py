import json
import shutil

import pytest
import score_results
from processes import ROOT
from reports import SHARED, needs_answers

CORNER = ROOT / 'tests/data/eval/corner'


@pytest.fixture
def corner(tmp_path):
    """Flat folders with chosen corner cases."""

    def make(*cases):
        for kind in ('gt', 'result', 'absent'):
            (tmp_path / kind).mkdir(exist_ok=True)
            for case in cases:
                path = CORNER / case / f'{kind}.txt'
                if path.exists():
                    shutil.copy(path, tmp_path / kind / f'{case}.txt')
        return tmp_path

    return make


def run(root, benchmark, *options, gt='gt', results='result'):
    out = root / 'metrics.json'
    out.unlink(missing_ok=True)
    folders = f'--gt {root / gt} --results {root / results} --out {out}'
    command = [*folders.split(), '--benchmark', benchmark, *map(str, options)]
    status = score_results.main(command)
    return status, json.loads(out.read_text()) if out.exists() else None


def test_chosen_sequences(corner, capsys):
    root = corner('plain', 'ties')
    chosen = root / 'list.txt'
    chosen.write_text('ties\n\n')
    _, content = run(root, 'custom', '--sequences', chosen)
    assert list(content['per_sequence']) == ['ties']
    assert content['overall']['auc'] == pytest.approx(59.2593)
    chosen.write_text('\n')
    assert run(root, 'custom', '--sequences', chosen)[0] == 2
    assert 'list.txt: is empty. Write one name' in capsys.readouterr().err


def test_attributes(corner):
    root = corner('plain', 'ties')
    (root / 'att').mkdir()
    for case in ('plain', 'ties'):
        flags = ['0'] * 11
        flags[0] = str(int(case == 'ties'))
        (root / 'att' / f'{case}.txt').write_text(','.join(flags))
    _, content = run(root, 'otb100', '--attributes', root / 'att')
    assert list(content['per_attribute']) == ['IV']
    assert content['per_attribute']['IV']['auc'] == pytest.approx(59.2593)


REFUSALS = [
    ('result_short', '', 'result/result_short.txt: found 14 rows'),
    ('result_nan', '--profile stark', 'result_nan.txt: line 6: found'),
    ('plain', '--sequences none.txt', 'none.txt: No such file'),
    ('plain', '--absent nowhere', 'nowhere: there is no such folder'),
]


@pytest.mark.parametrize('case, options, message', REFUSALS)
def test_refusals(corner, capsys, logged, case, options, message):
    assert run(corner(case), 'lasot', *options.split()) == (2, None)
    error = capsys.readouterr().err
    assert error.startswith('refused: ') and message in error
    assert error.count('\n') == 1


@needs_answers
def test_got10k_layout(tmp_path):
    answers = json.loads((SHARED / 'got10k' / 'expected.json').read_text())
    names = tmp_path / 'names.txt'
    names.write_text('\n'.join(answers['scored_sequences']))
    for tracker, expected in answers['expected'].items():
        folders = dict(
            gt=SHARED / 'got10k/val',
            results=SHARED / 'got10k/results/GOT-10k' / tracker,
        )
        _, content = run(tmp_path, 'got10k', '--sequences', names, **folders)
        expected = dict(expected)
        for name, scores in expected.pop('per_sequence').items():
            found = {k: content['per_sequence'][name][k] for k in scores}
            assert found == pytest.approx(scores, abs=1e-4)
        assert content['overall'] == pytest.approx(expected, abs=1e-4)
