"""Reports of scores: JSON for programs, CSV for sheets, Markdown to read."""

import csv
import io
import json
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmsimtrack.evaluation.functional.scores import FRAME_SCORES, LIMITS
from mmsimtrack.fileio import write_json, write_text

# sequences and trackers are ranked by the first of these that a report has
MAIN_SCORES = ('auc', 'success_auc', 'ao')
NUM_WORST = 10  # sequences in the Markdown report
_HINT = 'Write it again with tools/test.py or results.py score.'
_SAME = 'Score both alike, with results.py score.'


def report(
    benchmark: str,
    profile: str,
    overall: Mapping[str, float],
    per_sequence: Mapping[str, Mapping[str, float]],
) -> dict:
    """Make the content of `metrics.json`.

    Args:
        benchmark: What was tracked.
        profile: Whose rules made the scores.
        overall: Scores of the benchmark.
        per_sequence: Scores of each sequence.
    """
    each = {name: rounded(scores) for name, scores in per_sequence.items()}
    about = dict(benchmark=benchmark, profile=profile)
    return about | dict(overall=rounded(overall), per_sequence=each)


def rounded(scores: Mapping[str, float]) -> dict[str, float | None]:
    """Keep 4 decimals; an undefined score is None, since JSON has no NaN."""
    return {
        key: round(value, 4) if math.isfinite(value) else None
        for key, value in scores.items()
    }


def check_report_path(path: str | os.PathLike) -> None:
    """Refuse a path that could not be written, before hours of work.

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
        curves: Those of the benchmark, see `overall_curves`.

    Raises:
        ValueError: If the name does not end in `.json`.
    """
    check_report_path(path)
    path = Path(path)
    rows = [['curve', 'threshold', 'share']]
    for kind, values in curves.items():
        steps = np.linspace(0, LIMITS[kind], len(values))
        rows += [[kind, f'{x:g}', f'{y:.6f}'] for x, y in zip(steps, values)]
    # the JSON file says that the others are there, and whole
    path.unlink(missing_ok=True)
    scores = _table('sequence', content['per_sequence'])
    write_text(path.with_suffix('.csv'), _csv(scores))
    write_text(curves_file(path), _csv(rows))
    write_text(path.with_suffix('.md'), markdown(content))
    write_json(path, content)


def curves_file(path: Path) -> Path:
    """Name the file of curves beside a report."""
    return path.with_name(f'{path.stem}_curves.csv')


def report_file(path: str | os.PathLike) -> Path:
    """Find the JSON file: the path, or `metrics.json` in that folder."""
    path = Path(path)
    return path / 'metrics.json' if path.is_dir() else path


def main_score(content: dict) -> str:
    """Name the score that ranks sequences and trackers."""
    return next(key for key in MAIN_SCORES if key in content['overall'])


def per_cent(key: str, value: float) -> float:
    """Turn a score into per cent; AO and SR are fractions in reports."""
    return 100 * value if key in FRAME_SCORES else value


def worst_sequences(content: dict, number: int = NUM_WORST) -> list[str]:
    """Name the sequences with the lowest main score, worst first."""
    key, each = main_score(content), content['per_sequence']
    scored = [name for name in each if each[name].get(key) is not None]
    return sorted(scored, key=lambda name: each[name][key])[:number]


def score_names(scores: Iterable[Mapping[str, float | None]]) -> list[str]:
    """Name all scores, each once; a short sequence may lack some."""
    return list(dict.fromkeys(key for each in scores for key in each))


def markdown(content: dict) -> str:
    """Write a report as text: overall, attributes, the worst sequences."""
    overall, each = content['overall'], content['per_sequence']
    worst = {name: each[name] for name in worst_sequences(content)}
    title = f'# {content["benchmark"]}, profile {content["profile"]}'
    parts = {
        f'{title}, {len(each)} sequences': [[*overall], [*overall.values()]],
        '## Attributes': _table('attribute', content.get('per_attribute', {})),
        f'## Lowest {main_score(content)}': _table('sequence', worst),
    }
    return '\n'.join(
        f'{title}\n\n{markdown_table(header, rows)}'
        for title, (header, *rows) in parts.items()
        if rows
    )


def markdown_table(header: Collection[str], rows: Iterable[Iterable]) -> str:
    """Write a table with a newline at its end; None is a dash."""
    lines = [header, ['---'] * len(header), *rows]
    return ''.join(f'| {" | ".join(map(_cell, row))} |\n' for row in lines)


def _cell(value) -> str:
    if isinstance(value, float):
        return f'{value:.4g}'
    return '-' if value is None else str(value).replace('|', '\\|')


def _table(
    what: str, scores: Mapping[str, Mapping[str, float | None]]
) -> list[list]:
    """Make a header and a row of scores per entry, named in column `what`."""
    keys = score_names(scores.values())
    rows = [[name, *map(each.get, keys)] for name, each in scores.items()]
    return [[what, *keys], *rows]


def _csv(rows: Iterable[list]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator='\n').writerows(rows)
    return file.getvalue()


def read_reports(
    paths: Sequence[str | os.PathLike],
    names: Sequence[str] | None = None,
    with_curves: bool = False,
) -> dict[str, dict]:
    """Read reports that can be compared, by tracker.

    Args:
        paths: Files, or folders with a `metrics.json`.
        names: Names of the trackers. None: those of the folders, or of files
            with another name than `metrics.json`.
        with_curves: Whether to read `metrics_curves.csv` beside each.

    Returns:
        What `report` gives, and `curves`, (K,) by name.

    Raises:
        ValueError: If a file is no report, or if benchmarks, profiles,
            sequences or numbers of names differ; names the file.
    """
    files = [report_file(path) for path in paths]
    names = list(names or map(_name_tracker, files))
    if len(names) != len(files) or len(set(names)) != len(files):
        raise ValueError(
            f'found names {names} for {len(files)} reports, expected as many '
            'different ones. Give them with --names.'
        )
    reports = {}
    for name, file in zip(names, files):
        reports[name] = _read(file, with_curves)
        _check_same(file, reports[name], files[0], reports[names[0]])
    return reports


def _name_tracker(file: Path) -> str:
    plain = file.name != 'metrics.json'
    return file.stem if plain else file.resolve().parent.name


def _read(file: Path, with_curves: bool) -> dict:
    """Read a report, and the curves beside it."""
    problem = 'is no report of scores'
    hint = 'Give a metrics.json, or its folder.'
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        each = content['per_sequence'].values()
        main = [key for key in MAIN_SCORES if key in content['overall']]
        if not (main and each and all(each) and content['profile']):
            raise KeyError
        for score in [content['overall'], *each]:
            numbers = [x for x in score.values() if x is not None]
            if not np.isfinite(numbers).all():
                raise ValueError
        if content['benchmark'] and with_curves:
            file = curves_file(file)
            problem, hint = 'holds no curves', 'It must lie beside the report.'
            curves: dict[str, list[float]] = {'success': []}
            lines = file.read_text(encoding='utf-8').splitlines()
            for row in csv.DictReader(lines):
                curves.setdefault(row['curve'], []).append(float(row['share']))
            found = {k: np.array(v) for k, v in curves.items()}
            fits = found.keys() <= LIMITS.keys()
            for shares in found.values():
                fits &= len(shares) > 1 and abs(shares - 0.5).max() <= 0.5
            if not fits:
                raise KeyError
            content['curves'] = found
    except OSError as error:
        raise ValueError(f'{file}: {error.strerror}. {hint}') from None
    except (AttributeError, KeyError, TypeError, ValueError, csv.Error):
        raise ValueError(f'{file} {problem}. {_HINT}') from None
    return content


def _check_same(file: Path, content: dict, first: Path, other: dict) -> None:
    """Refuse reports of which one says nothing about the other."""
    for key in ('benchmark', 'profile', 'curves'):
        found, expected = content.get(key), other.get(key)
        if key == 'curves':
            found, expected = list(found or ()), list(expected or ())
        if found != expected:
            raise ValueError(
                f'{file} has {key} {found!r}, but {first} has {expected!r}. '
                f'{_SAME}'
            )
    names = set(content['per_sequence']) ^ set(other['per_sequence'])
    if names:
        raise ValueError(
            f'{file} and {first} have other sequences: only one of them has '
            f'{min(names)!r}. {_SAME}'
        )
