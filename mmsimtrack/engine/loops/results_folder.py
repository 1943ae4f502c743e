"""The folder in which a test keeps boxes and times of each sequence."""

import hashlib
import json
import os
import uuid
from datetime import datetime
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.fileio import (
    read_bboxes_xywh,
    replace_atomically,
    write_bboxes_xywh,
    write_json,
)
from mmsimtrack.log import log, warn
from mmsimtrack.structures import xywh_to_xyxy, xyxy_to_xywh


class ResultsFolder:
    """Keeps `results/`, `times/` and `results.json`, which says of what test.

    Args:
        work_dir: Folder of the test.
    """

    def __init__(self, work_dir: str | os.PathLike) -> None:
        self.work_dir = Path(work_dir)
        self.note = self.work_dir / 'results.json'
        self.results = self.work_dir / 'results'
        self.times = self.work_dir / 'times'

    def prepare(
        self, dataset: SequenceDataset, test: dict, resume: bool | None
    ) -> list[int]:
        """Keep the results of the same test, and set others aside.

        Args:
            dataset: The sequences.
            test: What must be the same for results to belong together.
            resume: None does as the first line says. True refuses results of
                another test instead, False sets all results aside.

        Returns:
            Indices of the sequences without a complete result.

        Raises:
            ValueError: If `resume` is True and meets results of another test.
        """
        try:
            noted = json.loads(self.note.read_text())
        except (OSError, ValueError):
            noted = None
        if resume and noted != test and any(self.results.glob('*.txt')):
            raise ValueError(
                f'{self.results} holds results of {noted or "an unknown test"}'
                f', but this test is {test}. Give another --work-dir, or '
                'leave out --resume to set those results aside.'
            )
        if noted != test or resume is False:
            self._set_aside()
        self.make()
        write_json(self.note, test)
        missing = []
        for i in range(len(dataset)):
            sequence = dataset.get_sequence(i)
            if self.read(sequence.name, len(sequence)) is None:
                missing.append(i)
        finished = len(dataset) - len(missing)
        if finished:
            log(
                f'{self.results}: {finished} of {len(dataset)} sequences are '
                'finished and kept; --overwrite tracks them again.'
            )
        return missing

    def make(self) -> None:
        """Make the folders; sweep up what a kill left half written there."""
        for folder in (self.results, self.times):
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.glob('.*.[0-9]*.txt'):
                path.unlink(missing_ok=True)

    def _set_aside(self) -> None:
        """Move the results and what was made of them to `earlier/<date>`."""
        # in this order: if a kill stops this, a result without times counts as
        # not finished, and the note says which test the rest belongs to
        names = 'submission.zip metrics* results times results.json'.split()
        paths = [path for name in names for path in self.work_dir.glob(name)]
        if not paths:
            return
        folder = self.work_dir / 'earlier' / f'{datetime.now():%Y%m%d_%H%M%S}'
        while folder.exists():
            folder = folder.with_name(f'{folder.name}_')
        folder.mkdir(parents=True)
        for path in paths:
            path.rename(folder / path.name)
        warn(
            f'{self.results} held results of another test, or --overwrite was '
            f'given: they were moved to {folder}.'
        )

    def write(
        self, name: str, bboxes: np.ndarray, seconds: np.ndarray
    ) -> None:
        """Write a finished sequence; never leaves half of it.

        Args:
            name: Name of the sequence.
            bboxes: (T, 4) xyxy in frame pixels.
            seconds: (T,) time of each frame.
        """
        with replace_atomically(self.times / f'{name}.txt') as temporary:
            np.savetxt(temporary, seconds, fmt='%.6f')
        # last, since it is what says that the sequence is done
        path = self.results / f'{name}.txt'
        write_bboxes_xywh(path, xyxy_to_xywh(bboxes))

    def read(self, name: str, num_frames: int) -> np.ndarray | None:
        """Read the boxes of a sequence that is finished.

        Returns:
            (T, 4) xyxy in frame pixels; None if there is no result, or the
            log says why the sequence has to be tracked again.
        """
        path = self.results / f'{name}.txt'
        if not path.exists():
            return None
        try:
            bboxes = xywh_to_xyxy(read_bboxes_xywh(path))
            seconds = np.loadtxt(self.times / path.name, ndmin=1)
            if len(bboxes) == len(seconds) == num_frames:
                sound = np.isfinite(np.c_[bboxes, seconds]).all()
                if sound and (bboxes[:, 2:] >= bboxes[:, :2]).all():
                    return bboxes
            problem = (
                f'{path} has {len(bboxes)} rows and {len(seconds)} times for '
                f'{num_frames} frames, NaN or negative sizes.'
            )
        except (OSError, ValueError) as error:
            problem = error
        warn(f'Tracked again: {problem}')
        return None


def describe_test(cfg: Config, **settings) -> dict:
    """Say what must be the same for results to belong together.

    Args:
        cfg: Config of the run; its checkpoint, model and data count.
        **settings: Those of the test loop that count.
    """
    dataset = dict(cfg.get('test_dataloader', {}).get('dataset', {}))
    if 'data_root' in dataset:
        dataset['data_root'] = str(Path(dataset['data_root']).resolve())
    parts = repr([cfg.get('model'), sorted(dataset.items(), key=str)])
    # with unknown weights, two tests are never taken for the same
    checkpoint = Path(cfg.get('load_from') or f'unknown, {uuid.uuid4()}')
    return {
        'checkpoint': str(checkpoint.resolve()),
        'modified': checkpoint.exists() and checkpoint.stat().st_mtime,
        'model_and_data': hashlib.sha256(parts.encode()).hexdigest()[:16],
        **settings,
    }
