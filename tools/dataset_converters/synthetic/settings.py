"""What a folder of generated sequences was made with."""

import json
import os
import shutil
from pathlib import Path

SETTINGS = 'generated.json'
SPLITS = ('train', 'val')


def prepare(out: Path, settings: dict, overwrite: bool) -> None:
    """Create the folder, or make sure that it holds what these options make.

    Raises:
        FileExistsError: It holds other files, or sequences of other
            options.
    """
    path = out / SETTINGS
    if out.exists() and not path.exists():
        if not out.is_dir() or any(out.iterdir()):
            raise FileExistsError(
                f'{out} exists and has no {SETTINGS}, so this tool did '
                'not write it. Choose another or an empty folder.'
            )
    if path.exists():
        if overwrite:
            remove_sequences(out)
        else:
            check_settings(path, settings)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(settings, indent=2) + '\n')


def check_settings(path: Path, settings: dict) -> None:
    """Compare recorded settings with the present ones."""
    try:
        recorded = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{path} is not JSON ({error}). Choose another '
            'folder or add --overwrite.'
        ) from error
    differences = [
        f'{key}: recorded {recorded.get(key)!r}, now {settings.get(key)!r}'
        for key in sorted({*recorded, *settings})
        if recorded.get(key) != settings.get(key)
    ]
    if differences:
        raise FileExistsError(
            f'{path.parent} was generated with other options '
            f'({"; ".join(differences)}). Choose another folder or add '
            '--overwrite.'
        )


def remove_sequences(out: Path) -> None:
    """Remove what this tool wrote, and nothing else."""
    for split in SPLITS:
        for folder in (out / split).glob('*Synthetic_*'):
            shutil.rmtree(folder)
        (out / split / 'list.txt').unlink(missing_ok=True)
    (out / SETTINGS).unlink()


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is complete whenever it exists."""
    partial_path = path.with_name(f'.{path.name}.partial')
    partial_path.write_text(text)
    os.replace(partial_path, path)
