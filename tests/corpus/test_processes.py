"""Malformed inputs of the corpus, met by real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cases import SECONDS
from test_corpus import CASES

ROOT = Path(__file__).parents[2]
NAMES = """lasot/groundtruth.txt: a row less|got10k/cover.label: a fraction
list with '../x'|nfs/dog_1.txt: utf-16|score results: gzip|compare: cut
score gt: empty|check frame png 60000|coco bbox 0|coco: deep|zip: cut
--box '1,2,3'|--box '0,0,1e5,1e5'|mp4: zeros|source 'no.mp4'
option resum=True|value train_cfg.max_epochs=0|config: yaml that runs code
weights: code|convert: others|check no.py""".replace('\n', '|').split('|')
if os.environ.get('MMSIMTRACK_CORPUS') != 'all':
    NAMES = NAMES[:2]


def environment():
    return {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable}


@pytest.mark.parametrize('name', NAMES)
def test_a_process_ends_as_the_rule_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (case,) = [case for case in CASES if case.name == name]
    args = [str(arg) for arg in case.make(tmp_path)]
    done = subprocess.run(
        [sys.executable, '-m', 'mmsimtrack', *args],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=3 * SECONDS,
    )
    assert done.returncode == case.status, done.stderr
    assert 'Traceback' not in done.stderr
    if case.check:
        case.check(tmp_path, None)


@pytest.mark.parametrize(
    'command, says',
    [
        (
            'tools/dist_train.sh configs/simtrack/sim_b16_lasot.py 8',
            'does not exist. Expected the data set as downloaded; '
            'docs/en/prepare_datasets.md says where to get it.',
        ),
        (
            'tools/train.py configs/simtrack/sim_b16_lasot.py',
            'does not exist. Expected',
        ),
        ('tools/test.py nobody.py x.pth', 'nobody.py is missing'),
        (
            'tools/model_converters/official_simtrack_to_mmsimtrack.py a b',
            'a does not exist',
        ),
    ],
)
def test_the_message_comes_last(command, says, tmp_path):
    script, *args = command.split()
    args = [ROOT / a if a.startswith('configs') else a for a in args]
    python = [] if script.endswith('.sh') else [sys.executable]
    done = subprocess.run(
        [*python, ROOT / script, *args],
        env=environment(),
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    assert says in lines[-1] and len(lines) < 9
