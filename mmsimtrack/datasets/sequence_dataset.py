"""The base of all tracking data sets, whose items are annotated videos."""

import os.path as osp
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.structures import InstanceData

from mmsimtrack.datasets import archive, frames
from mmsimtrack.datasets.index import open_index, pack_sequences
from mmsimtrack.datasets.video_sequence import VideoSequence, frame_path
from mmsimtrack.fileio import read_bboxes_xywh, read_flags, read_names
from mmsimtrack.log import log
from mmsimtrack.structures import SOTDataSample, check_first_box, has_area

SPLITS = Path(__file__).parent / 'splits'


class SequenceDataset(BaseDataset):
    """A data set whose items are whole sequences.

    A layout is a subclass with data: where frames and boxes lie, which list
    names the sequences, which files hold labels. In the paths of `layouts`,
    `{}` is the name of a sequence, `{class}` what stands before its last `-`,
    and other fields are the `columns` of the list. Code is needed only where
    a data set is odd: `list_names` and `load_data_list` say which sequences
    there are, `load_bboxes` reads an annotation, `count_frames` decides
    whether it fits, `find_scored` says which frames the kit scores.

    Files may lie in zip archives, see `datasets/archive.py`. Annotations are
    parsed once and kept as in `open_index`; options that decide what is
    parsed are attributes that exist when the constructor of this class is
    called.

    An item is a dict: `inputs`, a `FrameReader`, and `data_samples`, a
    `SOTDataSample` with the boxes of the sequence; its `visible` are the
    frames that the kit scores.

    Args:
        data_root: Folder of the data set as downloaded.
        split: A key of `splits`, if the data set has any.
        test_mode: Whether sequences will be tracked: first boxes and frame
            files are then checked before the first frame is tracked.
        indices: Which sequences to take: the first few, or these. By default
            all are taken.
        frames_optional: Whether annotations are taken as they are where
            frames are missing, since results can be scored without frames.
        lazy_init: Whether to read nothing before `full_init` is called.

    Attributes:
        layouts: Pairs of paths below `data_root`: the folder of the frames of
            a sequence, and its file of boxes. The first pair counts of which
            any sequence is there.
        frame_name: Name of a frame, `{:08d}.jpg`, if frames are numbered;
            their digits and endings may differ. Otherwise all frames of the
            folder are taken in their order, see `list_frames`.
        first_frame: Number of the first frame.
        official: Name of the shipped list of sequences, in `splits/`.
        list_file: Path below `data_root` of a list of sequences, which is
            taken if it is given.
        columns: Names of the columns of the list, after the name. With
            `first` and `last`, a sequence is a range of the frames of a
            video.
        splits: The attributes that each split changes, by its name.
        labels: Files of flags beside the annotation, one flag per box, and
            whether a flag above 0 means that the target is visible.
        labels_optional: Whether files of labels may be missing.
        single_frame: Whether this is a set of images: a pair is then cut
            from one frame.
        first_box_only: Whether no more than the first box may be public.
        advice: What else may help if frames and boxes do not fit.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If there is no such split, an annotation does not fit its
            frames, or a first box cannot be tracked.
    """

    layouts: Sequence[tuple[str, str]] = ()
    frame_name = '{}'
    first_frame = 1
    official: str | None = None
    list_file: str | None = None
    columns: tuple[str, ...] = ()
    splits: dict[str | None, dict] = {None: {}}
    labels: dict[str, bool] = {}
    labels_optional = False
    single_frame = False
    first_box_only = False
    advice = ''

    def __init__(
        self,
        data_root: str,
        split: str | None = None,
        test_mode: bool = False,
        indices: int | list[int] | None = None,
        frames_optional: bool = False,
        lazy_init: bool = False,
    ) -> None:
        check_option(f'{type(self).__name__}: split', split, self.splits)
        vars(self).update(self.splits[split], frames_optional=frames_optional)
        self.options = {**vars(self), 'indices': indices}
        super().__init__(
            data_root=str(data_root),
            test_mode=test_mode,
            indices=indices,
            lazy_init=lazy_init,
        )

    # which sequences there are

    def list_names(self) -> list[str]:
        """List the rows of the list of sequences, or names of all folders."""
        if self.list_file is not None:
            path = osp.join(self.data_root, self.list_file)
            return read_names(path, archive.read_bytes)
        if self.official is not None:
            return read_names(SPLITS / f'{self.official}.txt')
        return self.list_folders(self.layouts[0][0].partition('{')[0])

    def list_folders(self, folder: str = '') -> list[str]:
        """List the names of all folders in a folder of the data set.

        Raises:
            FileNotFoundError: If there is no such folder.
        """
        path = osp.join(self.data_root, folder).rstrip('/')
        self.check_folder(path, 'one folder per sequence')
        return archive.list_folder(path)[0]

    def check_root(self) -> None:
        """Raise `FileNotFoundError` if there is no data at all."""
        if not archive.is_folder(self.data_root):
            raise FileNotFoundError(
                f'{type(self).__name__}: {self.data_root} does not exist. '
                'Expected the data set as downloaded; '
                'docs/en/prepare_datasets.md says where to get it. Put it '
                'there, or correct data_root in the config.'
            )

    def check_folder(self, folder: str, expected: str) -> None:
        """Raise `FileNotFoundError` if a folder of the data set is missing."""
        if not archive.is_folder(folder):
            raise FileNotFoundError(
                f'{folder} is missing. Expected {expected}; unpack the full '
                'archive, correct data_root in the config, or set `indices` '
                'there to leave sequences out. tools/dataset_converters/'
                'check_dataset.py lists all that is missing.'
            )

    def load_data_list(self) -> list[dict]:
        """List what `load_sequence` takes, a dict for each sequence.

        It has `name`, `frame_template` and `first_frame` (see
        `VideoSequence`), `annotation`, the file of boxes, and `last_frame`
        if the sequence is a part of a video.
        """
        return self.describe(self.list_names(), self.layouts)

    def describe(
        self, rows: Iterable[str], layouts: Sequence[tuple[str, str]]
    ) -> list[dict]:
        """Fill in the paths of a layout for each row of a list."""
        sequences = [self.parse_row(row) for row in rows]
        folder, boxes = self._choose_layout(sequences, layouts)
        infos = []
        for fields in sequences:
            frames_of = self._fill(folder, fields)
            info = {
                'name': fields['name'],
                'frame_template': osp.join(frames_of, self.frame_name),
                'first_frame': int(fields.get('first', self.first_frame)),
                'annotation': self._fill(boxes, fields),
            }
            if 'last' in fields:
                info['last_frame'] = int(fields['last'])
            infos.append(info)
        return infos

    def parse_row(self, row: str) -> dict[str, str]:
        """Split a row of a list into the fields of paths, and `name`."""
        name, *values = row.split() if self.columns else [row]
        fields = {'': name, 'name': name, 'class': name.rpartition('-')[0]}
        return fields | dict(zip(self.columns, values))

    def _choose_layout(
        self, sequences: list[dict], layouts: Sequence[tuple[str, str]]
    ) -> tuple[str, str]:
        """Find the first layout in which any sequence is there.

        The first sequence that is there decides for all: network disks would
        take long to answer for each of 50,610 at every start.
        """
        checks = (archive.is_folder, 0), (archive.is_file, 1)
        found = (
            layout
            for is_there, part in checks
            for fields in sequences
            for layout in layouts
            if is_there(self._fill(layout[part], fields))
        )
        return next(found, layouts[0]) if len(layouts) > 1 else layouts[0]

    def _fill(self, path: str, fields: dict[str, str]) -> str:
        """Fill in the fields of a path; other braces in it are left alone."""

        def value(match: re.Match) -> str:
            return fields.get(match[1], match[0])

        return osp.join(self.data_root, re.sub(r'\{(\w*)\}', value, path))

    def find_sources(self) -> tuple[list[dict], list[str]]:
        """List the sequences to take, and the paths that they are parsed from.

        Those are folders of frames, annotations and files of labels.
        """
        infos = self.load_data_list()
        self._check_names([info['name'] for info in infos])
        infos = self.take_indices(infos)
        sources = []
        for info in infos:
            folder = osp.dirname(info['frame_template'])
            labels = self.find_labels(info).values()
            sources += [folder, info['annotation'], *labels]
        return infos, sources

    def take_indices(self, items: list) -> list:
        """Take what `indices` says: all, some, the first or the last few."""
        some = self._indices
        if some is None:
            return items
        if isinstance(some, int):
            return items[:some] if some >= 0 else items[some:]
        try:
            return [items[i] for i in some]
        except (IndexError, TypeError):
            raise ValueError(
                f'{type(self).__name__}: indices is {some!r}, expected a '
                f'number of sequences, or a list of numbers below '
                f'{len(items)}. Change it in the config.'
            ) from None

    def _check_names(self, names: list[str]) -> None:
        """Refuse a list without names, and names that no file can have."""
        found = None if names else 'holds no sequence'
        for name, count in Counter(names).items():
            if count > 1:
                found = f'lists the sequence {name!r} twice'
            elif not is_file_name(name):
                found = f'lists the sequence {name!r}'
        if found:
            raise ValueError(
                f'{type(self).__name__}: {self.data_root} {found}. Expected '
                'names that are unique and can be those of files, since '
                'results are: not empty, . or .., without slash, backslash or '
                'NUL. Correct the list, or data_root and split in the config.'
            )

    # how one is read

    def load_sequence(self, info: dict) -> VideoSequence:
        """Read one sequence from the disk and check it.

        A target is visible where its box is finite and has an area, and where
        no label says otherwise.

        Args:
            info: An entry of `load_data_list`.
        """
        # first, since it is what a partly unpacked data set lacks
        names = self.list_frames(info)
        bboxes_xywh = self.load_bboxes(info)
        num_frames = self.fit_frames(info, len(bboxes_xywh), names)
        bboxes_xywh = bboxes_xywh[:num_frames]
        flags = self.load_labels(info, len(bboxes_xywh))
        visible = np.all([has_area(bboxes_xywh), *flags.values()], axis=0)
        template, first = info['frame_template'], info['first_frame']
        names = names[:num_frames]
        numbers = range(first, first + num_frames)
        if names == [osp.basename(template).format(n) for n in numbers]:
            names = ()  # they follow from the template
        return VideoSequence(
            info['name'],
            template,
            first,
            num_frames,
            bboxes_xywh,
            visible,
            self.find_scored(bboxes_xywh, visible, flags),
            tuple(names) or None,
        )

    def list_frames(self, info: dict) -> list[str]:
        """List the names of the frames of a sequence.

        Where frames are optional, the list is empty if any is missing.

        Raises:
            FileNotFoundError: If the folder or a numbered frame is missing,
                unless frames are optional.
        """
        try:
            names, missing = self.match_frames(info)
            if missing:
                raise frames.missing_frame(missing[0])
        except FileNotFoundError:
            if not self.frames_optional:
                raise
            return []
        return names

    def match_frames(self, info: dict) -> tuple[list[str], list[str]]:
        """List names of frames, and paths of frames that should be there.

        Raises:
            FileNotFoundError: If the folder is missing.
        """
        template, first = info['frame_template'], info['first_frame']
        folder, pattern = osp.split(template)
        self.check_folder(folder, 'a folder of frames')
        names = frames.list_frames(folder)
        if pattern == '{}':
            return names, []
        numbers = frames.find_numbers(names, folder)
        last = info.get('last_frame', max(numbers, default=first - 1))
        span = range(first, last + 1)
        missing = [frame_path(template, n) for n in span if n not in numbers]
        return [numbers[n] for n in span if n in numbers], missing

    def load_bboxes(self, info: dict) -> np.ndarray:
        """Read the boxes of a sequence, (num_boxes, 4) xywh."""
        return read_bboxes_xywh(info['annotation'], archive.read_bytes)

    def load_labels(self, info: dict, num_boxes: int) -> dict[str, np.ndarray]:
        """Read each file of labels, (num_boxes,) bool: what it calls visible.

        Raises:
            FileNotFoundError: If a file is missing that is not optional.
            ValueError: If there is not one value per box.
        """
        return {
            name: self.load_label(path, num_boxes) == self.labels[name]
            for name, path in self.find_labels(info).items()
            if archive.is_file(path) or not self.labels_optional
        }

    @staticmethod
    def load_label(path: str, num_boxes: int) -> np.ndarray:
        """Read a file of flags, (num_boxes,) bool: which are above 0."""
        flags = read_flags(path, archive.read_bytes)
        if len(flags) != num_boxes:
            raise ValueError(
                f'{path} has {len(flags)} values, but the annotation beside '
                f'it has {num_boxes} boxes. Expected one value per box; '
                'unpack the sequence again.'
            )
        return flags > 0

    def find_labels(self, info: dict) -> dict[str, str]:
        """Return the paths of the files of labels, by their names."""
        if self.first_box_only:
            return {}
        folder = osp.dirname(info['annotation'])
        return {name: osp.join(folder, name) for name in self.labels}

    def find_scored(self, bboxes_xywh, visible, flags) -> np.ndarray:
        """Say where the kit takes the target for visible, (num_boxes,) bool.

        Args:
            bboxes_xywh: (num_boxes, 4) as annotated.
            visible: (num_boxes,) bool, where training takes it for visible.
            flags: What `load_labels` returns.
        """
        return visible

    def count_frames(self, info, num_boxes, num_files) -> int | None:
        """Return how many frames are used; None if boxes do not fit them.

        Args:
            info: An entry of `load_data_list`.
            num_boxes: Rows of the annotation.
            num_files: Frames in the folder.
        """
        if self.first_box_only and num_boxes == 1 <= num_files:
            return num_files
        return num_files if num_files == num_boxes > 0 else None

    def fit_frames(
        self, info: dict, num_boxes: int, names: Sequence[str]
    ) -> int:
        """Return how many frames are used.

        Args:
            info: An entry of `load_data_list`.
            num_boxes: Rows of the annotation.
            names: Names of the frames; none where they are optional.

        Raises:
            ValueError: If boxes do not fit the frames, or their range.
        """
        num_files, is_range = len(names), 'last_frame' in info
        if is_range:  # its length is known, whether frames are there or not
            num_files = info['last_frame'] - info['first_frame'] + 1
        num_frames = self.count_frames(info, num_boxes, num_files)
        found = (
            f'{type(self).__name__}: {osp.dirname(info["frame_template"])} '
            f'holds {num_files} frames, but {info["annotation"]} has '
            f'{num_boxes} boxes'
        )
        if num_frames is None:
            if self.frames_optional and not is_range:
                return num_boxes
            raise ValueError(
                f'{found}. Expected one box per frame; unpack or create the '
                f'sequence again. {self.advice}'.rstrip()
            )
        one_is_enough = self.first_box_only and num_boxes == 1
        if not num_frames == num_boxes == num_files and not one_is_enough:
            used = f'the first {num_frames} of both are used'
            log(f'{found}; {used}.')
        return num_frames

    # the data set of mmengine

    def full_init(self) -> None:
        """List the sequences and open their annotations, once."""
        if self._fully_initialized:
            return
        self._index = open_index(self)
        self._fully_initialized = True
        if self.test_mode and not self.frames_optional:
            self._check_for_tracking()

    def parse(self, infos: list[dict]) -> dict[str, np.ndarray]:
        """Make the columns of the index; see `pack_sequences`."""
        return pack_sequences(map(self.load_sequence, infos))

    def _check_for_tracking(self) -> None:
        """Raise what would stop a test, before it starts.

        Raises:
            FileNotFoundError: If a frame is missing.
            ValueError: If a frame is no image, or a first box cannot be
                tracked. Frames in archives are not looked at.
        """
        name = type(self).__name__
        log(
            f'{name}: checking {self.num_frames().sum()} frames of '
            f'{len(self)} sequences before tracking'
        )
        with ThreadPoolExecutor(8) as pool:
            for sequence in map(self.get_sequence, range(len(self))):
                if osp.isdir(osp.dirname(sequence.frame_template)):
                    list(pool.map(frames.check_frame, sequence.frame_paths()))
                check_first_box(
                    sequence.bboxes[0],
                    frames.image_shape(sequence.frame_path(0)),
                    f'{name}: sequence {sequence.name}',
                )

    def __len__(self) -> int:
        return len(self._index)

    def get_sequence(self, i: int) -> VideoSequence:
        """Return sequence i, from the parsed annotations; -1 is the last."""
        return self._index[i]

    def num_frames(self) -> np.ndarray:
        """Return the number of frames of each sequence, (N,)."""
        return self._index.arrays['num_frames']

    def num_visible(self) -> np.ndarray:
        """Count the frames that show the target, (N,) of each sequence."""
        arrays = self._index.arrays
        starts = arrays['offsets'][:-1]
        return np.add.reduceat(arrays['visible'], starts, dtype=int)

    def prepare_data(self, idx: int) -> dict:
        """Return an item of the data set; see the class."""
        sequence = self.get_sequence(idx)
        about = {
            'sequence': sequence.name,
            'index': range(len(self))[idx],
            'img_shape': frames.image_shape(sequence.frame_path(0)),
            'num_frames': len(sequence),
        }
        sample = SOTDataSample(metainfo=about)
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(sequence.bboxes),
            bboxes_xywh=torch.tensor(sequence.bboxes_xywh),
            visible=torch.tensor(sequence.scored),
        )
        reader = frames.FrameReader(sequence.frame_paths())
        return {'inputs': reader, 'data_samples': sample}


def check_option(name: str, value, options: Iterable) -> None:
    """Raise `ValueError` if an option of the config has no such value."""
    if value not in options:
        raise ValueError(
            f'{name} is {value!r}, expected one of {list(options)}. Change '
            'it in the config.'
        )


def is_file_name(name: str) -> bool:
    """Tell whether a file can have a name, on every system."""
    return name not in ('', '.', '..') and not set(name) & set('/\\\0')
