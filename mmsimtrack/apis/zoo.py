"""The model zoo: every config by the name of its row in a metafile."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path

import yaml

PACKAGE = Path(__file__).parents[1]
# an installed package carries configs and metafiles in `.mim`
ROOT = PACKAGE / '.mim' if (PACKAGE / '.mim').is_dir() else PACKAGE.parent


@functools.cache
def _rows() -> dict[str, dict]:
    """Read the rows of all metafiles, by name."""
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text('utf-8'))
    return {
        row['Name']: row
        for path in index['Import']
        for row in yaml.safe_load((ROOT / path).read_text('utf-8'))['Models']
    }


def list_models(weights: bool = False) -> list[str]:
    """List the names of the model zoo, in alphabetical order.

    Args:
        weights: Only those whose weights come with the package.
    """
    rows = _rows()
    return sorted(n for n in rows if not weights or 'Weights' in rows[n])


def find_model(name: str) -> tuple[Path, Path | None]:
    """Find the config of a model, and its weights.

    Args:
        name: Name of the model zoo, such as `sim_s16-6l_real`.

    Returns:
        Paths of the config and of the weights; None if there are no weights
        in the package.

    Raises:
        ValueError: If there is no such model; names the nearest ones.
    """
    rows = _rows()
    if name not in rows:
        near = difflib.get_close_matches(name, rows, 3, 0.4) or list(rows)[:3]
        raise ValueError(
            f'{name!r} is no model of the zoo, and no config file. Did you '
            f'mean {" or ".join(near)}? With weights: '
            f'{", ".join(list_models(weights=True))}.'
        )
    row = rows[name]
    weights = row.get('Weights')
    return ROOT / row['Config'], weights and PACKAGE.parent / weights
