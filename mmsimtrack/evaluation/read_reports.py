"""Reports of several trackers, side by side."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmsimtrack.evaluation.reports import MAIN_SCORES, curves_file

_HINT = (
    'Write it again with tools/test.py or '
    'tools/analysis_tools/score_results.py.'
)


def read_reports(
    paths: Sequence[str | os.PathLike],
    names: Sequence[str] | None = None,
    with_curves: bool = False,
) -> dict[str, dict]:
    """Reports that can be compared, by tracker.

    Args:
        paths: Files, or folders with a `metrics.json`.
        names: Of the trackers. None: those of the folders, or of files with
            another name than `metrics.json`.
        with_curves: Whether to read `metrics_curves.csv` beside each.

    Returns:
        What `report` gives, and `curves`, (K,) by name.

    Raises:
        ValueError: If a file is no report, or if benchmarks, profiles,
            sequences or numbers of names differ; names the file.
    """
    files = [report_file(path) for path in paths]
    names = list(names or map(_name_of, files))
    if len(names) != len(files) or len(set(names)) != len(files):
        raise ValueError(
            f'found names {names} for {len(files)} reports, expected as many '
            'different ones. Give them with --names.'
        )
    reports = {name: _read(file) for name, file in zip(names, files)}
    first = reports[names[0]]
    for name, file in zip(names, files):
        if with_curves:
            reports[name]['curves'] = _read_curves(curves_file(file))
        _check_same(file, reports[name], files[0], first)
    return reports


def report_file(path: str | os.PathLike) -> Path:
    """The JSON file: the path, or `metrics.json` in that folder."""
    path = Path(path)
    return path / 'metrics.json' if path.is_dir() else path


def _name_of(file: Path) -> str:
    if file.name != 'metrics.json':
        return file.stem
    return file.resolve().parent.name


def _read(file: Path) -> dict:
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        scores = content['overall'], *content['per_sequence'].values()
        whole = (
            {'benchmark', 'profile'} <= set(content)
            and any(key in scores[0] for key in MAIN_SCORES)
            and len(scores) > 1
            and all(scores)
        )
    except OSError as error:
        raise ValueError(
            f'{file}: {error.strerror}. Give a metrics.json, or its folder.'
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise ValueError(f'{file} is no report of scores. {_HINT}')
    return content


def _read_curves(file: Path) -> dict[str, np.ndarray]:
    curves: dict[str, list[float]] = {'success': []}
    try:
        with open(file, newline='', encoding='utf-8') as lines:
            for row in csv.DictReader(lines):
                curves.setdefault(row['curve'], []).append(float(row['share']))
    except OSError as error:
        raise ValueError(
            f'{file}: {error.strerror}. It must lie beside the report.'
        ) from None
    except (KeyError, TypeError, ValueError, csv.Error):
        curves['success'] = []
    if not curves['success']:
        raise ValueError(f'{file} holds no curves. {_HINT}')
    return {kind: np.array(values) for kind, values in curves.items()}


def _check_same(file: Path, content: dict, first: Path, other: dict) -> None:
    for key in ('benchmark', 'profile'):
        if content[key] != other[key]:
            raise ValueError(
                f'{file} has {key} {content[key]!r}, but {first} has '
                f'{other[key]!r}. Score both by the same rules, with '
                'tools/analysis_tools/score_results.py.'
            )
    if list(content.get('curves', ())) != list(other.get('curves', ())):
        raise ValueError(
            f'{curves_file(file)} has curves {list(content["curves"])}, but '
            f'that of {first} {list(other["curves"])}. {_HINT}'
        )
    sequences = set(content['per_sequence']), set(other['per_sequence'])
    if sequences[0] != sequences[1]:
        one = sorted(sequences[0] ^ sequences[1])[0]
        raise ValueError(
            f'{file} and {first} have other sequences: only one of them has '
            f'{one!r}. Score the same ones, with --sequences of '
            'tools/analysis_tools/score_results.py.'
        )
