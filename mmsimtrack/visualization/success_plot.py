"""The success plot, the usual picture of one-pass evaluation."""

import os

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmsimtrack.structures.annotation_file import replace_atomically

# told apart in gray and by color-blind readers: color and dash both change
_COLORS = (
    '#d62728',
    '#1f77b4',
    '#2ca02c',
    '#ff7f0e',
    '#9467bd',
    '#17becf',
    '#8c564b',
    '#e377c2',
    '#7f7f7f',
    '#bcbd22',
)
_DASHES = ('-', '--', '-.', ':')


def plot_success(
    curves: dict[str, np.ndarray],
    path: str | os.PathLike,
    title: str = 'Success plot of OPE',
) -> None:
    """Draw success curves, best first, with ``[AUC] name`` in the legend.

    Does not touch the state of pyplot, so it is safe in a training process.

    Args:
        curves: Tracker -> (K,) share of frames in [0, 1] whose overlap is
            above K thresholds spread evenly over [0, 1].
        path: PNG file to create or to replace.
        title: Printed above.

    Raises:
        ValueError: If there is no curve, or one is not (K,) of at least two
            values in [0, 1].
    """
    _check(curves)
    figure = Figure(figsize=(6.4, 4.8), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ranked = sorted(curves.items(), key=lambda item: -np.mean(item[1]))
    for rank, (name, curve) in enumerate(ranked):
        axes.plot(
            np.linspace(0, 1, len(curve)),
            curve,
            label=f'[{100 * np.mean(curve):.1f}] {name}',
            color=_COLORS[rank % len(_COLORS)],
            linestyle=_DASHES[rank % len(_DASHES)],
            linewidth=2,
            clip_on=False,
            # the best curve lies on top
            zorder=3 - rank / len(ranked),
        )
    _decorate(axes, title)
    with replace_atomically(path) as temporary:
        figure.savefig(temporary, format='png', dpi=150)


def _check(curves: dict[str, np.ndarray]) -> None:
    if not curves:
        raise ValueError(
            'plot_success: found no curve, expected at least '
            'one. Pass a dict of tracker names and curves.'
        )
    for name, curve in curves.items():
        if (
            np.ndim(curve) != 1
            or len(curve) < 2
            or not all(0 <= value <= 1 for value in curve)
        ):
            raise ValueError(
                f'plot_success: found a curve of shape {np.shape(curve)} for '
                f"'{name}', expected (K,) with K >= 2 and values in [0, 1]. "
                'Pass fractions of frames.'
            )


def _decorate(axes, title: str) -> None:
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xticks=np.arange(11) / 10,
        yticks=np.arange(11) / 10,
        xlabel='Overlap threshold',
        ylabel='Success rate',
        title=title,
    )
    axes.grid(color='0.88', linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(loc='best', framealpha=0.9, edgecolor='0.8', fontsize=9)
