"""Files that tracking writes: rows as they come, a video, a sheet."""

from __future__ import annotations

import csv
import itertools
import json
import os
from bisect import bisect
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from mmsimtrack.apis.follow import Job, Step
from mmsimtrack.apis.sources import MANIFEST, Footage, written_names
from mmsimtrack.fileio import replace_atomically
from mmsimtrack.structures import xyxy_to_xywh
from mmsimtrack.visualization import (
    SOTVisualizer,
    VideoWriter,
    contact_sheet,
    write_image,
)

HEADER = 'frame,time,id,x,y,w,h,score\n'
ENDINGS = {
    'csv': '.csv',
    'json': '.json',
    'mot': '.mot.txt',
    'coco': '.coco.json',
    'txt': '.txt',
}


class RowFile:
    """A text file that always ends with a whole line, on the disk at once.

    Args:
        path: File to empty and to write.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, 'wb', buffering=0)

    def write(self, text: str) -> None:
        """Append whole lines.

        Raises:
            OSError: If there is no room; what is there stays as it was.
        """
        content, end = text.encode(), self._file.tell()
        try:
            written = self._file.write(content)
            if written < len(content):
                self._file.write(content[written:])
        except OSError:
            self._file.seek(end)
            self._file.truncate()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Outputs:
    """The files of one tracked source.

    No file is replaced but, with `overwrite`, those that this library wrote
    itself; names that are taken get a number. Rows are on the disk as soon
    as they are added.

    Args:
        footage: The source.
        ids: Of all targets that will be followed.
        out_dir: Folder for `<name>_tracked.*`; it may be that of the source.
        formats: Some of `ENDINGS`. `csv` has a row per frame and target,
            frames from 0; `mot` counts from 1; `txt` has `x,y,w,h` alone, a
            line per frame, NaN before the target starts, and a file for each
            of several targets.
        video: Write a video with boxes drawn, `.mp4`.
        sheet: Write a contact sheet of it, `.png`.
        overwrite: Replace own files instead of taking another number.
        model: Name of the tracker, for `json`.
        threshold: Boxes with a lower score are not drawn.
        taken: Files that are not to be replaced either, those of other
            sources of the same run; own files are added.

    Attributes:
        files: Paths by `boxes` (the first format), `video`, `sheet` and the
            names of the formats.
    """

    def __init__(
        self,
        footage: Footage,
        ids: Sequence[int],
        out_dir: str | os.PathLike,
        formats: Sequence[str] = ('csv',),
        video: bool = True,
        sheet: bool = True,
        overwrite: bool = False,
        model: str = '',
        threshold: float = 0,
        taken: set[Path] | None = None,
    ) -> None:
        self.footage, self.model, self.threshold = footage, model, threshold
        self.overwrite = overwrite
        self._taken = set() if taken is None else taken
        self.num_frames = 0
        self._sizes = []  # number of a frame and (W, H), at each change
        suffixes = {}
        for name in formats:
            suffixes[name] = ENDINGS[name]
            if name == 'txt' and len(ids) > 1:
                del suffixes[name]
                suffixes |= {f'txt{i}': f'_id{i}.txt' for i in ids}
        rows = list(suffixes)
        if video:
            suffixes['video'] = '.mp4'
        if sheet:
            suffixes['sheet'] = '.png'
        Path(out_dir).mkdir(parents=True, exist_ok=True)
        self.files = self._claim(Path(out_dir), suffixes)
        self._all = dict(self.files)
        if rows:
            self.files['boxes'] = self.files[rows[0]]
        self._rows = {
            name: RowFile(self.files[name])
            for name in rows
            if name not in ('json', 'coco')
        }
        self._spool = self._all.get('csv')
        if self._spool is None:
            stem = f'.{footage.name}_tracked.{os.getpid()}.rows'
            self._spool = Path(out_dir, stem)
            self._rows['csv'] = RowFile(self._spool)
        self._rows['csv'].write(HEADER)
        self._ids = {f'txt{i}': i for i in ids} | {'txt': ids[0]}
        self._video = None
        if video:
            self._video = VideoWriter(
                self.files['video'],
                footage.reader.fps,
                audio=getattr(footage.reader, 'sound', None),
                keep_partial=True,
            ).__enter__()
        self._shown = _Shown() if sheet else None

    def _claim(
        self, folder: Path, suffixes: dict[str, str]
    ) -> dict[str, Path]:
        """Create all files under names that are free."""
        for number in itertools.count(1):
            stem = self.footage.name + '_tracked'
            stem += f'_{number}' if number > 1 else ''
            paths = {k: folder / (stem + end) for k, end in suffixes.items()}
            created = []
            try:
                for path in paths.values():
                    if not self._may_replace(path):
                        if path.exists():
                            raise FileExistsError
                        # noted before it can be taken for a frame
                        with (folder / MANIFEST).open(
                            'a', encoding='utf-8'
                        ) as manifest:
                            manifest.write(f'{path.name}\n')
                        path.open('x').close()
                        created.append(path)
            except FileExistsError:
                for path in created:
                    path.unlink()
                continue
            self._taken.update(paths.values())
            return paths

    def _may_replace(self, path: Path) -> bool:
        """Whether a file is one of ours, and none of the source."""
        if not self.overwrite or path in self._taken:
            return False
        if path.name not in written_names(path.parent):
            return False
        return path.is_file() and not any(
            path.samefile(file)
            for file in self.footage.reader.files
            if Path(file).exists()
        )

    def add(self, step: Step) -> np.ndarray | None:
        """Write the rows of a frame, and draw it.

        Returns:
            The drawn frame, (H, W, 3) RGB uint8; None if none was needed.
        """
        size = step.frame.shape[1::-1]
        if not self._sizes or self._sizes[-1][1] != size:
            self._sizes.append((step.number, size))
        boxes = dict(zip(step.ids, xyxy_to_xywh(step.bboxes).tolist()))
        texts = {i: ','.join(f'{v:.4f}' for v in b) for i, b in boxes.items()}
        scores = dict(zip(step.ids, step.scores.tolist()))
        rows = {'csv': '', 'mot': ''}
        for i, text in texts.items():
            score = f'{scores[i]:.4f}'
            rows['csv'] += (
                f'{step.number},{step.time:.6f},{i},{text},{score}\n'
            )
            rows['mot'] += f'{step.number + 1},{i},{text},{score},-1,-1,-1\n'
        for name, file in self._rows.items():
            if name in rows:
                file.write(rows[name])
            else:
                file.write(
                    texts.get(self._ids[name], 'nan,nan,nan,nan') + '\n'
                )
        self.num_frames += 1
        if self._video is None and self._shown is None:
            return None
        drawn = draw_step(step, self.threshold)
        if self._video is not None:
            self._video.write(drawn, step.time)
        if self._shown is not None:
            self._shown.add(drawn)
        return drawn

    def close(self) -> None:
        """Complete all files, each even if another one fails.

        Raises:
            OSError: If one could not be completed.
        """
        errors = []

        def attempt(function: Callable, *args) -> None:
            try:
                function(*args)
            except OSError as error:
                errors.append(error)

        for file in self._rows.values():
            attempt(file.close)
        if self._video is not None:
            attempt(self._video.__exit__, None, None, None)
        if self.num_frames:
            if self._shown is not None:
                sheet = contact_sheet(self._shown.frames)
                attempt(write_image, self.files['sheet'], sheet)
            for name, write in (('json', self._json), ('coco', self._coco)):
                if name in self._all:
                    attempt(self._write_json, self._all[name], write)
        for path in self._all.values():
            # claimed, and nothing came of it
            if not self.num_frames or not path.stat().st_size:
                path.unlink()
                self.files = {k: v for k, v in self.files.items() if v != path}
        if 'csv' not in self._all:
            with suppress(OSError):
                self._spool.unlink()
        if errors:
            raise errors[0]

    def _write_json(self, path: Path, content: Callable) -> None:
        with open(self._spool, newline='', encoding='utf-8') as file:
            text = json.dumps(content(csv.DictReader(file)))
        with replace_atomically(path) as temporary:
            temporary.write_text(text + '\n', 'utf-8')

    def _json(self, rows: csv.DictReader) -> dict:
        tracks = {}
        for row in rows:
            tracks.setdefault(int(row['id']), []).append(
                {
                    'frame': int(row['frame']),
                    'time': float(row['time']),
                    'bbox': [float(row[key]) for key in 'xywh'],
                    'score': float(row['score']),
                }
            )
        return {
            'source': str(self.footage.source),
            'fps': float(self.footage.reader.fps),
            'model': self.model,
            'tracks': [{'id': i, 'frames': t} for i, t in tracks.items()],
        }

    def _coco(self, rows: csv.DictReader) -> dict:
        images, annotations = {}, []
        names = getattr(self.footage.reader, 'names', None)
        begins = [number for number, _ in self._sizes]
        for row in rows:
            number = int(row['frame'])
            width, height = self._sizes[bisect(begins, number) - 1][1]
            name = names[number] if names else f'frame_{number:06d}.png'
            images[number] = {
                'id': number + 1,
                'file_name': name,
                'width': width,
                'height': height,
            }
            bbox = [float(row[key]) for key in 'xywh']
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': number + 1,
                    'category_id': 1,
                    'track_id': int(row['id']),
                    'bbox': bbox,
                    'area': bbox[2] * bbox[3],
                    'iscrowd': 0,
                    'score': float(row['score']),
                }
            )
        return {
            'images': list(images.values()),
            'annotations': annotations,
            'categories': [{'id': 1, 'name': 'target'}],
        }


def outputs_of(job: Job, out_dir: str | os.PathLike, **options) -> Outputs:
    """The files of a job, created with its first frame; see `Outputs`."""
    if job.outputs is None:
        ids = sorted({start[1] for start in job.starts} | set(job.ids))
        job.outputs = Outputs(job.footage, ids, out_dir, **options)
    return job.outputs


def draw_step(step: Step, threshold: float = 0) -> np.ndarray:
    """Draw the boxes of a step on a copy of its frame.

    Several targets have a color and a label each.
    """
    text = f'#{step.number}'
    bboxes = np.where((step.scores >= threshold)[:, None], step.bboxes, np.nan)
    if step.ids == [1]:
        text += f'  {step.scores[0]:.2f}'
        return SOTVisualizer.draw_frame(step.frame, bboxes[0], text=text)
    labels = [f'{i} {s:.2f}' for i, s in zip(step.ids, step.scores)]
    return SOTVisualizer.draw_targets(
        step.frame, step.ids, bboxes, labels, text
    )


class _Shown:
    """Frames spread over a video whose length is not known: at most 2N.

    Every `step`-th frame is held; when there are too many, every second one
    goes and `step` doubles.
    """

    def __init__(self, num_wanted: int = 8, width: int = 320) -> None:
        self.frames = []
        self.num_wanted = num_wanted
        self.width = width
        self.step = 1
        self.count = 0

    def add(self, frame: np.ndarray) -> None:
        if self.count % self.step == 0:
            if frame.shape[1] > self.width:  # as small as on the sheet
                height = round(self.width * frame.shape[0] / frame.shape[1])
                frame = cv2.resize(
                    frame,
                    (self.width, max(height, 1)),
                    interpolation=cv2.INTER_AREA,
                )
            self.frames.append(frame)
        self.count += 1
        if len(self.frames) == 2 * self.num_wanted:
            self.frames = self.frames[::2]
            self.step *= 2
