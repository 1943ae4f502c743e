"""The usual pictures of one-pass evaluation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmsimtrack.evaluation.functional import LIMITS
from mmsimtrack.fileio import replace_atomically

# kind of curve -> title, x label, y label
CURVES = {
    'success': ('Success', 'Overlap threshold', 'Success rate'),
    'precision': (
        'Precision',
        'Location error threshold (pixels)',
        'Precision',
    ),
    'norm_precision': (
        'Normalized precision',
        'Normalized location error threshold',
        'Normalized precision',
    ),
}
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


def plot_curves(
    curves: Mapping[str, np.ndarray],
    path: str | os.PathLike,
    kind: str = 'success',
    scores: Mapping[str, float] | None = None,
    title: str | None = None,
) -> None:
    """Draw curves of trackers, best first, with ``[score] name`` as legend.

    Does not touch the state of pyplot, so it is safe in a training process.

    Args:
        curves: Tracker -> (K,) share of frames in [0, 1] at K thresholds
            spread evenly from 0 to 1 (overlap), 50 (pixels) or 0.5
            (normalized).
        path: Picture to create or to replace; the ending names the format.
        kind: ``'success'``, ``'precision'`` or ``'norm_precision'``.
        scores: Tracker -> score, per cent, for all of them. None: the mean of
            its curve.
        title: Printed above. None: names the kind.

    Raises:
        ValueError: If there is no such kind or no curve, or one is not (K,)
            of at least two values in [0, 1].
    """
    _check(curves, kind)
    if scores is None:
        scores = {k: 100 * np.mean(curve) for k, curve in curves.items()}
    name, x_label, y_label = CURVES[kind]
    limit = LIMITS[kind]
    figure, axes = _new_figure((6.4, 4.8))
    styles = dict(zip(curves, _styles()))
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
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.set_title(_plain(title or f'{name} plot of OPE'))
    axes.grid(color='0.88', linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(loc='best', framealpha=0.9, edgecolor='0.8', fontsize=9)
    _save(figure, path)


def plot_attributes(
    scores: Mapping[str, Mapping[str, float]],
    overall: Mapping[str, float],
    path: str | os.PathLike,
    title: str,
) -> None:
    """Draw a radar of scores per attribute; the axes do not begin at 0.

    Args:
        scores: Tracker -> attribute -> score, per cent; the same attributes
            for all.
        overall: Tracker -> score on all sequences, for the legend.
        path: Picture to create or to replace; the ending names the format.
        title: Printed above.

    Raises:
        ValueError: If trackers have other attributes, or fewer than three.
    """
    names = list(next(iter(scores.values())))
    if len(names) < 3 or any(set(s) != set(names) for s in scores.values()):
        raise ValueError(
            'plot_attributes: expected the same attributes for each tracker, '
            f'at least three, found {[list(s) for s in scores.values()]}. '
            'Score all with the same --attributes.'
        )
    values = np.array([[s[name] for name in names] for s in scores.values()])
    figure, axes = _new_figure((6.4, 6.8), projection='polar')
    angles = _prepare_radar(axes, names, values)
    for tracker, row, style in zip(scores, values, _styles()):
        label = _label(tracker, overall[tracker])
        axes.plot(angles, np.append(row, row[0]), label=label, **style)
    axes.set_title(_plain(title), pad=16)
    figure.legend(loc='outside lower center', ncols=3, fontsize=9)
    _save(figure, path)


def _prepare_radar(axes, names: list[str], values: np.ndarray) -> np.ndarray:
    """Axes for (trackers, K) values; returns the (K + 1,) angles."""
    angles = 2 * np.pi * np.arange(len(names) + 1) / len(names)
    axes.set_theta_zero_location('N')
    axes.set_theta_direction(-1)
    low = max(np.floor(values.min() / 10) * 10 - 10, 0)
    axes.set_rlim(low, max(np.ceil(values.max() / 5) * 5, low + 5))
    axes.set_rlabel_position(180 / len(names))  # between two axes
    ranges = zip(names, values.min(0), values.max(0))
    axes.set_xticks(
        angles[:-1],
        [f'{_plain(name)}\n({a:.1f}, {b:.1f})' for name, a, b in ranges],
        fontsize=8,
    )
    axes.tick_params(axis='x', pad=14)
    axes.tick_params(axis='y', labelsize=7, labelcolor='0.4')
    axes.grid(color='0.85', linewidth=0.8)
    axes.spines['polar'].set_color('0.8')
    return angles


def plot_overlaps(
    overlaps: np.ndarray,
    visible: np.ndarray,
    path: str | os.PathLike,
    marks: Sequence[int] = (),
) -> None:
    """Draw the overlap over the frames of one sequence, as a strip.

    Args:
        overlaps: (T,) in [0, 1].
        visible: (T,) bool; other frames are gray and have no overlap.
        path: Picture to create or to replace; the ending names the format.
        marks: Frames to mark by a line.
    """
    figure, axes = _new_figure((12.8, 1.6))
    frames = np.arange(len(overlaps))
    axes.fill_between(
        frames, 0, 1, where=~visible, step='mid', color='0.85', linewidth=0
    )
    axes.vlines(marks, 0, 1, color='0.6', linewidth=0.8)
    axes.plot(frames, np.where(visible, overlaps, np.nan), color=_COLORS[1])
    axes.set(
        xlim=(0, max(len(overlaps) - 1, 1)),
        ylim=(0, 1),
        xlabel='Frame',
        ylabel='Overlap',
    )
    axes.spines[['top', 'right']].set_visible(False)
    _save(figure, path, dpi=100)


def _new_figure(size: tuple[float, float], **kwargs):
    figure = Figure(figsize=size, layout='constrained')
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot(**kwargs)


def _styles() -> Iterator[dict]:
    """Of the first tracker, the second, ...: the same in all pictures."""
    for color, dash in zip(cycle(_COLORS), cycle(_DASHES)):
        yield dict(color=color, linestyle=dash, linewidth=2)


def _save(figure: Figure, path: str | os.PathLike, dpi: int = 150) -> None:
    with replace_atomically(path) as temporary:
        figure.savefig(temporary, dpi=dpi)


def _label(tracker: str, score: float) -> str:
    """The usual legend."""
    return f'[{score:.1f}] {_plain(tracker)}'


def _plain(text: str) -> str:
    """Text that matplotlib does not take for formulas."""
    return text.replace('$', r'\$')


def _check(curves: Mapping[str, np.ndarray], kind: str) -> None:
    if kind not in CURVES:
        raise ValueError(
            f'plot_curves: found kind {kind!r}, expected one of '
            f'{list(CURVES)}.'
        )
    if not curves:
        raise ValueError(
            'plot_curves: found no curve, expected at least '
            'one. Pass a dict of tracker names and curves.'
        )
    for name, curve in curves.items():
        if (
            np.ndim(curve) != 1
            or len(curve) < 2
            or not all(0 <= value <= 1 for value in curve)
        ):
            raise ValueError(
                f'plot_curves: found a curve of shape {np.shape(curve)} for '
                f"'{name}', expected (K,) with K >= 2 and values in [0, 1]. "
                'Pass fractions of frames.'
            )
