"""Reports of scores: JSON for programs, CSV for sheets, Markdown to read."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmsimtrack.evaluation.functional import LIMITS
from mmsimtrack.structures.annotation_file import replace_atomically

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
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for file, text in (
        (path.with_suffix('.csv'), _scores_csv(content['per_sequence'])),
        (_curves_file(path), _curves_csv(curves)),
        (path.with_suffix('.md'), markdown(content)),
    ):
        with replace_atomically(file) as temporary:
            temporary.write_text(text)
    # last, since it is what programs wait for
    write_json(path, content)


def write_json(path: str | os.PathLike, content: dict) -> None:
    """Write or replace a file; its folder need not exist."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + '\n')


def read_reports(
    paths: Sequence[str | os.PathLike], names: Sequence[str] | None = None
) -> dict[str, dict]:
    """Reports that can be compared, by tracker, with their `curves`.

    Args:
        paths: Files, or folders with a `metrics.json`.
        names: Of the trackers. None: those of the folders, or of files with
            another name than `metrics.json`.

    Raises:
        ValueError: If a file is no report, or if benchmarks, profiles,
            sequences or numbers of names differ; names the file.
    """
    files = [
        path / 'metrics.json' if path.is_dir() else path
        for path in map(Path, paths)
    ]
    names = list(names or map(_name_of, files))
    if len(set(names)) != len(files):
        raise ValueError(
            f'found names {names} for {len(files)} reports, expected as many '
            'different ones. Give them with --names.'
        )
    reports = {name: _read(file) for name, file in zip(names, files)}
    first = reports[names[0]]
    for name, file in zip(names, files):
        _check_same(file, reports[name], files[0], first)
    return reports


def markdown(content: dict) -> str:
    """A report as text: overall, attributes, and the worst sequences."""
    each = content['per_sequence']
    overall = content['overall']
    parts = [
        f'# {content["benchmark"]}, profile {content["profile"]}, '
        f'{len(each)} sequences\n',
        markdown_table(list(overall), [overall.values()]),
    ]
    attributes = content.get('per_attribute')
    if attributes:
        keys = list(next(iter(attributes.values())))
        rows = [[k, *scores.values()] for k, scores in attributes.items()]
        parts += [
            '## Attributes\n',
            markdown_table(['attribute', *keys], rows),
        ]
    keys = list(next(iter(each.values())))
    rows = [[n, *each[n].values()] for n in worst_sequences(content)]
    parts += [
        f'## Lowest {main_score(content)}\n',
        markdown_table(['sequence', *keys], rows),
    ]
    return '\n'.join(parts)


def main_score(content: dict) -> str:
    """Name of the score that ranks sequences and trackers."""
    return next(key for key in MAIN_SCORES if key in content['overall'])


def worst_sequences(content: dict, number: int = NUM_WORST) -> list[str]:
    """Names of the sequences with the lowest main score, worst first."""
    key, each = main_score(content), content['per_sequence']
    scored = [name for name in each if each[name].get(key) is not None]
    return sorted(scored, key=lambda name: each[name][key])[:number]


def markdown_table(header: Sequence[str], rows: Iterable[Iterable]) -> str:
    """A table with a newline at its end; None is a dash."""
    lines = [header, ['---'] * len(header), *rows]
    return ''.join(f'| {" | ".join(map(_cell, row))} |\n' for row in lines)


def _cell(value) -> str:
    if value is None:
        return '-'
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def _scores_csv(
    per_sequence: Mapping[str, Mapping[str, float | None]],
) -> str:
    keys = list(next(iter(per_sequence.values())))
    rows = (
        [name, *(scores.get(key) for key in keys)]
        for name, scores in per_sequence.items()
    )
    return _csv(['sequence', *keys], rows)


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


def _curves_file(report: Path) -> Path:
    return report.with_name(f'{report.stem}_curves.csv')


def _name_of(file: Path) -> str:
    if file.name != 'metrics.json':
        return file.stem
    return file.resolve().parent.name


def _read(file: Path) -> dict:
    try:
        content = json.loads(file.read_text())
        content['curves'] = _read_curves(_curves_file(file))
        (
            content['overall'],
            content['per_sequence'],
            content['curves']['success'],
        )
    except OSError as error:
        raise ValueError(
            f'{error.filename}: {error.strerror}. Give a metrics.json, or its '
            'folder; metrics_curves.csv must lie beside it.'
        ) from None
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f'{file}, or {_curves_file(file).name} beside it, is no report. '
            'Write both again with tools/test.py or '
            'tools/analysis_tools/score_results.py.'
        ) from None
    return content


def _read_curves(file: Path) -> dict[str, np.ndarray]:
    curves: dict[str, list[float]] = {}
    with open(file, newline='') as lines:
        for row in csv.DictReader(lines):
            curves.setdefault(row['curve'], []).append(float(row['share']))
    return {kind: np.array(values) for kind, values in curves.items()}


def _check_same(file: Path, content: dict, first: Path, other: dict) -> None:
    for key in ('benchmark', 'profile'):
        if content[key] != other[key]:
            raise ValueError(
                f'{file} has {key} {content[key]!r}, but {first} has '
                f'{other[key]!r}. Score both by the same rules, with '
                'tools/analysis_tools/score_results.py.'
            )
    sequences = set(content['per_sequence']), set(other['per_sequence'])
    if sequences[0] != sequences[1]:
        one = sorted(sequences[0] ^ sequences[1])[0]
        raise ValueError(
            f'{file} and {first} have other sequences: only one of them has '
            f'{one!r}. Score the same ones, with --sequences of '
            'tools/analysis_tools/score_results.py.'
        )
