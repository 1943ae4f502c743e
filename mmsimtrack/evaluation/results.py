"""Result files: where they lie, and what looks wrong in them."""

from pathlib import Path

import numpy as np

from mmsimtrack.evaluation.functional import RefusedFile
from mmsimtrack.evaluation.functional.ope import overlaps
from mmsimtrack.structures import xyxy_to_xywh

# of OTB-100's Human4, only the second target has boxes
ALIASES = {'Human4-2': 'Human4'}


def find_results(
    folder: Path, name: str, optional: bool = False
) -> tuple[Path, ...]:
    """Find the result files of a sequence, one per run.

    A result is `<name>.txt`, or `<name>_001.txt` and so on for several runs;
    it may lie in a folder of that name, or of the class before its last `-`.
    Names as other tools write them will do: `nfs_<name>`, `uav_<name>` and
    `Jogging_1` (pytracking), `Jogging.1` and `Human4` (GOT-10k's toolkit).

    Args:
        folder: Results of one tracker.
        name: The sequence.
        optional: Whether a result may be missing.

    Raises:
        RefusedFile: If a result is missing that is not optional.
    """
    aliases = [name, f'nfs_{name}', f'uav_{name}', ALIASES.get(name, name)]
    aliases += [name.replace('-', '_'), name.replace('-', '.')]
    for alias in aliases:
        for parent in ('', alias, name.rpartition('-')[0]):
            runs = [f'{alias}_{run:03d}.txt' for run in range(1, 1000)]
            for files in ([f'{alias}.txt'], runs):
                if (folder / parent / files[0]).is_file():
                    paths = [folder / parent / file for file in files]
                    return tuple(path for path in paths if path.is_file())
    if optional:
        return ()
    raise RefusedFile(
        folder / f'{name}.txt',
        'is missing. Track the sequence, or give a file with the names of '
        'those to score.',
    )


def find_oddity(result_xywh: np.ndarray, gt_xywh: np.ndarray) -> str:
    """Say in a few words what is probably wrong with a result.

    The boxes are read as they are and as people write them by mistake; a
    reading that fits the annotation far better is named.

    Args:
        result_xywh: (M, 4).
        gt_xywh: (N, 4).

    Returns:
        The words; empty if nothing looks wrong.
    """
    found = []
    if len(result_xywh) != len(gt_xywh):
        found = [f'{len(result_xywh)} rows for {len(gt_xywh)} frames']
    if not_numbers := np.isnan(result_xywh).any(1).sum():
        found.append(f'{not_numbers} of the boxes are NaN')
    # the first box of a result is that of the annotation
    result, gt = result_xywh[1:], gt_xywh[1:]
    if len(result) and (result[:, 2:] < 1).all():
        found.append(
            'all boxes are below 1 px: are they fractions of the frame?'
        )
        return ', '.join(found)
    swapped = xyxy_to_xywh(result)
    swapped[:, 2:] = np.maximum(swapped[:, 2:], 0)
    centered = np.hstack([result[:, :2] - result[:, 2:] / 2, result[:, 2:]])
    as_is = _mean_overlap(result, gt)
    readings = [
        (0.2, 'rows were x1,y1,x2,y2: expected x,y,w,h', swapped, gt),
        (0.2, 'x and y were those of the center', centered, gt),
        (0.07, 'the first row were not missing', result, gt[1:]),
        (0.07, 'the first row were not there twice', result[1:], gt),
    ]
    overlap, gain, reading = max(
        (_mean_overlap(boxes, truth), gain, reading)
        for gain, reading, boxes, truth in readings
    )
    if overlap > as_is + gain:
        found.append(
            f'mean overlap {as_is:.2f}, but {overlap:.2f} if {reading}'
        )
    return ', '.join(found)


def _mean_overlap(boxes: np.ndarray, gt: np.ndarray) -> float:
    """Compute the mean over the frames that both have; 0 if there is none."""
    length = min(len(boxes), len(gt))
    with np.errstate(invalid='ignore', over='ignore'):
        each = np.nan_to_num(overlaps(boxes[:length], gt[:length]))
    return each.mean() if length else 0.0
