"""Results and flags of one sequence on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmengine.logging import print_log

from mmsimtrack.evaluation.functional import RefusedFile

# beside the annotation, or in a folder of the name of the sequence
_LABELS = 'full_occlusion.txt out_of_view.txt absent.txt absence.label'.split()
COVER = 'cover.label'


@dataclass(frozen=True)
class SequenceFiles:
    """Files of one sequence.

    Args:
        name: Of the sequence.
        annotation: One box per frame.
        results: One file per run; none if the result is missing.
        flags: Files of which any value above 0 means that the target is
            absent, or `COVER`, of which 0 means it.
        meta: GOT-10k's `meta_info.ini`, with the image size.
    """

    name: str
    annotation: Path
    results: tuple[Path, ...]
    flags: tuple[Path, ...] = ()
    meta: Path | None = None


def find_results(
    folder: Path, name: str, optional: bool = False
) -> tuple[Path, ...]:
    """Result files of a sequence, one per run.

    `<name>.txt`, or `<name>_001.txt` and so on; both may lie in a folder of
    that name. Names as pytracking writes them will do: `nfs_<name>`,
    `uav_<name>`, and `Jogging_1` for `Jogging-1`.

    Args:
        folder: Of one tracker.
        name: Of the sequence.
        optional: A missing result is logged.

    Raises:
        RefusedFile: If a result is missing that is not optional.
    """
    for alias in (name, f'nfs_{name}', f'uav_{name}', name.replace('-', '_')):
        for parent in (folder, folder / alias):
            path = parent / f'{alias}.txt'
            if path.is_file():
                return (path,)
            runs = [
                parent / f'{alias}_{run:03d}.txt' for run in range(1, 1000)
            ]
            if runs[0].is_file():
                return tuple(path for path in runs if path.is_file())
    path = folder / f'{name}.txt'
    if not optional:
        raise RefusedFile(
            path,
            'is missing. Track the sequence, or give a file with the names '
            'of those to score.',
        )
    print_log(f'{path} is missing and scored as boxes of zeros', 'current')
    return ()


def find_flags(
    name: str, annotation: Path, folder: Path | None, cover: bool = False
) -> tuple[Path, ...]:
    """Files that say where the target is absent.

    Args:
        name: Of the sequence.
        annotation: Its file.
        folder: Of flags, flat or in the layout of the benchmark. None: they
            are looked for beside the annotation.
        cover: Of labels in the folder of a sequence, `COVER` is read, as
            GOT-10k does, and not those of absence.

    Returns:
        None if there is no such file beside the annotation.

    Raises:
        RefusedFile: If `folder` has no flags of the sequence.
    """
    if folder is None:
        nested = [annotation.parent] if annotation.stem != name else []
        flat = annotation.parent / 'absent' / f'{name}.txt'
    else:
        nested = [folder / name, folder / name.rpartition('-')[0] / name]
        flat = folder / f'{name}.txt'
    if flat.is_file():
        return (flat,)
    labels = [COVER] if cover else _LABELS
    paths = [parent / label for parent in nested for label in labels]
    paths = [path for path in paths if path.is_file()]
    if folder is not None and not paths:
        raise RefusedFile(flat, 'is missing. Unpack the flags again.')
    return tuple(paths)
