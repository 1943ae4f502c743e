"""Malformed inputs of all kinds end in what their rule says.

`MMSIMTRACK_CORPUS=all` runs all of them, otherwise a sample.
"""

import os
import random

import media
import pytest
import settings
import texts
from cases import judge

from mmsimtrack.apis import sot_inferencer

SAMPLE = 100
init_model = sot_inferencer.init_model
CASES = [*texts.all_cases(), *media.all_cases()]
CASES += settings.all_cases()


def chosen():
    if os.environ.get('MMSIMTRACK_CORPUS') == 'all':
        return CASES
    return random.Random(0).sample(CASES, SAMPLE)


@pytest.mark.parametrize('case', chosen(), ids=lambda case: case.name)
def test_malformed_input(case, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(sot_inferencer, 'init_model', init_model)
    judge(case, tmp_path, capsys)


def test_the_corpus_is_large():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 600
