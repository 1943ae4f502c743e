"""Malformed inputs of the corpus, met by real processes."""

import os

import pytest
from cases import SECONDS
from processes import ROOT, python, run
from test_corpus import CASES

NAMES = """lasot/groundtruth.txt: a row less|got10k/cover.label: a fraction
list with '../x'|nfs/dog_1.txt: utf-16|score results: gzip
score gt: empty|check frame png 60000|coco bbox 0|coco: deep|zip: cut
--box '1,2,3'|--box '0,0,1e5,1e5'|mp4: zeros|source 'no.mp4'
option resum=True|value train_cfg.max_epochs=0|config: yaml that runs code
weights: code|convert: others|check no.py""".replace('\n', '|').split('|')
# whole commands, and the end of what they say
COMMANDS = {
    'tools/dist_train.sh configs/simtrack/sim_b16_lasot.py 8': (
        'does not exist. Expected the data set as downloaded; '
        'docs/en/prepare_datasets.md says where to get it.'
    ),
    'tools/train.py configs/simtrack/sim_b16_lasot.py': 'exist. Expected',
    'tools/test.py nobody.py x.pth': 'nobody.py is missing',
    'tools/model_converters/official_simtrack_to_mmsimtrack.py a b': (
        'a does not exist'
    ),
}
if os.environ.get('MMSIMTRACK_CORPUS') != 'all':
    NAMES, COMMANDS = NAMES[:1], dict(list(COMMANDS.items())[:1])


@pytest.mark.parametrize('name', NAMES)
def test_a_process_ends_as_the_rule_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (case,) = [case for case in CASES if case.name == name]
    args = [str(arg) for arg in case.make(tmp_path)]
    options = dict(cwd=tmp_path, check=False, timeout=3 * SECONDS)
    done = python('-m', 'mmsimtrack', *args, **options)
    assert done.returncode == case.status, done.stderr
    assert 'Traceback' not in done.stderr
    if case.check:
        case.check(tmp_path, None)


@pytest.mark.parametrize('command, says', COMMANDS.items())
def test_the_message_comes_last(command, says, tmp_path):
    script, *args = command.split()
    args = [ROOT / a if a.startswith('configs') else a for a in args]
    start = run if script.endswith('.sh') else python
    done = start(ROOT / script, *args, cwd=tmp_path, check=False)
    assert done.returncode == 2, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    assert says in lines[-1] and len(lines) < 9
