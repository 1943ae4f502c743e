import os

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from mmsimtrack.visualization import (
    plot_attributes,
    plot_curves,
    plot_overlaps,
)


@pytest.fixture
def figures(monkeypatch):
    """Figures that were saved."""
    saved = []
    savefig = Figure.savefig

    def spy(figure, *args, **kwargs):
        saved.append(figure)
        savefig(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, 'savefig', spy)
    return saved


CURVES = {
    'weak': np.full(21, 0.25),
    'strong': np.linspace(1, 0.5, 21),
    'middle': np.full(21, 0.5),
}


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def pyplot_state():
    return plt.get_fignums(), matplotlib.get_backend(), dict(plt.rcParams)


def test_legend_is_sorted_by_auc(tmp_path, figures):
    before = pyplot_state()
    plot_curves(CURVES, tmp_path / 'plot.png', title='LaSOT')
    assert pyplot_state() == before
    axes = figures[0].axes[0]
    assert legend_of(axes) == ['[75.0] strong', '[50.0] middle', '[25.0] weak']
    line = axes.get_lines()[0]
    np.testing.assert_allclose(line.get_xdata(), np.arange(21) / 20)
    np.testing.assert_array_equal(line.get_ydata(), CURVES['strong'])
    assert axes.get_title() == 'LaSOT'
    assert os.listdir(tmp_path) == ['plot.png']
    assert cv2.imread(str(tmp_path / 'plot.png')).shape == (720, 960, 3)


def test_other_scores_and_thresholds(tmp_path, figures):
    scores = {'weak': 91.25, 'strong': 1, 'middle': 50}
    for kind, last in (('precision', 50), ('norm_precision', 0.5)):
        plot_curves(CURVES, tmp_path / 'plot.svg', kind, scores)
        axes = figures.pop().axes[0]
        legend = ['[91.2] weak', '[50.0] middle', '[1.0] strong']
        assert legend_of(axes) == legend
        assert axes.get_lines()[0].get_xdata()[[0, -1]].tolist() == [0, last]
    assert axes.get_title() == 'Normalized precision plot of OPE'
    assert (tmp_path / 'plot.svg').read_text().startswith('<?xml')


def test_a_tracker_looks_the_same_in_all_pictures(tmp_path, figures):
    given = {'weak': 3, 'strong': 2, 'middle': 1}
    for kind, scores in (('success', None), ('precision', given)):
        plot_curves(CURVES, tmp_path / 'plot.png', kind, scores)
    attributes = {name: dict(IV=50, OV=40, FM=30) for name in CURVES}
    path, scores = tmp_path / 'plot.png', dict.fromkeys(CURVES, 1)
    plot_attributes(attributes, scores, path, 'AUC')
    drawn = [figure.axes[0].get_lines() for figure in figures]
    colors = [
        {line.get_label().split()[-1]: line.get_color() for line in lines}
        for lines in drawn
    ]
    assert colors[0] == colors[1] == colors[2]
    assert len(set(colors[0].values())) == 3


def test_attributes(tmp_path, figures):
    scores = {'a': {'IV': 52.0, 'OV': 41.0, 'FM': 60.0}}
    scores['b'] = {'IV': 55.0, 'OV': 40.0, 'FM': 61.0}
    plot_attributes(scores, {'a': 50, 'b': 51.25}, tmp_path / 'plot.png', 'x')
    axes = figures[0].axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    ranges = ['IV\n(52.0, 55.0)', 'OV\n(40.0, 41.0)', 'FM\n(60.0, 61.0)']
    assert labels == ranges
    # the curve is closed
    assert axes.get_lines()[0].get_ydata().tolist() == [52, 41, 60, 52]
    assert (axes.get_rmin(), axes.get_rmax()) == (30, 65)
    legend = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert legend == ['[50.0] a', '[51.2] b']


def test_overlaps(tmp_path, figures):
    visible = np.array([True, False, True, True])
    overlaps = np.array([0.9, 0.5, 0.2, 0])
    plot_overlaps(overlaps, visible, tmp_path / 'plot.png', [0, 2])
    (line,) = figures[0].axes[0].get_lines()
    np.testing.assert_array_equal(line.get_ydata(), [0.9, np.nan, 0.2, 0])
    assert cv2.imread(str(tmp_path / 'plot.png')).shape == (160, 1280, 3)


def test_text_is_no_formula(tmp_path, figures):
    """Such names stop matplotlib, or hide from its legends."""
    names = [r'a$\foo$', '_hidden']
    curves = dict.fromkeys(names, np.linspace(1, 0, 21))
    plot_curves(curves, tmp_path / 'plot.png', title='US$ and $')
    attributes = dict.fromkeys(names, dict(IV=0, OV=0, FM=0))
    overall = dict.fromkeys(names, 0)
    plot_attributes(attributes, overall, tmp_path / 'plot.png', '$x')
    legends = figures[0].axes[0].get_legend(), figures[1].legends[0]
    for legend, score in zip(legends, ('50.0', '0.0')):
        assert [text.get_text() for text in legend.get_texts()] == [
            rf'[{score}] a\$\foo\$',
            f'[{score}] _hidden',
        ]
