"""Result files: where they lie, and what looks wrong in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmsimtrack.evaluation.functional import RefusedFile, overlaps
from mmsimtrack.structures import xyxy_to_xywh


def find_results(
    folder: Path, name: str, optional: bool = False
) -> tuple[Path, ...]:
    """Find the result files of a sequence, one per run.

    `<name>.txt`, or `<name>_001.txt` and so on; both may lie in a folder of
    that name. Names as pytracking writes them will do: `nfs_<name>`,
    `uav_<name>`, and `Jogging_1` for `Jogging-1`.

    Args:
        folder: Results of one tracker.
        name: The sequence.
        optional: Whether a result may be missing.

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
    if optional:
        return ()
    raise RefusedFile(
        folder / f'{name}.txt',
        'is missing. Track the sequence, or give a file with the names of '
        'those to score.',
    )


def find_oddity(result_xywh: np.ndarray, gt_xywh: np.ndarray) -> str | None:
    """Say what is probably wrong with a result, in a few words.

    Args:
        result_xywh: (M, 4).
        gt_xywh: (N, 4).
    """
    if len(result_xywh) != len(gt_xywh):
        return f'{len(result_xywh)} rows for {len(gt_xywh)} frames'
    result, gt = result_xywh[1:], gt_xywh[1:]  # the first is the annotation's
    if not len(result):
        return None
    if (result[:, 2:] < 1).all():
        return 'all boxes are below 1 px: are they fractions of the frame?'
    swapped = xyxy_to_xywh(result)
    swapped[:, 2:] = np.maximum(swapped[:, 2:], 0)
    with np.errstate(invalid='ignore', over='ignore'):
        as_is, as_xyxy = (
            np.nan_to_num(overlaps(boxes, gt)).mean()
            for boxes in (result, swapped)
        )
    if as_xyxy > as_is + 0.2:
        return (
            f'mean overlap {as_is:.2f}, but {as_xyxy:.2f} if rows were '
            'x1,y1,x2,y2: expected x,y,w,h'
        )
    return None
