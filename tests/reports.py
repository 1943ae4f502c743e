"""Reports of scores that nobody computed."""

import numpy as np

from mmsimtrack.evaluation.reports import report, write_report

KINDS = ('success', 'precision', 'norm_precision')


def write_scores(path, auc, attributes=None, kinds=KINDS, **changes):
    """A report of sequences s0, s1, ... with these scores."""
    curve = np.linspace(1, 0, 21)
    content = report(
        **dict(
            benchmark='lasot',
            profile='official',
            overall={
                'auc': float(np.mean(auc)),
                'precision20': 61.0,
                'norm_precision_at_0_2': 72.0,
            },
            per_sequence={f's{i}': {'auc': x} for i, x in enumerate(auc)},
        )
        | changes
    )
    if attributes:
        content['per_attribute'] = {k: {'auc': v} for k, v in attributes}
    write_report(path, content, dict.fromkeys(kinds, curve))
    return str(path)
