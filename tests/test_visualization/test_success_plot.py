import os

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from mmsimtrack.visualization.success_plot import plot_success


def test_legend_is_sorted_by_auc(tmp_path, monkeypatch):
    figures = []
    savefig = Figure.savefig

    def spy(figure, *args, **kwargs):
        figures.append(figure)
        savefig(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, 'savefig', spy)
    curves = {
        'weak': np.full(21, 0.25),
        'strong': np.linspace(1, 0.5, 21),
        'middle': np.full(21, 0.5),
    }
    plot_success(curves, tmp_path / 'plot.png', title='LaSOT')
    axes = figures[0].axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        '[75.0] strong',
        '[50.0] middle',
        '[25.0] weak',
    ]
    line = axes.get_lines()[0]
    np.testing.assert_allclose(line.get_xdata(), np.arange(21) / 20)
    np.testing.assert_array_equal(line.get_ydata(), curves['strong'])
    assert axes.get_title() == 'LaSOT'
    assert os.listdir(tmp_path) == ['plot.png']
    assert cv2.imread(str(tmp_path / 'plot.png')).shape == (720, 960, 3)


def test_pyplot_state_is_untouched(tmp_path):
    state = plt.get_fignums(), matplotlib.get_backend(), dict(plt.rcParams)
    plot_success({'a': np.linspace(1, 0, 21)}, tmp_path / 'plot.png')
    assert state == (
        plt.get_fignums(),
        matplotlib.get_backend(),
        dict(plt.rcParams),
    )


@pytest.mark.parametrize(
    'curves, message',
    [
        ({}, 'found no curve'),
        ({'a': np.zeros((2, 21))}, r"shape \(2, 21\) for 'a'"),
        ({'a': np.array([100.0, 50.0])}, r'values in \[0, 1\]'),
        ({'a': np.array([1.0, np.nan])}, r'values in \[0, 1\]'),
    ],
)
def test_bad_curves(tmp_path, curves, message):
    with pytest.raises(ValueError, match=message):
        plot_success(curves, tmp_path / 'plot.png')
    assert not os.listdir(tmp_path)
