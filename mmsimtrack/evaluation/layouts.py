"""Where annotations, flags and results of a sequence lie on the disk."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log

from mmsimtrack.datasets.sequence_dataset import SPLITS
from mmsimtrack.evaluation.functional import Profile, RefusedFile
from mmsimtrack.evaluation.sequence_files import (
    SequenceFiles,
    find_flags,
    find_results,
)

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
        taken = found.keys() & {path.stem for path in runs} - {name}
        if taken:
            raise RefusedFile(
                runs[0],
                f"is a run of '{name}', or the result of {sorted(taken)[0]!r}."
                f" Name the result of '{name}' {name}.txt.",
            )
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
            if all(zeros_are_absent(benchmark, path) for path in lacking):
                print_log(
                    f'{gt} has no flags: a box of zeros is an absent target',
                    'current',
                )
            else:
                print_log(
                    f'{gt} has no flags: every target counts as visible. The '
                    'official numbers need them: give --absent.',
                    'current',
                    logging.WARNING,
                )
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
        Those of the official list, if it is shipped and all are there; if
        only a part of them is, that is logged.

    Raises:
        RefusedFile: If two annotations are of sequences of the same name.
    """
    for pattern in _NATIVE.get(benchmark, ()) + _ANY:
        found: dict[str, Path] = {}
        for path in sorted(folder.glob(pattern)):
            first = found.setdefault(_name(path, benchmark), path)
            if first != path:
                raise RefusedFile(
                    first,
                    f'has the name of a sequence that {path} has too. Score '
                    'their folders one by one, or rename one.',
                )
        if pattern == '*.txt':
            found.pop('list', None)  # names of sequences
        if found:
            break
    path = SPLITS / f'{_LISTS.get(benchmark, benchmark)}.txt'
    if path.is_file():
        official = path.read_text().splitlines()
        if benchmark in ('uav123', 'otb100'):  # lists with columns
            official = [row.split()[0] for row in official]
        if set(official) < set(found):
            return {name: found[name] for name in official}
        lacking = [name for name in official if name not in found]
        if lacking and set(found) < set(official):
            print_log(
                f'{folder} has {len(found)} of the {len(official)} official '
                f'sequences, and not {lacking[0]}: no official number',
                'current',
                logging.WARNING,
            )
    return found


def zeros_are_absent(benchmark: str, annotation: Path) -> bool:
    """Whether, without flags, boxes of zeros are absent targets.

    They are to the kits of VastTrack. That of TNL2K has flags, which say the
    same and do not come with the sequences. Custom data have none.
    """
    if benchmark in ('tnl2k', 'custom'):
        return annotation.stem == 'groundtruth'
    return benchmark == 'vasttrack'


def _name(path: Path, benchmark: str) -> str:
    stem, _, number = path.stem.partition('.')
    if stem.lower() in ('groundtruth', 'groundtruth_rect'):
        # OTB: several targets in one video
        return path.parent.name + (f'-{number}' if number else '')
    # as made for pytracking
    return path.stem.removeprefix('nfs_' if benchmark == 'nfs' else '')
