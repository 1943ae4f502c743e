"""Reports of scores that nobody computed, and what public kits computed."""

import os
from pathlib import Path

import numpy as np
import pytest
from processes import ROOT

from mmsimtrack.evaluation.reports import report, write_report

SHARED = Path(os.environ.get('MMSIMTRACK_EVAL', ROOT.parent / 'shared/eval'))
needs_answers = pytest.mark.skipif(
    not SHARED.is_dir(), reason='the shared evaluation fixtures are absent'
)
KINDS = ('success', 'precision', 'norm_precision')


def write_scores(path, auc, attributes=None, kinds=KINDS, **changes):
    """A report of sequences s0, s1, ... with these scores."""
    curve = np.linspace(1, 0, 21)
    overall = {'auc': float(np.mean(auc)), 'precision20': 61.0}
    overall['norm_precision_at_0_2'] = 72.0
    each = {f's{i}': {'auc': x} for i, x in enumerate(auc)}
    content = dict(benchmark='lasot', profile='official', overall=overall)
    content = report(**content | dict(per_sequence=each) | changes)
    if attributes:
        content['per_attribute'] = {k: {'auc': v} for k, v in attributes}
    write_report(path, content, dict.fromkeys(kinds, curve))
    return str(path)
