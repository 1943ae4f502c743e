"""The usual pictures of one-pass evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmsimtrack.evaluation.functional import LIMITS
from mmsimtrack.fileio import PathLike, replace_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# kind of curve -> title, x label
CURVES = {
    'success': ('Success', 'Overlap threshold'),
    'precision': ('Precision', 'Location error threshold (pixels)'),
    'norm_precision': (
        'Normalized precision',
        'Normalized location error threshold',
    ),
}


def plot_curves(
    curves: Mapping[str, np.ndarray],
    path: PathLike,
    kind: str = 'success',
    scores: Mapping[str, float] | None = None,
    title: str | None = None,
) -> None:
    """Draw curves of trackers, best first, with ``[score] name`` as legend.

    Args:
        curves: Tracker -> (K,) share of frames in [0, 1] at K thresholds
            spread evenly from 0 to 1 (overlap), 50 (pixels) or 0.5
            (normalized).
        path: Picture to create or to replace; the ending names the format.
        kind: ``'success'``, ``'precision'`` or ``'norm_precision'``.
        scores: Tracker -> score, per cent, for all of them. None: the mean of
            its curve.
        title: Printed above. None: names the kind.
    """
    if scores is None:
        scores = {k: 100 * np.mean(curve) for k, curve in curves.items()}
    (name, x_label), limit = CURVES[kind], LIMITS[kind]
    figure = new_figure((6.4, 4.8))
    axes = figure.add_subplot()
    styles = {tracker: _style(i) for i, tracker in enumerate(curves)}
    ranked = sorted(curves, key=lambda tracker: -scores[tracker])
    for rank, tracker in enumerate(ranked):
        axes.plot(
            np.linspace(0, limit, len(curves[tracker])),
            curves[tracker],
            label=_label(tracker, scores[tracker]),
            clip_on=False,
            # the best curve lies on top
            zorder=3 - rank / len(ranked),
            **styles[tracker],
        )
    axes.set(xlim=(0, limit), xticks=np.linspace(0, limit, 11))
    axes.set(ylim=(0, 1), yticks=np.linspace(0, 1, 11))
    axes.set(xlabel=x_label, ylabel=name)
    axes.set_title(_plain(title or f'{name} plot of OPE'))
    axes.grid(color='0.88', linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(fontsize=9)
    save_figure(figure, path)


def plot_attributes(
    scores: Mapping[str, Mapping[str, float]],
    overall: Mapping[str, float],
    path: PathLike,
    title: str,
) -> None:
    """Draw a radar of scores per attribute; the axes do not begin at 0.

    Args:
        scores: Tracker -> attribute -> score, per cent; the same attributes,
            three or more, for all.
        overall: Tracker -> score on all sequences, for the legend.
        path: Picture to create or to replace; the ending names the format.
        title: Printed above.
    """
    names = list(next(iter(scores.values())))
    values = np.array([[s[name] for name in names] for s in scores.values()])
    figure = new_figure((6.4, 6.8))
    axes = figure.add_subplot(projection='polar')
    axes.set_theta_zero_location('N')
    axes.set_theta_direction(-1)
    low = max(np.floor(values.min() / 10) * 10 - 10, 0)
    axes.set_rlim(low, max(np.ceil(values.max() / 5) * 5, low + 5))
    axes.set_rlabel_position(180 / len(names))  # between two axes
    angles = 2 * np.pi * np.arange(len(names) + 1) / len(names)
    ranges = zip(names, values.min(0), values.max(0))
    labels = [f'{_plain(name)}\n({a:.1f}, {b:.1f})' for name, a, b in ranges]
    axes.set_xticks(angles[:-1], labels, fontsize=8)
    axes.tick_params(axis='x', pad=14)
    axes.grid(color='0.85', linewidth=0.8)
    for i, (tracker, row) in enumerate(zip(scores, values)):
        label = _label(tracker, overall[tracker])
        axes.plot(angles, np.append(row, row[0]), label=label, **_style(i))
    axes.set_title(_plain(title), pad=16)
    figure.legend(loc='outside lower center', ncols=3, fontsize=9)
    save_figure(figure, path)


def plot_overlaps(
    overlaps: np.ndarray,
    visible: np.ndarray,
    path: PathLike,
    marks: Sequence[int] = (),
) -> None:
    """Draw the overlap over the frames of one sequence, as a strip.

    Args:
        overlaps: (T,) in [0, 1].
        visible: (T,) bool; other frames are gray and have no overlap.
        path: Picture to create or to replace; the ending names the format.
        marks: Frames to mark by a line.
    """
    figure = new_figure((12.8, 1.6))
    axes = figure.add_subplot()
    frames = np.arange(len(overlaps))
    axes.fill_between(
        frames, 0, 1, where=~visible, step='mid', color='0.85', linewidth=0
    )
    axes.vlines(marks, 0, 1, color='0.6', linewidth=0.8)
    axes.plot(frames, np.where(visible, overlaps, np.nan))
    axes.set(xlim=(0, max(len(overlaps) - 1, 1)), ylim=(0, 1))
    axes.set(xlabel='Frame', ylabel='Overlap')
    save_figure(figure, path, dpi=100)


def new_figure(size: tuple[float, float]) -> Figure:
    """Make a figure that leaves the state of pyplot alone.

    Args:
        size: Width and height in inches.
    """
    # tracking, which draws no plot, starts half a second earlier without
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: PathLike, dpi: int = 150) -> None:
    """Write a figure; the ending of the path names the format."""
    for axes in figure.axes:
        if axes.name != 'polar':
            axes.spines[['top', 'right']].set_visible(False)
    with replace_atomically(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def _style(i: int) -> dict:
    """Make the look of tracker i, which it has in all pictures."""
    # told apart in gray and by color-blind readers: color and dash change
    dash = ('-', '--', '-.', ':')[i % 4]
    return dict(color=f'C{i % 10}', linestyle=dash, linewidth=2)


def _label(tracker: str, score: float) -> str:
    """Make the usual entry of a legend."""
    return f'[{score:.1f}] {_plain(tracker)}'


def _plain(text: str) -> str:
    """Escape what matplotlib would take for a formula."""
    return text.replace('$', r'\$')
