"""The model zoo: every config by the name of its row in a metafile."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from mmsimtrack.compat import read_yaml

if TYPE_CHECKING:
    from mmsimtrack.models import SOTTracker

PACKAGE = Path(__file__).parents[1]
# an installed package carries configs and metafiles in `.mim`
ROOT = PACKAGE / '.mim' if (PACKAGE / '.mim').is_dir() else PACKAGE.parent


@functools.cache
def _rows() -> dict[str, dict]:
    """Read the rows of all metafiles, by name."""
    index = read_yaml((ROOT / 'model-index.yml').read_text('utf-8'))
    return {
        row['Name']: row
        for path in index['Import']
        for row in read_yaml((ROOT / path).read_text('utf-8'))['Models']
    }


def list_models(weights: bool = False) -> list[str]:
    """List the names of the model zoo, in alphabetical order.

    Args:
        weights: Only those whose weights come with the package.
    """
    rows = _rows()
    return sorted(n for n in rows if not weights or 'Weights' in rows[n])


def get_row(name: str) -> dict:
    """Return the row of a model in its metafile.

    `Weights` is the file in the package; or `Download` says which public
    file to download by hand (`Address`, `File`, `Size`, `License`, maybe
    `SHA256`) and which `Converter` converts it, or is `none`.

    Args:
        name: Name of the model zoo, such as `sim_s16-6l_real`.

    Raises:
        ValueError: If there is no such model; names the nearest ones.
    """
    rows = _rows()
    if name not in rows:
        near = difflib.get_close_matches(name, rows, 3, 0.4) or list(rows)[:3]
        raise ValueError(
            f'{name!r} is no model of the zoo, and no config file (weights '
            f'are given apart). Did you mean {" or ".join(near)}? With '
            f'weights: {", ".join(list_models(weights=True))}.'
        )
    return rows[name]


def find_model(name: str) -> tuple[Path, Path | None]:
    """Find the config of a model, and its weights.

    Args:
        name: See `get_row`.

    Returns:
        Paths of the config and of the weights; None if there are no weights
        in the package.

    Raises:
        ValueError: If there is no such model; names the nearest ones.
    """
    row = get_row(name)
    weights = row.get('Weights')
    return ROOT / row['Config'], weights and PACKAGE.parent / weights


def get_model(
    name: str, weights: str | Path | None = None, device: str | None = None
) -> SOTTracker:
    """Build a model of the zoo.

    Args:
        name: See `get_row`.
        weights: Checkpoint to load, also an official one. None takes the
            weights in the package; without any, the network is random, and
            a warning says where there are some.
        device: Such as `cuda:0` or `cpu`; None takes an accelerator if there
            is one.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If there is no such model, or the weights cannot be read
            safely or do not fit it.
    """
    # imports this module
    from mmsimtrack.apis.sot_inferencer import init_model

    return init_model(name, weights, device)


def describe_weights(name: str) -> str:
    """Say in a few words where the weights of a model come from."""
    row = get_row(name)
    download = row.get('Download')
    if 'Weights' in row:
        return f'The weights come with the package: {row["Weights"]}.'
    if not isinstance(download, dict):
        return 'There are no public weights.'
    sha256 = download.get('SHA256', 'not known')
    return (
        f'Download {download["File"]} by hand from {download["Address"]} '
        f'(size: {download["Size"]}; license: {download["License"]}; sha256: '
        f'{sha256}). It can be loaded as it is; mmsimtrack convert {name} '
        f'FILE converts it to {name}.pth.'
    )
