"""Find everything that is wrong with the files of a sequence."""

import os.path as osp
from collections.abc import Callable, Iterable

import numpy as np
from mmengine import fileio

from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.datasets.folder_dataset import FrameFolderDataset
from mmsimtrack.datasets.frame_files import check_frame_folder
from mmsimtrack.datasets.frame_reader import image_shape, missing_frame
from mmsimtrack.structures import check_first_box, xywh_to_xyxy
from mmsimtrack.structures.annotation_file import read_labels


class Problems(list):
    """Messages of errors."""

    def attempt(self, function: Callable, *args):
        """What the function returns; None if it fails, which is noted."""
        try:
            return function(*args)
        except (OSError, ValueError, ImportError) as error:
            self.append(str(error))
        return None


def check_sequence(
    dataset: SequenceDataset, read: Callable, info: dict
) -> tuple[list[str], int]:
    """Problems of a sequence, and the number of its frames.

    Args:
        dataset: That it belongs to.
        read: Checks a frame, and raises what is wrong with it.
        info: An entry of `load_data_list`.
    """
    problems, backend_args = Problems(), dataset.backend_args
    folder = osp.dirname(info['frame_template'])
    problems.attempt(check_frame_folder, folder, backend_args)
    annotated = osp.dirname(info['annotation'])
    if problems and not fileio.isdir(annotated, backend_args):
        return problems, 0  # nothing is there of this sequence
    bboxes_xywh = problems.attempt(dataset.load_bboxes, info)
    num_boxes = None if bboxes_xywh is None else len(bboxes_xywh)
    if num_boxes is not None:
        problems += check_labels(dataset, info, num_boxes)
    if not fileio.isdir(folder, backend_args):
        return problems, 0
    if isinstance(dataset, FrameFolderDataset):
        info = dataset.list_frames(info)
    paths, missing = find_frames(dataset, info, num_boxes)
    problems += [str(missing_frame(path)) for path in missing]
    if num_boxes is not None and not missing:
        problems.attempt(dataset.count_frames, info, num_boxes)
    broken = check_frames(paths, read)
    if dataset.test_mode and num_boxes and paths and not broken:
        problems.attempt(check_start, dataset, info, bboxes_xywh, paths[0])
    return problems + broken, len(paths)


def check_labels(dataset, info: dict, num_boxes: int) -> list[str]:
    """Problems of the label files of a sequence."""
    problems = Problems()
    problems.attempt(dataset.load_visible, info, num_boxes)
    if problems:
        # that was the first, there may be more
        problems.clear()
        for path in dataset.find_labels(info):
            backend_args = dataset.backend_args
            problems.attempt(read_labels, path, num_boxes, backend_args)
    return problems


def find_frames(
    dataset, info: dict, num_boxes: int | None
) -> tuple[list[str], list[str]]:
    """Paths of the frames that are there, and of those that should be."""
    template, first = info['frame_template'], info['first_frame']
    if 'frame_names' in info:
        return [template.format(name) for name in info['frame_names']], []
    folder, ending = osp.dirname(template), osp.splitext(template)[1]
    backend_args = dataset.backend_args
    names = set(
        fileio.list_dir_or_file(
            folder, False, True, ending, backend_args=backend_args
        )
    )
    numbers = [int(n) for n in map(_stem, names) if n.isdigit()]
    last = max(numbers, default=first)
    if 'last_frame' in info:
        last = info['last_frame']
    elif num_boxes is not None and not dataset.first_box_only:
        last = first + num_boxes - 1
    paths = [template.format(number) for number in range(first, last + 1)]
    there = [osp.basename(path) in names for path in paths]
    return (
        [path for path, found in zip(paths, there) if found],
        [path for path, found in zip(paths, there) if not found],
    )


def _stem(name: str) -> str:
    return osp.splitext(name)[0]


def check_frames(paths: Iterable[str], read: Callable) -> list[str]:
    """Problems of frames."""
    problems = Problems()
    for path in paths:
        problems.attempt(read, path)
    return problems


def check_start(dataset, info: dict, bboxes_xywh: np.ndarray, path: str):
    """Raise what makes it impossible to track from the first box."""
    name = f'{type(dataset).__name__}: sequence {info["name"]}'
    shape = image_shape(path, dataset.backend_args)
    check_first_box(xywh_to_xyxy(bboxes_xywh)[0], shape, name)
