"""Where annotations, flags and results of a sequence lie on the disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.logging import print_log

from mmsimtrack.datasets.sequence_dataset import SPLITS
from mmsimtrack.evaluation.functional import Profile

# annotations of a benchmark as downloaded, below its root; the first that are
# there count, as for `NfSDataset` and `VastTrackDataset`
_NATIVE = {
    'got10k': ('*/groundtruth.txt', 'val/*/groundtruth.txt'),
    'trackingnet': ('TEST/anno/*.txt', 'anno/*.txt'),
    'uav123': ('anno/UAV123/*.txt', 'anno/UAV*/*.txt'),
    'otb100': ('*/groundtruth_rect*.txt',),
    'nfs': ('anno/nfs_*.txt', '*/30/*.txt'),
    'vasttrack': ('test/*/*/Groundtruth.txt', '*/*/Groundtruth.txt'),
}
_ANY = ('*/groundtruth.txt', '*/*/groundtruth.txt', '*.txt')
# lists that are shipped, where they are not named as the benchmark
_LISTS = {'lasot': 'lasot_test', 'vasttrack': 'vasttrack_test'}
# beside the annotation, or in a folder of the name of the sequence
_LABELS = 'full_occlusion.txt out_of_view.txt absent.txt absence.label'.split()
COVER = 'cover.label'


class RefusedFile(ValueError):
    """A file that cannot be scored.

    Args:
        path: The file.
        reason: What was found and expected, and the fix.
    """

    def __init__(self, path: str | os.PathLike, reason: str) -> None:
        # messages of readers start with the path
        reason = ' '.join(reason.removeprefix(str(path)).lstrip(', ').split())
        super().__init__(f'{path}: {reason}')


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


def find_sequences(
    gt: Path,
    results: Path,
    benchmark: str,
    profile: Profile,
    absent: Path | None = None,
    names: Sequence[str] | None = None,
) -> list[SequenceFiles]:
    """Files of every sequence to score; any folder may be flat.

    Args:
        gt: Folder of annotations.
        results: Folder of results.
        benchmark: Whose layout to expect.
        profile: Says which flags are read.
        absent: Folder of flags. None: those beside the annotations.
        names: Sequences to score, or lines that begin with their names.
            None: the official list, if it is shipped, or all that have an
            annotation.

    Raises:
        RefusedFile: If an annotation, a result or a file of flags is missing.
    """
    found = find_annotations(gt, benchmark)
    if not found:
        raise RefusedFile(gt, 'no annotation is there. Correct the folder.')
    reads_flags = profile.measure == 'frames' or profile.reads_visible
    if absent and not reads_flags:
        print_log(
            f'{absent}: absent flags are ignored, the profile reads none',
            'current',
        )
    sequences = []
    for line in found if names is None else names:
        # lists of this package have more columns, names may have spaces
        name = line if line in found else line.split()[0]
        if name not in found:
            raise RefusedFile(gt, f"no annotation of '{line}' is there.")
        annotation = found[name]
        meta = annotation.with_name('meta_info.ini')
        runs = find_results(results, name, profile.measure == 'server')
        flags: tuple[Path, ...] = ()
        if reads_flags:
            pools = profile.measure == 'frames'
            flags = find_flags(name, annotation, absent, cover=pools)
        sequences.append(
            SequenceFiles(
                name, annotation, runs, flags, meta if meta.is_file() else None
            )
        )
    if not any(files.results for files in sequences):
        raise RefusedFile(results, 'no result is there. Correct the folder.')
    _check_gaps(gt, sequences, profile, benchmark)
    return sequences


def _check_gaps(
    gt: Path, sequences: list[SequenceFiles], profile: Profile, benchmark: str
) -> None:
    """Say what was not there, and what stands in for it."""
    pools = profile.measure == 'frames'
    lacking = [files.annotation for files in sequences if not files.flags]
    if profile.reads_visible or pools:
        if len(lacking) == len(sequences):
            rule = 'all targets are visible'
            if benchmark == 'vasttrack':  # see `file_errors`
                rule = 'a box of zeros is an absent target'
            print_log(f'{gt} has no flags: {rule}', 'current')
        elif lacking:
            raise RefusedFile(
                lacking[0],
                'has no flags of absence, but others have. Unpack the '
                'sequence again.',
            )
    if pools and not all(files.meta for files in sequences):
        print_log(
            f'{gt} lacks meta_info.ini: boxes are clipped to x, y >= 0 only',
            'current',
        )


def find_annotations(folder: Path, benchmark: str) -> dict[str, Path]:
    """Annotation files, by sequence, sorted.

    Args:
        folder: Root of the benchmark as downloaded, a folder of sequences,
            or a flat folder of `<sequence>.txt`.
        benchmark: Which layout to expect.

    Returns:
        Those of the official list, if it is shipped and all are there.
    """
    for pattern in _NATIVE.get(benchmark, ()) + _ANY:
        found = {_name(p, pattern): p for p in sorted(folder.glob(pattern))}
        if pattern == '*.txt':
            found.pop('list', None)  # names of sequences
        if found:
            break
    path = SPLITS / f'{_LISTS.get(benchmark, benchmark)}.txt'
    if path.is_file():
        rows = path.read_text().splitlines()
        # names of VastTrack have spaces, others are the first of columns
        official = [row if row in found else row.split()[0] for row in rows]
        if set(official) < set(found):
            return {name: found[name] for name in official}
    return found


def find_results(
    folder: Path, name: str, optional: bool = False
) -> tuple[Path, ...]:
    """Result files of a sequence, one per run.

    `<name>.txt`, or `<name>_001.txt` and so on; both may lie in a folder of
    that name.

    Args:
        folder: Of one tracker.
        name: Of the sequence.
        optional: A missing result is logged.

    Raises:
        RefusedFile: If a result is missing that is not optional.
    """
    for parent in (folder, folder / name):
        if (parent / f'{name}.txt').is_file():
            return (parent / f'{name}.txt',)
        runs = [parent / f'{name}_{run:03d}.txt' for run in range(1, 1000)]
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


def _name(path: Path, pattern: str) -> str:
    stem, _, number = path.stem.partition('.')
    if stem.lower() in ('groundtruth', 'groundtruth_rect'):
        # OTB: several targets in one video
        return path.parent.name + (f'-{number}' if number else '')
    # NfS, as made for pytracking: nfs_<video>.txt
    return path.stem.removeprefix(Path(pattern).name.partition('*')[0])
