import re
import zipfile

import numpy as np
import pytest
import results
from processes import ROOT

from mmsimtrack.evaluation.metrics.submission import SERVERS, write_submission

LENGTHS = {'b': 3, 'a': 2}


@pytest.fixture
def work_dir(tmp_path):
    for folder in ('results', 'times'):
        (tmp_path / folder).mkdir()
    for name, length in LENGTHS.items():
        boxes = np.arange(4 * length).reshape(-1, 4) + 0.25
        # tabs: of another tracker
        np.savetxt(tmp_path / f'results/{name}.txt', boxes, '%.2f', '\t')
        np.savetxt(tmp_path / f'times/{name}.txt', [0.5] * length, '%.3f')
    (tmp_path / 'results/other.txt').write_text('1,2,3,4\n')
    return tmp_path


def pack(benchmark, work_dir, *args, allow_incomplete=True):
    folders = work_dir / 'results', work_dir / 'times'
    write_submission(benchmark, *folders, *args, allow_incomplete)


def read(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        return {name: archive.read(name).decode() for name in names}


ROWS = '0.2500,1.2500,2.2500,3.2500\n4.2500,5.2500,6.2500,7.2500\n'
TIMES = '0.50000000\n' * 2


ARCHIVE = [
    # as the kit's `ExperimentGOT10k` packs them
    ('got10k', {'a/a_001.txt': ROWS, 'a/a_time.txt': TIMES}),
    # as the devkit's example: no folder, commas
    ('trackingnet', {'a.txt': ROWS}),
]


@pytest.mark.parametrize('benchmark, expected', ARCHIVE)
def test_archive(work_dir, benchmark, expected):
    path = work_dir / 'new/submission.zip'
    pack(benchmark, work_dir, LENGTHS, path)
    files = read(path)
    assert [*files][: len(expected)] == [*expected]
    assert len(files) == 2 * len(expected)
    assert expected.items() <= files.items()


REFUSED = [
    ('results/a.txt', None, r'1 of 2 .*\n.*results/a.txt is missing\.'),
    ('results/a.txt', '1,2,3,4\n', r'a.txt has 1 rows, expected 2, one'),
    ('results/a.txt', '1,2,3,4\n' * 3, r'a.txt has 3 rows, expected 2'),
    (
        'results/a.txt',
        '1,2,3,4\n1,NaN,3,4\n',
        r'results/a.txt, row 2: found \[ 1. nan  3.  4.\], expected fin',
    ),
    ('results/a.txt', '1,2,3\n', r'a.txt, line 1: found .1 2 3.'),
    ('times/b.txt', None, r'missing:\n.*times/b.txt is missing'),
    ('times/b.txt', '1\n2\n', r'b.txt has 2 rows, expected 3'),
    ('times/b.txt', '1\nnan\n2\n', r'b.txt, row 2: found \[nan'),
]


@pytest.mark.parametrize('file, content, message', REFUSED)
def test_what_is_not_complete_is_not_written(work_dir, file, content, message):
    path = work_dir / 'submission.zip'
    path.write_text('before')
    if content is None:
        (work_dir / file).unlink()
    else:
        (work_dir / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        pack('got10k', work_dir, LENGTHS, path)
    assert path.read_text() == 'before'
    assert not list(work_dir.glob('.*'))


def test_what_is_refused_at_once(tmp_path):
    lengths = dict.fromkeys(map(str, range(10)), 3)
    message = r'(?s)10 of 10 .*/4.txt is missing\.\n\.\.\. and 5 more\.$'
    with pytest.raises(ValueError, match=message):
        pack('trackingnet', tmp_path, lengths, 'none.zip')
    message = r"Benchmark is 'lasot', expected one of \('got10k', 'trac"
    with pytest.raises(ValueError, match=message):
        pack('lasot', tmp_path, {}, 'none.zip')


def test_as_many_sequences_as_the_server_expects(work_dir, monkeypatch):
    path = work_dir / 'submission.zip'
    message = r'Found 2 sequences of got10k, but its server expects 180\. Com'
    with pytest.raises(ValueError, match=message):
        pack('got10k', work_dir, LENGTHS, path, allow_incomplete=False)
    assert not path.exists()
    monkeypatch.setitem(SERVERS, 'got10k', 2)
    pack('got10k', work_dir, LENGTHS, path, allow_incomplete=False)
    assert len(read(path)) == 4


def run_tool(work_dir, data, *options):
    command = 'pack configs/simtrack/sim_b16_got10k.py'.split()
    options = [f'test_dataloader.dataset.data_root={data}', *options]
    out = ['--out', str(work_dir / 'x.zip'), '--allow-incomplete']
    command += [str(work_dir), *out, '--cfg-options', *options]
    return results.main(command)


def test_tool(tmp_path, make_got10k, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for split in ('test', 'val'):
        make_got10k(tmp_path / 'data', split, num_sequences=2, num_frames=4)
    for folder, row in (('results', '1,2,3,4\n'), ('times', '0.1\n')):
        (tmp_path / folder).mkdir()
        for name in ('seq_0', 'seq_1'):
            (tmp_path / folder / f'{name}.txt').write_text(row * 4)
    assert run_tool(tmp_path, tmp_path / 'data') == 0
    assert f'{tmp_path}/x.zip: 2 sequences of got' in capsys.readouterr().out
    files = read(tmp_path / 'x.zip')
    assert len(files) == 4
    assert files['seq_1/seq_1_001.txt'].count('\n') == 4
    split = 'test_dataloader.dataset.split=val'
    assert run_tool(tmp_path, tmp_path / 'data', split) == 2
    assert re.search('seq_0 of .* is annotated, so', capsys.readouterr().err)
    assert run_tool(tmp_path, tmp_path) == 2
    assert f'{tmp_path}/test' in capsys.readouterr().err
