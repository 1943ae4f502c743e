"""Annotations to score result files with; frames may be missing."""

from __future__ import annotations

import ast
import configparser
import logging
import os
import os.path as osp
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.datasets import SequenceDataset, VideoSequence
from mmsimtrack.datasets.archive import is_file
from mmsimtrack.datasets.frames import image_shape
from mmsimtrack.datasets.layouts.otb100 import cut_to_range
from mmsimtrack.datasets.sequence_dataset import SPLITS
from mmsimtrack.evaluation.functional import Profile, RefusedFile
from mmsimtrack.fileio import read_flags, read_names
from mmsimtrack.registry import DATASETS

# labels as downloaded of which any value above 0 means an absent target
ABSENT = 'full_occlusion.txt out_of_view.txt absent.txt absence.label'.split()


class FlatAnnotations(SequenceDataset):
    """A flat folder of annotations, `<sequence>.txt`, as kits ship them.

    Flags may lie in `absent/<sequence>.txt`, 1 where the target is absent.

    Args:
        data_root: The folder.
        benchmark: Whose annotations these are: those of NfS may be named
            `nfs_<sequence>.txt`, those of OTB may begin before the sequence.
        **kwargs: Of `SequenceDataset`.
    """

    layouts = (('{}', '{}.txt'),)
    labels = {'absent': False}
    labels_optional = True

    def __init__(
        self, data_root: str, benchmark: str = 'custom', **kwargs
    ) -> None:
        self.benchmark = benchmark
        super().__init__(data_root, **{'frames_optional': True, **kwargs})

    def list_names(self) -> list[str]:
        """List the stems of all files; `list.txt` is no annotation."""
        stems = sorted(
            path.stem for path in Path(self.data_root).glob('*.txt')
        )
        return [stem for stem in stems if stem != 'list']

    def parse_row(self, row: str) -> dict[str, str]:
        """Take the stem of a file as the name, without pytracking's prefix."""
        prefix = 'nfs_' if self.benchmark == 'nfs' else ''
        return {'': row, 'name': row.removeprefix(prefix)}

    def load_bboxes(self, info: dict) -> np.ndarray:
        """Read the boxes; of OTB, only those of the sequence."""
        bboxes_xywh = super().load_bboxes(info)
        if self.benchmark == 'otb100':
            return cut_to_range(bboxes_xywh, info['name'])
        return bboxes_xywh

    def find_labels(self, info: dict) -> dict[str, str]:
        """Look for flags in the folder beside the annotations."""
        path = osp.join(self.data_root, 'absent', f'{info["name"]}.txt')
        return dict.fromkeys(self.labels, path)

    @staticmethod
    def load_label(path: str, num_boxes: int) -> np.ndarray:
        """Read flags; see `read_flags_above_0`."""
        return read_flags_above_0(path, num_boxes)

    def find_scored(
        self,
        bboxes_xywh: np.ndarray,
        visible: np.ndarray,
        flags: dict[str, np.ndarray],
    ) -> np.ndarray:
        """Take flags alone; without any, all but VastTrack's boxes of zeros.

        VastTrack's kits say so; the flat folder of TNL2K's kit has flags.
        """
        if flags:
            return flags['absent']
        if self.benchmark == 'vasttrack':
            return bboxes_xywh.any(axis=1)
        return np.ones(len(bboxes_xywh), bool)


def read_annotations(
    gt: Path,
    benchmark: str,
    profile: Profile,
    absent: Path | None = None,
    names: Sequence[str] | None = None,
) -> list[dict]:
    """Read what `OPEMetric` scores, in the layout that is there.

    Args:
        gt: The benchmark as downloaded, all of it or a part, or a flat
            folder of annotations.
        benchmark: What it is.
        profile: Says whether flags are read.
        absent: Folder of flags. None: those that come with the annotations.
        names: Sequences to score, or lines that begin with their names.
            None: the official list, if all of it is there, or else all.

    Returns:
        `name`, `gt_xywh`, `visible`, `image_size` and `annotation`, the file,
        of each sequence.

    Raises:
        RefusedFile: If an annotation or a file of flags is missing or
            damaged.
    """
    dataset, infos = _open(gt, benchmark)
    infos = _choose(gt, dataset, infos, names)
    pools = profile.measure == 'frames'
    reads_flags = pools or profile.reads_visible
    if absent and not reads_flags:
        _log(f'{absent}: absent flags are ignored, the profile reads none')
    if (
        absent
        or not reads_flags
        or _lacks_flags(gt, benchmark, dataset, infos)
    ):
        dataset.labels = {}
    sequences = []
    for info in infos:
        path = Path(info['annotation'])
        try:
            sequence = dataset.load_sequence(info)
            size = _find_image_size(sequence, path) if pools else None
        except RefusedFile:
            raise
        except (OSError, ValueError) as error:
            raise RefusedFile(path, str(error)) from None
        visible, num_boxes = sequence.scored, len(sequence.bboxes_xywh)
        if absent and reads_flags:
            visible = _read_shown(absent, sequence.name, num_boxes, pools)
        sequences.append(
            dict(
                name=sequence.name,
                gt_xywh=sequence.bboxes_xywh,
                visible=np.broadcast_to(visible, num_boxes),
                image_size=size,
                annotation=path,
            )
        )
    if pools and any(np.inf in each['image_size'] for each in sequences):
        _log(f'{gt} lacks meta_info.ini: boxes are clipped to x, y >= 0 only')
    return sequences


def read_attributes(
    folder: Path, sequences: Iterable[str], benchmark: str
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Read attributes of sequences, as they come with the kits.

    Args:
        folder: Files `<sequence>.txt` or `<sequence>_attribute.txt` with one
            value, 0 or 1, per attribute. `names.txt` there, if any, holds
            the names of the attributes.
        sequences: Names of the sequences.
        benchmark: Whose attributes these are, if there is no `names.txt`.

    Returns:
        The names, and (K,) bool by sequence.

    Raises:
        RefusedFile: If a file is missing or has another number of values.
    """
    names = BENCHMARKS[benchmark].attributes.split()
    if (folder / 'names.txt').is_file():
        names = (folder / 'names.txt').read_text().split()
    if not names:
        raise RefusedFile(
            folder / 'names.txt',
            'is missing. Write the names of the attributes into it, in the '
            'order of the values.',
        )
    table = {}
    for sequence in sequences:
        path = folder / f'{sequence}_attribute.txt'
        path = path if path.is_file() else folder / f'{sequence}.txt'
        try:
            table[sequence] = read_flags(path) > 0
        except (OSError, ValueError) as error:
            raise RefusedFile(path, str(error)) from None
        if len(table[sequence]) != len(names):
            raise RefusedFile(
                path,
                f'found {len(table[sequence])} values, expected '
                f'{len(names)}: {" ".join(names)}. Put other names into '
                'names.txt beside it.',
            )
    return names, table


def read_flags_above_0(path: str | os.PathLike, num_boxes: int) -> np.ndarray:
    """Read (num_boxes,) bool: which flags are above 0.

    Raises:
        ValueError: If there is not one flag per box. Zeros too many do no
            harm: TNL2K's advSamp_monitor_bikeyellow has one.
    """
    flags = read_flags(path)
    if len(flags) < num_boxes or flags[num_boxes:].any():
        raise RefusedFile(
            path,
            f'found {len(flags)} flags, expected {num_boxes}, one per box of '
            'the annotation. Unpack the sequence again.',
        )
    return flags[:num_boxes] > 0


def _open(gt: Path, benchmark: str) -> tuple[SequenceDataset, list[dict]]:
    """Find the layout of a folder, and all sequences in it."""
    cfg = dict(BENCHMARKS[benchmark].dataset, data_root=gt)
    if benchmark == 'got10k':
        cfg['split'] = 'val'  # the annotations of the test set are not public
    dataset = DATASETS.build(
        {**cfg, 'frames_optional': True, 'lazy_init': True}
    )
    layouts = [*dataset.layouts, ('{}', '{}/groundtruth.txt')]
    for _, boxes in layouts:
        rows = _list_rows(dataset, boxes)
        infos = dataset.describe(rows, [x for x in layouts if x[1] == boxes])
        infos = [info for info in infos if is_file(info['annotation'])]
        if infos:
            return dataset, infos
    for folder in (gt / 'TEST/anno', gt / 'anno', gt):
        flat = FlatAnnotations(folder, benchmark, lazy_init=True)
        flat.official = dataset.official
        infos = flat.describe(flat.list_names(), flat.layouts)
        if infos:
            return flat, infos
    raise RefusedFile(gt, 'no annotation is there. Correct the folder.')


def _list_rows(dataset: SequenceDataset, boxes: str) -> list[str]:
    """List rows of sequences that may lie in a folder.

    The official list, if it has columns which nobody else knows; otherwise
    the names of all that looks like an annotation.
    """
    if dataset.columns:
        return dataset.list_names()
    # `{}` is the name, at its second time the same, `{class}` anything
    first, _, rest = re.escape(boxes).partition(r'\{\}')
    rest = rest.replace(r'\{\}', '(?P=name)')
    pattern = re.sub(r'\\{\w+\\}', '[^/]+', f'{first}(?P<name>[^/]+){rest}')
    root = Path(dataset.data_root)
    paths = root.glob(re.sub(r'\{\w*\}', '*', boxes))
    found = (
        re.fullmatch(pattern, path.relative_to(root).as_posix())
        for path in paths
    )
    return sorted({match['name'] for match in found if match})


def _choose(
    gt: Path,
    dataset: SequenceDataset,
    infos: list[dict],
    names: Sequence[str] | None,
) -> list[dict]:
    """Choose the sequences to score; see `read_annotations`."""
    found = {info['name']: info for info in infos}
    if names is not None:
        chosen = []
        for line in names:
            # lists of this package have more columns, names may have spaces
            name = line if line in found else line.split()[0]
            if name not in found:
                raise RefusedFile(gt, f"no annotation of '{line}' is there.")
            chosen.append(found[name])
        return chosen
    if dataset.official is None:
        return infos
    rows = read_names(SPLITS / f'{dataset.official}.txt')
    # lists with columns; names of VastTrack have spaces
    columns = dataset.official in ('uav123', 'otb100')
    official = [row.split()[0] if columns else row for row in rows]
    lacking = [name for name in official if name not in found]
    if not lacking:
        return [found[name] for name in official]
    if found.keys() < set(official):
        _log(
            f'{gt} has {len(found)} of the {len(official)} official '
            f'sequences, and not {lacking[0]}: no official number',
            logging.WARNING,
        )
    return infos


def _lacks_flags(
    gt: Path, benchmark: str, dataset: SequenceDataset, infos: list[dict]
) -> bool:
    """Say what stands in for flags, where there are none at all.

    Raises:
        RefusedFile: If only some sequences have flags.
    """
    lacking = [
        info['annotation']
        for info in infos
        if not any(map(is_file, dataset.find_labels(info).values()))
    ]
    if lacking and len(lacking) < len(infos):
        raise RefusedFile(
            lacking[0],
            'has no flags of absence, but others have. Unpack the sequence '
            'again.',
        )
    if lacking and (not dataset.labels or benchmark == 'vasttrack'):
        _log(f'{gt} has no flags: a box of zeros is an absent target')
    elif lacking:
        _log(
            f'{gt} has no flags: every target counts as visible. The official '
            'numbers need them: give --absent.',
            logging.WARNING,
        )
    return bool(lacking)


def _read_shown(
    folder: Path, name: str, num_boxes: int, pools: bool
) -> np.ndarray:
    """Read from a folder of flags in which frames a target is shown.

    The folder is flat or as downloaded; of GOT-10k's labels, only the cover
    counts if frames are pooled, as in its kit.
    """
    labels = dict.fromkeys(ABSENT, False)
    if pools:
        labels = {'cover.label': True}
    paths = {folder / f'{name}.txt': False}
    for parent in (folder / name, folder / name.rpartition('-')[0] / name):
        paths |= {parent / label: says for label, says in labels.items()}
    shown = [
        read_flags_above_0(path, num_boxes) == says
        for path, says in paths.items()
        if path.is_file()
    ]
    if not shown:
        raise RefusedFile(
            folder / f'{name}.txt', 'is missing. Unpack the flags again.'
        )
    return np.all(shown, axis=0)


def _find_image_size(
    sequence: VideoSequence, annotation: Path
) -> tuple[float, float]:
    """Find (W, H): in GOT-10k's file, or of the first frame, or no end."""
    path = annotation.with_name('meta_info.ini')
    if not path.is_file():
        frame = sequence.frame_path(0)
        return image_shape(frame)[::-1] if is_file(frame) else (np.inf, np.inf)
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


def _log(text: str, level: int = logging.INFO) -> None:
    print_log(text, 'current', level)
