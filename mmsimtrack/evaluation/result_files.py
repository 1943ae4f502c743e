"""Scores of result files, without a model."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mmsimtrack.datasets.frames import list_frames
from mmsimtrack.datasets.layouts.nfs import as_downloaded, read_nfs_xywh
from mmsimtrack.datasets.layouts.otb100 import cut_to_range
from mmsimtrack.datasets.layouts.tnl2k import ROW_TOO_MANY
from mmsimtrack.evaluation.functional import (
    FrameErrors,
    Profile,
    RefusedFile,
    RefusedInput,
    frame_errors,
)
from mmsimtrack.evaluation.layouts import zeros_are_absent
from mmsimtrack.evaluation.metrics.submission import SERVERS
from mmsimtrack.evaluation.sequence_files import COVER, SequenceFiles
from mmsimtrack.fileio import (
    read_bboxes_xywh,
    read_flags,
)
from mmsimtrack.structures import has_area


def file_errors(
    files: SequenceFiles, benchmark: str, profile: Profile
) -> FrameErrors:
    """Read a sequence and compare its runs with the annotation.

    Args:
        files: Where everything lies.
        benchmark: Some annotations need special care, see `read_annotation`.
        profile: Whose rules apply.

    Raises:
        RefusedFile: If a file is missing, damaged, or refused by the rules.
    """
    gt_xywh = read_annotation(files.annotation, files.name, benchmark)
    size = _image_size(files.meta) if profile.measure == 'frames' else None
    visible = _read_visible(files, len(gt_xywh))
    if visible is None and zeros_are_absent(benchmark, files.annotation):
        # custom: as `FolderDataset`
        custom = benchmark == 'custom'
        visible = has_area(gt_xywh) if custom else gt_xywh.any(axis=1)
    errors = []
    for path in files.results:
        result_xywh = _read(read_bboxes_xywh, path)
        if benchmark == 'otb100':
            result_xywh = cut_to_range(result_xywh, files.name)
        if benchmark in SERVERS and len(gt_xywh) == 1 < len(result_xywh):
            raise RefusedFile(
                files.annotation,
                'holds the first box only. Let the server of the benchmark '
                'score the results: upload submission.zip of the test.',
            )
        try:
            errors.append(
                frame_errors(
                    files.name, result_xywh, gt_xywh, profile, visible, size
                )
            )
        except RefusedInput as error:
            raise _located(error, path, files) from None
    if not errors:  # what TrackingNet makes of a missing file
        zeros = np.zeros_like(gt_xywh)
        errors = [frame_errors(files.name, zeros, gt_xywh, profile)]
    return FrameErrors.cat(errors)


def read_annotation(path: Path, name: str, benchmark: str) -> np.ndarray:
    """Boxes of the frames that the kits score, (N, 4) xywh.

    Some files have rows that are not scored: files of OTB may begin before
    their sequence (Tiger1, see `cut_to_range`), and official files of NfS
    have 240 per second, of which every eighth counts, if there is a frame
    for it. Two files of TNL2K may end with a row that has no frame.

    Raises:
        RefusedFile: If the file is damaged.
    """
    if benchmark == 'nfs' and as_downloaded(path):
        gt_xywh = _read(read_nfs_xywh, path)
        numbers = [p.stem for p in path.with_suffix('').glob('*.jpg')]
        last = max((int(n) for n in numbers if n.isdigit()), default=0)
        # a last box without frame, which `NfSDataset` leaves out too
        return gt_xywh[:last] if last == len(gt_xywh) - 1 else gt_xywh
    gt_xywh = _read(read_bboxes_xywh, path)
    if benchmark == 'otb100':
        return cut_to_range(gt_xywh, name)
    if benchmark == 'tnl2k' and name in ROW_TOO_MANY:
        num_frames = len(list_frames(path.parent / 'imgs'))
        return gt_xywh[:-1] if num_frames == len(gt_xywh) - 1 else gt_xywh
    return gt_xywh


def read_attributes(
    folder: Path, sequences: Iterable[str], names: list[str] | None
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Attributes of sequences, as they come with the kits.

    Args:
        folder: Of `<sequence>.txt` or `<sequence>_attribute.txt` with one
            value, 0 or 1, per attribute. `names.txt` there, if any, holds
            the names of the attributes.
        sequences: Their names.
        names: Of the attributes, if there is no `names.txt`.

    Returns:
        The names, and (K,) bool by sequence.

    Raises:
        RefusedFile: If a file is missing or has another number of values.
    """
    if (folder / 'names.txt').is_file():
        names = (folder / 'names.txt').read_text().split()
    if names is None:
        raise RefusedFile(
            folder / 'names.txt',
            'is missing. Write the names of the attributes into it, in the '
            'order of the values.',
        )
    table = {}
    for sequence in sequences:
        path = folder / f'{sequence}_attribute.txt'
        path = path if path.is_file() else folder / f'{sequence}.txt'
        table[sequence] = _read(read_flags, path) > 0
        if len(table[sequence]) != len(names):
            raise RefusedFile(
                path,
                f'found {len(table[sequence])} values, expected '
                f'{len(names)}: {" ".join(names)}. Put other names into '
                'names.txt beside it.',
            )
    return names, table


def _read(read, path: Path) -> np.ndarray:
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise RefusedFile(path, str(error)) from None


def _read_visible(files: SequenceFiles, num_frames: int) -> np.ndarray | None:
    """(num_frames,) bool; None: no flags."""
    if not files.flags:
        return None
    visible = np.ones(num_frames, dtype=bool)
    for path in files.flags:
        flags = _read(read_flags, path)
        # TNL2K's advSamp_monitor_bikeyellow has one flag too many
        if len(flags) < num_frames or flags[num_frames:].any():
            raise RefusedFile(
                path,
                f'found {len(flags)} flags, expected {num_frames}, one per '
                f'box of {files.annotation}. Unpack the sequence again.',
            )
        flags = flags[:num_frames]
        visible &= flags > 0 if path.name == COVER else flags <= 0
    return visible


def _image_size(path: Path | None) -> tuple[float, float]:
    """(W, H) from GOT-10k's file; without a file, images have no end."""
    if path is None:
        return np.inf, np.inf
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text())
        width, height = ast.literal_eval(parser['METAINFO']['resolution'])
        return float(width), float(height)
    except (configparser.Error, KeyError, SyntaxError, TypeError, ValueError):
        raise RefusedFile(
            path,
            "found no 'resolution: (W, H)' below [METAINFO], the image size "
            'to which GOT-10k clips boxes. Unpack the sequence again.',
        ) from None


def _located(
    error: RefusedInput, result: Path, files: SequenceFiles
) -> RefusedFile:
    path = result if error.part == 'result' else files.annotation
    if error.row is None:
        return RefusedFile(path, error.reason)
    lines: Iterable[tuple[int, str]] = enumerate(
        path.read_text(errors='replace').splitlines(), 1
    )
    numbers = [number for number, line in lines if line.strip()]
    return RefusedFile(path, f'line {numbers[error.row]}: {error.reason}')
