"""Files that tracking writes: rows as they come, a video, a sheet."""

import csv
import itertools
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from tempfile import TemporaryFile

from mmsimtrack.apis.follow import Job, Step
from mmsimtrack.apis.sources import MANIFEST, Footage, written_names
from mmsimtrack.fileio import PathLike, naming_disk, write_json
from mmsimtrack.structures import xyxy_to_xywh
from mmsimtrack.visualization import VideoWriter, contact_sheet, write_image

HEADER = 'frame,time,id,x,y,w,h,score,lost\n'
ENDINGS = dict(csv='.csv', json='.json', mot='.mot.txt', txt='.txt')
ENDINGS['coco'] = '.coco.json'
LINES = {  # of a target in a frame
    'csv': '{n},{time:.6f},{id},{box},{score:.4f},{lost:d}\n',
    'mot': '{next},{id},{box},{confidence:.4f},-1,-1,-1\n',
}
MAX_TILES = 16  # frames on a contact sheet, twice as many as there may be


def append(file: FileIO, text: str) -> None:
    """Append whole lines to an unbuffered file.

    Raises:
        OSError: If there is no room; what is there stays as it was.
    """
    content, end = text.encode(), file.tell()
    try:
        while content:
            content = content[file.write(content) :]
    except OSError:
        file.seek(end)
        file.truncate()
        raise


@dataclass(eq=False)
class Outputs:
    """The files of one tracked source, which begin with its first frame.

    No file is replaced but, with `overwrite`, those that this library wrote
    itself; names that are taken get a number. Rows are on the disk as soon
    as they are added.

    Attributes:
        footage: The source.
        ids: Numbers of all targets that will be followed.
        out_dir: Folder for `<name>_tracked.*`; it may be that of the source.
        formats: Some of `ENDINGS`. `csv` has a row per frame and target,
            frames from 0; `mot` counts from 1, and the confidence of a lost
            target is 0; `txt` has `x,y,w,h` alone, a line per frame, NaN
            before the target starts, and a file for each of several targets.
        video: Write a video with boxes drawn, `.mp4`.
        sheet: Write a contact sheet of it, `.png`.
        overwrite: Replace own files instead of taking another number.
        model: Name of the tracker, for `json`.
        taken: Files that are not to be replaced either, those of other
            sources of the same run; own files are added.
        files: Paths by `boxes` (the first format), `video`, `sheet` and the
            names of the formats.
        num_frames: Frames so far.

    Raises:
        ValueError: If there is no such format.
    """

    footage: Footage
    ids: Sequence[int]
    out_dir: PathLike
    formats: Sequence[str] = ('csv',)
    video: bool = True
    sheet: bool = True
    overwrite: bool = False
    model: str = ''
    taken: set[Path] = field(default_factory=set)
    files: dict[str, Path] = field(default_factory=dict)
    num_frames: int = 0

    def __post_init__(self) -> None:
        if set(self.formats) - set(ENDINGS):  # also a text
            raise ValueError(
                f'formats is {self.formats!r}, expected a list of some of '
                f'{", ".join(ENDINGS)}.'
            )
        self._closing = ExitStack()  # last opened, first closed
        self._rows, self._video = {}, None
        self._sizes = {}  # (W, H), by the first frame that has it
        self._tiles, self._stride = [], 1  # of the contact sheet

    def _open(self) -> None:
        """Create all files."""
        endings = {name: ENDINGS[name] for name in self.formats}
        if 'txt' in endings and len(self.ids) > 1:
            del endings['txt']
            endings |= {f'txt{i}': f'_id{i}.txt' for i in self.ids}
        rows = [name for name in endings if name not in ('json', 'coco')]
        first = next(iter(endings), None)
        endings |= {'video': '.mp4'} if self.video else {}
        endings |= {'sheet': '.png'} if self.sheet else {}
        folder = Path(self.out_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self.files = self._claim(folder, endings)
        self._closing.callback(
            self._leave_out_empty, list(self.files.values())
        )
        if first:
            self.files['boxes'] = self.files[first]
        opened = {name: open(self.files[name], 'w+b', 0) for name in rows}
        if 'csv' not in opened:  # what other formats are made of
            opened['csv'] = TemporaryFile('w+b', 0, dir=folder)
        for name, file in opened.items():
            self._rows[name] = self._closing.enter_context(file)
        self._closing.callback(self._finish, opened['csv'])
        append(opened['csv'], HEADER)
        if self.video:
            reader, path = self.footage.reader, self.files['video']
            self._video = VideoWriter(path, reader.fps, reader.sound)
            self._closing.callback(self._video.close)

    def _claim(self, folder: Path, endings: dict) -> dict[str, Path]:
        """Create all files under names that are free."""
        for number in itertools.count(1):
            stem = self.footage.name + '_tracked'
            stem += f'_{number}' if number > 1 else ''
            paths = {k: folder / (stem + end) for k, end in endings.items()}
            with suppress(FileExistsError), ExitStack() as undoing:
                for path in paths.values():
                    if not self._may_replace(path):
                        path.open('x').close()
                        undoing.callback(path.unlink)
                names = ''.join(f'{p.name}\n' for p in paths.values())
                with (folder / MANIFEST).open('ab') as file:
                    file.write(os.fsencode(names))
                undoing.pop_all()
                self.taken.update(paths.values())
                return paths

    def _may_replace(self, path: Path) -> bool:
        """Tell whether a file is one of ours, and none of the source.

        An empty one counts as ours: it is what a kill at once leaves behind.
        """
        return (
            self.overwrite
            and path not in self.taken
            and path.is_file()
            and (
                path.stat().st_size == 0
                or path.name in written_names(path.parent)
            )
            and not any(
                path.samefile(file)
                for file in self.footage.reader.files
                if Path(file).exists()
            )
        )

    def add(self, step: Step) -> None:
        """Write what is to say about a frame.

        Raises:
            OSError: If there is no room for it.
        """
        with naming_disk(self.out_dir):
            self._add(step)

    def _add(self, step: Step) -> None:
        if not self._rows:
            self._open()
        size = step.frame.shape[1::-1]
        if size not in list(self._sizes.values())[-1:]:
            if len(self._sizes) == 1:
                warnings.warn(
                    f'{self.footage.source}: from frame {step.number} on, '
                    'frames have another size. Boxes are in pixels of their '
                    'own frame; the video keeps the first size.',
                    stacklevel=1,
                )
            self._sizes[step.number] = size
        boxes = xyxy_to_xywh(step.bboxes).tolist()
        found = zip(step.ids, boxes, step.scores, step.lost)
        about = dict(n=step.number, next=step.number + 1, time=step.time)
        rows = {}
        for id_, box, score, lost in found:
            box = ','.join(f'{value:.4f}' for value in box)
            scores = dict(score=score, lost=lost, confidence=score * ~lost)
            rows[id_] = dict(id=id_, box=box, **scores, **about)
        for name, file in self._rows.items():
            if name in LINES:
                lines = [LINES[name].format(**row) for row in rows.values()]
                append(file, ''.join(lines))
            else:
                row = rows.get(int(name[3:] or self.ids[0]), {})
                append(file, row.get('box', 'nan,nan,nan,nan') + '\n')
        if self._video is not None:
            self._video.write(step.drawn, step.time)
        if self.sheet and self.num_frames % self._stride == 0:
            self._tiles.append(contact_sheet([step.drawn], 1))
            if len(self._tiles) == MAX_TILES:  # the length is not known
                self._tiles, self._stride = self._tiles[::2], 2 * self._stride
        self.num_frames += 1

    def close(self) -> None:
        """Complete all files, each even if another one fails.

        Raises:
            OSError: If one could not be completed.
        """
        with naming_disk(self.out_dir):
            self._closing.close()

    def _finish(self, spool: FileIO) -> None:
        """Write what needs all rows; they are read from `spool`."""
        with ExitStack() as each:
            for name, make in (('json', self._json), ('coco', self._coco)):
                if name in self.files and self.num_frames:
                    path, content = self.files[name], make(_read_rows(spool))
                    each.callback(write_json, path, content, None)
            if self._tiles:
                sheet = contact_sheet(self._tiles)
                each.callback(write_image, self.files['sheet'], sheet)

    def _leave_out_empty(self, paths: list[Path]) -> None:
        """Remove files of which nothing has come."""
        for path in paths:
            if not self.num_frames or not path.stat().st_size:
                path.unlink()
        self.files = {
            k: path for k, path in self.files.items() if path.exists()
        }

    def _json(self, rows: Iterator[tuple]) -> dict:
        tracks = {}
        for number, time, id_, bbox, about in rows:
            row = dict(frame=number, time=time, bbox=bbox, **about)
            tracks.setdefault(id_, []).append(row)
        tracks = [dict(id=i, frames=rows) for i, rows in tracks.items()]
        source, fps = self.footage.source, float(self.footage.reader.fps)
        about = dict(source=str(source), fps=fps, model=self.model)
        return dict(**about, tracks=tracks)

    def _coco(self, rows: Iterator[tuple]) -> dict:
        images, annotations, names = {}, [], self.footage.reader.names
        for number, _, id_, bbox, about in rows:
            image = number + 1  # ids of COCO count from 1
            if image not in images:
                begin = max(n for n in self._sizes if n <= number)
                width, height = self._sizes[begin]
                name = names[number] if names else f'frame_{number:06d}.png'
                size = dict(width=width, height=height)
                images[image] = dict(id=image, file_name=name, **size)
            box = dict(bbox=bbox, area=bbox[2] * bbox[3], iscrowd=0)
            target = dict(category_id=1, track_id=id_, **about, **box)
            row = dict(id=len(annotations) + 1, image_id=image, **target)
            annotations.append(row)
        categories, images = [dict(id=1, name='target')], list(images.values())
        return dict(
            images=images, annotations=annotations, categories=categories
        )


def write_all(jobs: list[Job], out_dir: PathLike | None, **options) -> None:
    """Let jobs write files, none over those of another one; see `Outputs`.

    Without a folder, nothing is written, but the options are checked.
    """
    taken = set()
    for job in jobs:
        ids = sorted({id_ for _, id_, _ in job.starts})
        options = {**options, 'taken': taken}
        outputs = Outputs(job.footage, ids, out_dir, **options)
        job.outputs = outputs if out_dir is not None else None


def _read_rows(file: FileIO) -> Iterator[tuple]:
    """Yield frame, time, id and box of each row, and what it says of it."""
    file.seek(0)
    lines = file.read().decode().splitlines()
    for number, time, id_, *box, score, lost in list(csv.reader(lines))[1:]:
        box = [float(value) for value in box]
        about = dict(score=float(score), lost=lost == '1')
        yield int(number), float(time), int(id_), box, about
