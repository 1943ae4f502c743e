"""Reading annotations, to score result files without frames.

They are read by the data set class of their benchmark, whether they lie as
they were downloaded or in a flat folder, `<sequence>.txt`, as kits ship them.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.datasets.archive import is_file
from mmsimtrack.datasets.frames import image_shape
from mmsimtrack.datasets.sequence_dataset import SPLITS
from mmsimtrack.evaluation.functional import Profile, RefusedFile, refusing
from mmsimtrack.fileio import read_flags, read_names, read_text
from mmsimtrack.log import log, warn
from mmsimtrack.registry import DATASETS

# labels as downloaded of which any value above 0 means an absent target
ABSENT = 'full_occlusion.txt out_of_view.txt absent.txt absence.label'.split()


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
            folder of annotations, with flags in `absent` or without.
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
    dataset, infos, is_flat = _open(gt, benchmark)
    infos = _choose(gt, dataset, infos, names)
    pools = profile.measure == 'frames'
    reads_flags = pools or profile.reads_visible
    if absent and not reads_flags:
        log(f'{absent}: absent flags are ignored, the profile reads none')
    if is_flat and absent is None:
        beside = Path(infos[0]['annotation']).with_name('absent')
        absent = beside if beside.is_dir() else None
    if absent or not reads_flags:
        dataset.labels = {}
    else:
        _prepare_labels(gt, benchmark, dataset, [] if is_flat else infos)
    sequences = []
    for info in infos:
        path, frame = Path(info['annotation']), ''
        with refusing(path):
            if is_flat:
                boxes = dataset.load_bboxes(info)
                # kits tell by flags alone, but for VastTrack's boxes of zeros
                visible = boxes.any(axis=1) | (benchmark != 'vasttrack')
            else:
                sequence = dataset.load_sequence(info)
                boxes, frame = sequence.bboxes_xywh, sequence.frame_path(0)
                visible = np.broadcast_to(sequence.scored, len(boxes))
            if absent and reads_flags:
                visible = _read_shown(absent, info['name'], len(boxes), pools)
            each = dict(name=info['name'], gt_xywh=boxes, visible=visible)
            if pools:
                each['image_size'] = _find_image_size(path, frame)
        sequences.append({**each, 'annotation': path})
    if pools and any(np.inf in each['image_size'] for each in sequences):
        log(f'{gt} lacks meta_info.ini: boxes are clipped to x, y >= 0 only')
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
        names = read_text(folder / 'names.txt', 'names').split()
    elif not names:
        raise RefusedFile(
            folder / 'names.txt',
            'is missing. Write the names of the attributes into it, in the '
            'order of the values.',
        )
    table = {}
    for sequence in sequences:
        path = folder / f'{sequence}_attribute.txt'
        path = path if path.is_file() else folder / f'{sequence}.txt'
        with refusing(path):
            table[sequence] = read_flags(path) > 0
        if len(table[sequence]) != len(names):
            raise RefusedFile(
                path,
                f'found {len(table[sequence])} values, expected '
                f'{len(names)}: {" ".join(names)}. Put other names into '
                'names.txt beside it.',
            )
    return names, table


def _open(gt: Path, benchmark: str) -> tuple[SequenceDataset, list, bool]:
    """Find the layout of a folder, all sequences in it, and if it is flat."""
    changes = dict(data_root=gt, frames_optional=True, lazy_init=True)
    if benchmark == 'got10k':  # the test set's annotations are not public
        changes['split'] = 'val'
    dataset = DATASETS.build({**BENCHMARKS[benchmark].dataset, **changes})
    layouts = [*dataset.layouts, ('{}', '{}/groundtruth.txt')]
    for _, boxes in layouts:
        # the frames, if any, may lie in each of the folders for such boxes
        same = [layout for layout in layouts if layout[1] == boxes]
        infos = dataset.describe(_list_rows(dataset, boxes), same)
        infos = [info for info in infos if is_file(info['annotation'])]
        if infos:
            return dataset, infos, False
    prefix = 'nfs_' if benchmark == 'nfs' else ''  # of pytracking
    for folder in (gt / 'TEST/anno', gt / 'anno', gt):
        paths = sorted({*folder.glob('*.txt')} - {folder / 'list.txt'})
        if paths:
            names = [path.stem.removeprefix(prefix) for path in paths]
            pairs = zip(names, map(str, paths))
            return (
                dataset,
                [dict(name=n, annotation=p) for n, p in pairs],
                True,
            )
    raise RefusedFile(gt, 'no annotation is there. Correct the folder.')


def _list_rows(dataset: SequenceDataset, boxes: str) -> list[str]:
    """List rows of sequences that may lie in a folder.

    They are the rows of the official list, if it has columns which nobody
    else knows, and otherwise the names of all that look like an annotation.
    """
    if dataset.columns:
        return dataset.list_names()
    parts = boxes.split('/')
    depth = next(i for i, part in enumerate(parts) if '{}' in part)
    before, after = parts[depth].split('{}')
    root = Path(dataset.data_root)
    found = (
        path.relative_to(root).parts[depth]
        for path in root.glob(re.sub(r'\{\w*\}', '*', boxes))
    )
    return sorted({x.removeprefix(before).removesuffix(after) for x in found})


def _choose(
    gt: Path,
    dataset: SequenceDataset,
    infos: list[dict],
    names: Sequence[str] | None,
) -> list[dict]:
    """Choose the sequences to score; see `read_annotations`."""
    found = {info['name']: info for info in infos}
    if names is not None:
        # lists of this package have more columns, names may have spaces
        names = [n if n in found else n.split()[0] for n in names]
        for name in names:
            if name not in found:
                raise RefusedFile(gt, f"no annotation of '{name}' is there.")
        return [found[name] for name in names]
    if dataset.official is None:
        return infos
    rows = read_names(SPLITS / f'{dataset.official}.txt')
    official = [dataset.parse_row(row)['name'] for row in rows]
    lacking = [name for name in official if name not in found]
    if not lacking:
        return [found[name] for name in official]
    if found.keys() < set(official):
        warn(
            f'{gt} has {len(found)} of the {len(official)} official '
            f'sequences, and not {lacking[0]}: no official number'
        )
    return infos


def _prepare_labels(
    gt: Path, benchmark: str, dataset: SequenceDataset, infos: list[dict]
) -> None:
    """Let a data set read the flags that lie beside its annotations.

    If there are any, all sequences must have them; if there are none at all,
    the log says what stands in for them.

    Args:
        gt: The folder, for the log.
        benchmark: What it is.
        dataset: The data set; its `labels` change.
        infos: Its sequences; none of a flat folder, which has no such flags.
    """
    needed = dataset.labels or not infos
    if benchmark == 'got10k':
        dataset.labels = {'cover.label': True}  # its kit reads no other
    paths = [x for info in infos for x in dataset.find_labels(info).values()]
    if any(map(is_file, paths)):
        dataset.labels_optional = False
        return
    dataset.labels = {}
    if needed and benchmark != 'vasttrack':
        warn(
            f'{gt} has no flags: every target counts as visible. The official '
            'numbers need them: give --absent.'
        )
    else:
        log(f'{gt} has no flags: a box of zeros is an absent target')


def _read_shown(
    folder: Path, name: str, num_boxes: int, pools: bool
) -> np.ndarray:
    """Read from a folder of flags in which frames a target is shown.

    The folder is flat or as downloaded; of GOT-10k's labels, only the cover
    counts if frames are pooled, as in its kit.

    Raises:
        RefusedFile: If there is not one flag per box. Zeros too many do no
            harm: TNL2K's advSamp_monitor_bikeyellow has one.
    """
    labels = {'cover.label': True} if pools else dict.fromkeys(ABSENT, False)
    paths = {folder / f'{name}.txt': False}
    for parent in (folder / name, folder / name.rpartition('-')[0] / name):
        paths |= {parent / label: says for label, says in labels.items()}
    shown = []
    for path, says in paths.items():
        if not path.is_file():
            continue
        flags = read_flags(path)
        if len(flags) < num_boxes or flags[num_boxes:].any():
            raise RefusedFile(
                path,
                f'found {len(flags)} flags, expected {num_boxes}, one per '
                'box of the annotation. Unpack the sequence again.',
            )
        shown.append((flags[:num_boxes] > 0) == says)
    if not shown:
        raise RefusedFile(
            folder / f'{name}.txt', 'is missing. Unpack the flags again.'
        )
    return np.all(shown, axis=0)


def _find_image_size(annotation: Path, frame: str) -> tuple[float, float]:
    """Find (W, H) in GOT-10k's file or the first frame; else infinity."""
    path = annotation.with_name('meta_info.ini')
    if not path.is_file():
        shape = image_shape(frame) if is_file(frame) else (np.inf, np.inf)
        return shape[::-1]
    text = read_text(path, 'the description of a sequence')
    size = re.search(r'resolution\s*[:=]\s*\(([\d.]+), *([\d.]+)\)', text)
    if size is None:
        raise RefusedFile(
            path,
            "found no 'resolution: (W, H)', the image size to which GOT-10k "
            'clips boxes. Unpack the sequence again.',
        )
    return float(size[1]), float(size[2])
