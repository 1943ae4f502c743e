"""Find out whether the files of a sequence fit its annotation."""

import os.path as osp
from concurrent.futures import ThreadPoolExecutor

from mmengine import fileio
from mmengine.logging import print_log

from mmsimtrack.datasets.frame_reader import (
    check_frame,
    image_shape,
    missing_frame,
)
from mmsimtrack.structures import check_first_box


def check_frame_folder(folder: str, backend_args: dict | None = None) -> None:
    """Find out whether a sequence is there.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if not fileio.isdir(folder, backend_args):
        raise FileNotFoundError(
            f'{folder} is missing. Expected a folder of frames; unpack the '
            'full archive, correct data_root in the config, or set `indices` '
            'there to leave the sequence out. '
            'tools/dataset_converters/check_dataset.py lists all that is '
            'missing.'
        )


def check_frame_files(dataset, info: dict, num_boxes: int) -> int:
    """Number of frames in a folder, if they fit the annotation.

    Args:
        dataset: A `SequenceDataset`. If it has first boxes only, one box is
            right for any number of frames.
        info: An entry of its `load_data_list`.
        num_boxes: Rows of the annotation.

    Raises:
        FileNotFoundError: If the first or the last frame is missing.
        ValueError: If the numbers of frames and boxes differ.
    """
    template, first_frame = info['frame_template'], info['first_frame']
    folder, ending, names = _list_frames(template, dataset.backend_args)
    one_is_enough = dataset.first_box_only and num_boxes == 1
    if not names or not (num_boxes == len(names) or one_is_enough):
        raise ValueError(
            f'{type(dataset).__name__}: {folder} holds {len(names)} frames '
            f'({ending}), but {info["annotation"]} has {num_boxes} boxes. '
            'Expected one box per frame; unpack the sequence again.'
        )
    for number in (first_frame, first_frame + len(names) - 1):
        path = template.format(number)
        if osp.basename(path) not in names:
            raise missing_frame(path)
    return len(names)


def check_frame_range(
    frame_template: str,
    first_frame: int,
    num_frames: int,
    backend_args: dict | None = None,
) -> int:
    """Number of frames in a folder, if it holds at least a range of them.

    Raises:
        FileNotFoundError: If a frame of the range is missing.
    """
    names = _list_frames(frame_template, backend_args)[-1]
    for number in range(first_frame, first_frame + num_frames):
        path = frame_template.format(number)
        if osp.basename(path) not in names:
            raise missing_frame(path)
    return len(names)


def check_part_of_video(dataset, info: dict, num_boxes: int) -> int:
    """Length of a range of the frames of a video, if it fits its boxes.

    Args:
        dataset: A `SequenceDataset`.
        info: An entry of its `load_data_list` with `last_frame`.
        num_boxes: Rows of the annotation.

    Raises:
        FileNotFoundError: If a frame of the range is missing.
        ValueError: If the annotation has another length.
    """
    first_frame, last_frame = info['first_frame'], info['last_frame']
    num_frames = last_frame - first_frame + 1
    if num_boxes != num_frames:
        raise ValueError(
            f'{type(dataset).__name__}: {info["annotation"]} has {num_boxes} '
            f'boxes, expected {num_frames}, for frames {first_frame} to '
            f'{last_frame} of its video. Unpack the annotations again. '
            f'{dataset.advice}'.rstrip()
        )
    check_frame_range(
        info['frame_template'], first_frame, num_frames, dataset.backend_args
    )
    return num_frames


def check_for_tracking(dataset) -> None:
    """Find what would stop a test, before it starts.

    Args:
        dataset: A `SequenceDataset`. All its frames are looked at, unless a
            backend serves them.

    Raises:
        FileNotFoundError: If a frame is missing.
        ValueError: If a frame is no image, or a first box cannot be tracked.
    """
    name, backend_args = type(dataset).__name__, dataset.backend_args
    print_log(
        f'{name}: checking {dataset.num_frames().sum()} frames of '
        f'{len(dataset)} sequences before tracking',
        'current',
    )
    with ThreadPoolExecutor(8) as pool:
        for i in range(len(dataset)):
            sequence = dataset.get_sequence(i)
            if backend_args is None:
                list(pool.map(check_frame, sequence.frame_paths()))
            check_first_box(
                sequence.bboxes[0],
                image_shape(sequence.frame_path(0), backend_args),
                f'{name}: sequence {sequence.name}',
            )


def _list_frames(
    frame_template: str, backend_args: dict | None
) -> tuple[str, str, set[str]]:
    """Folder, ending and names of the files that end as the template does."""
    folder = osp.dirname(frame_template)
    ending = osp.splitext(frame_template)[1]
    names = fileio.list_dir_or_file(
        folder, False, True, ending, backend_args=backend_args
    )
    return folder, ending, set(names)
