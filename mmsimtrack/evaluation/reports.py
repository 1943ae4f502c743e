"""Reports of scores: JSON for programs, CSV for sheets, Markdown to read."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np

from mmsimtrack.evaluation.functional import FRAME_SCORES, LIMITS
from mmsimtrack.fileio import replace_atomically

# by which sequences and trackers are ranked: the first that a report has
MAIN_SCORES = ('auc', 'success_auc', 'ao')
NUM_WORST = 10  # sequences in the Markdown report


def report(
    benchmark: str,
    profile: str,
    overall: Mapping[str, float],
    per_sequence: Mapping[str, Mapping[str, float]],
) -> dict:
    """Content of `metrics.json`; numbers that are undefined become None.

    Args:
        benchmark: What was tracked.
        profile: Whose rules made the scores.
        overall: Scores of the benchmark.
        per_sequence: Scores of each sequence.
    """
    return dict(
        benchmark=benchmark,
        profile=profile,
        overall=rounded(overall),
        per_sequence={k: rounded(v) for k, v in per_sequence.items()},
    )


def rounded(scores: Mapping[str, float]) -> dict[str, float | None]:
    """4 decimals, None where undefined, since JSON has no NaN."""
    return {
        key: round(value, 4) if math.isfinite(value) else None
        for key, value in scores.items()
    }


def check_report_path(path: str | os.PathLike) -> None:
    """Refuse a path before hours of work that could not be written.

    Raises:
        ValueError: If it does not end in `.json`, as the names of the other
            files are made from it, or is a folder.
        OSError: If its folder cannot be made.
    """
    if Path(path).is_dir():
        raise ValueError(f'{path} is a folder, expected a file: {path}/x.json')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if Path(path).suffix != '.json':
        raise ValueError(
            f"The report is to be written to '{path}', expected a name that "
            'ends in .json: .csv and .md files of that name appear beside it.'
        )


def write_report(
    path: str | os.PathLike, content: dict, curves: Mapping[str, np.ndarray]
) -> None:
    """Write a report as JSON, and beside it as CSV and Markdown.

    Args:
        path: JSON file, `metrics.json`; its folder need not exist. Beside it
            appear `metrics.csv`, scores of each sequence, `metrics.md` and
            `metrics_curves.csv`.
        content: From `report`; `per_attribute` is optional.
        curves: Of the benchmark, see `overall_curves`.

    Raises:
        ValueError: If the name does not end in `.json`.
    """
    check_report_path(path)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the JSON file says that the others are there, and whole
    path.unlink(missing_ok=True)
    _write(
        path.with_suffix('.csv'),
        _csv(*_table('sequence', content['per_sequence'])),
    )
    _write(curves_file(path), _curves_csv(curves))
    _write(path.with_suffix('.md'), markdown(content))
    write_json(path, content)


def write_json(path: str | os.PathLike, content: dict) -> None:
    """Write or replace a file; its folder need not exist."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    _write(Path(path), json.dumps(content, indent=2) + '\n')


def curves_file(path: Path) -> Path:
    """The file of curves beside a report."""
    return path.with_name(f'{path.stem}_curves.csv')


def main_score(content: dict) -> str:
    """Name of the score that ranks sequences and trackers."""
    return next(key for key in MAIN_SCORES if key in content['overall'])


def per_cent(key: str, value: float) -> float:
    """A score in per cent; AO and SR are fractions in reports."""
    return 100 * value if key in FRAME_SCORES else value


def worst_sequences(content: dict, number: int = NUM_WORST) -> list[str]:
    """Names of the sequences with the lowest main score, worst first."""
    key, each = main_score(content), content['per_sequence']
    scored = [name for name in each if each[name].get(key) is not None]
    return sorted(scored, key=lambda name: each[name][key])[:number]


def score_names(scores: Iterable[Mapping[str, float | None]]) -> list[str]:
    """Names of all scores, each once; a short sequence may lack some."""
    return list(dict.fromkeys(key for each in scores for key in each))


def markdown(content: dict) -> str:
    """A report as text: overall, attributes, and the worst sequences."""
    each = content['per_sequence']
    parts = [
        f'# {content["benchmark"]}, profile {content["profile"]}, '
        f'{len(each)} sequences\n',
        markdown_table(content['overall'], [content['overall'].values()]),
    ]
    attributes = content.get('per_attribute')
    if attributes:
        table = markdown_table(*_table('attribute', attributes))
        parts += ['## Attributes\n', table]
    worst = {name: each[name] for name in worst_sequences(content)}
    table = markdown_table(*_table('sequence', worst))
    parts += [f'## Lowest {main_score(content)}\n', table]
    return '\n'.join(parts)


def markdown_table(header: Collection[str], rows: Iterable[Iterable]) -> str:
    """A table with a newline at its end; None is a dash."""
    lines = [header, ['---'] * len(header), *rows]
    return ''.join(f'| {" | ".join(map(_cell, row))} |\n' for row in lines)


def _table(
    what: str, scores: Mapping[str, Mapping[str, float | None]]
) -> tuple[list[str], list[list]]:
    """Header and rows: one row of scores per entry, named in column `what`."""
    keys = score_names(scores.values())
    rows = [
        [name, *(each.get(key) for key in keys)]
        for name, each in scores.items()
    ]
    return [what, *keys], rows


def _cell(value) -> str:
    if value is None:
        return '-'
    if isinstance(value, float):
        return f'{value:.4g}'
    return str(value).replace('|', '\\|')


def _curves_csv(curves: Mapping[str, np.ndarray]) -> str:
    rows = (
        [kind, f'{threshold:g}', f'{share:.6f}']
        for kind, values in curves.items()
        for threshold, share in zip(
            np.linspace(0, LIMITS[kind], len(values)), values
        )
    )
    return _csv(['curve', 'threshold', 'share'], rows)


def _csv(header: list[str], rows: Iterable[list]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator='\n').writerows([header, *rows])
    return file.getvalue()


def _write(path: Path, text: str) -> None:
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
