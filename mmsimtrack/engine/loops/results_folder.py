"""Files of a test: boxes and times of each sequence."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
from datetime import datetime
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log

from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.fileio import (
    read_bboxes_xywh,
    replace_atomically,
    write_bboxes_xywh,
)
from mmsimtrack.structures import xywh_to_xyxy, xyxy_to_xywh

MADE_BY_A_TEST = (
    'submission.zip',
    'metrics*',
    'results',
    'times',
    'results.json',
)


class ResultsFolder:
    """`results/` and `times/` of a test, and `results.json`, what it was.

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
            resume: None: as above. True: refuse results of another test.
                False: set all results aside.

        Returns:
            Indices of the sequences without a complete result.

        Raises:
            ValueError: If `resume` is True and meets results of another test.
        """
        noted = self._read_note()
        if resume and noted != test and self._has_results():
            raise ValueError(
                f'{self.results} holds results of {noted or "an unknown test"}'
                f', but this test is {test}. Give another --work-dir, or '
                'leave out --resume to set those results aside.'
            )
        if noted != test or resume is False:
            self._set_aside()
        self.make()
        for folder in (self.results, self.times):
            # half written when a test died, see `replace_atomically`
            for path in folder.glob('.*.txt'):
                if path.stem.rpartition('.')[2].isdigit():
                    path.unlink(missing_ok=True)
        with replace_atomically(self.note) as temporary:
            temporary.write_text(json.dumps(test, indent=2) + '\n')
        sequences = map(dataset.get_sequence, range(len(dataset)))
        missing = [
            i
            for i, sequence in enumerate(sequences)
            if self.read(sequence.name, len(sequence)) is None
        ]
        if len(missing) < len(dataset):
            print_log(
                f'{self.results}: {len(dataset) - len(missing)} of '
                f'{len(dataset)} sequences are finished and kept; --overwrite '
                'tracks them again.',
                'current',
            )
        return missing

    def make(self) -> None:
        """Make the folders of boxes and times."""
        for folder in (self.results, self.times):
            folder.mkdir(parents=True, exist_ok=True)

    def _read_note(self) -> dict | None:
        """What the results here are of, if that is known."""
        try:
            return json.loads(self.note.read_text())
        except (OSError, ValueError):
            return None

    def _has_results(self) -> bool:
        return any(self.results.glob('*.txt'))

    def _set_aside(self) -> None:
        """Move the results and what was made of them to `earlier/<date>`."""
        # results before times, which make them whole, and the note last: it
        # tells whose results are left if this is stopped
        paths = [
            path
            for name in MADE_BY_A_TEST
            for path in self.work_dir.glob(name)
        ]
        if not paths:
            return
        folder = self.work_dir / 'earlier' / f'{datetime.now():%Y%m%d_%H%M%S}'
        while folder.exists():
            folder = folder.with_name(f'{folder.name}_')
        folder.mkdir(parents=True)
        for path in paths:
            path.rename(folder / path.name)
        print_log(
            f'{self.results} held results of another test, or --overwrite was '
            f'given: they were moved to {folder}.',
            'current',
            logging.WARNING,
        )

    def write(
        self, name: str, bboxes: np.ndarray, seconds: np.ndarray
    ) -> None:
        """Write a finished sequence; never leaves half of it.

        Args:
            name: Of the sequence.
            bboxes: (T, 4) xyxy in frame pixels.
            seconds: (T,).
        """
        with replace_atomically(self.times / f'{name}.txt') as temporary:
            np.savetxt(temporary, seconds, fmt='%.6f')
        # last, since it is what says that the sequence is done
        path = self.results / f'{name}.txt'
        write_bboxes_xywh(path, xyxy_to_xywh(bboxes))

    def read(self, name: str, num_frames: int) -> np.ndarray | None:
        """(T, 4) xyxy of a sequence, None if there is no complete result."""
        path = self.results / f'{name}.txt'
        if not path.exists():
            return None
        try:
            bboxes = xywh_to_xyxy(read_bboxes_xywh(path))
        except ValueError as error:
            print_log(f'Tracked again: {error}', 'current', logging.WARNING)
            return None
        whole = np.isfinite(bboxes).all() and len(bboxes) == num_frames
        whole &= not (bboxes[:, 2:] < bboxes[:, :2]).any()
        if not whole or not self._has_times(name, num_frames):
            print_log(
                f'Tracked again: {path} has {len(bboxes)} rows for '
                f'{num_frames} frames, NaN or negative sizes, or lacks its '
                f'times in {self.times}.',
                'current',
                logging.WARNING,
            )
            return None
        return bboxes

    def _has_times(self, name: str, num_frames: int) -> bool:
        try:
            seconds = np.loadtxt(self.times / f'{name}.txt', ndmin=1)
        except (OSError, ValueError):
            return False
        return len(seconds) == num_frames and bool(np.isfinite(seconds).all())


def describe_test(cfg: Config, **settings) -> dict:
    """What must be the same for results to belong together.

    Args:
        cfg: Of the run; its checkpoint, model and data count.
        **settings: Of the test loop.
    """
    checkpoint = cfg.get('load_from')
    dataset = dict(cfg.get('test_dataloader', {}).get('dataset', {}))
    if 'data_root' in dataset:
        dataset['data_root'] = str(Path(dataset['data_root']).resolve())
    parts = repr([cfg.get('model'), sorted(dataset.items(), key=str)])
    found = {
        # whose weights are not known is the same as no other test
        'checkpoint': str(Path(checkpoint).resolve())
        if checkpoint
        else f'unknown, {uuid.uuid4()}',
        'model_and_data': hashlib.sha256(parts.encode()).hexdigest()[:16],
        **settings,
    }
    if checkpoint and Path(checkpoint).exists():
        found['modified'] = Path(checkpoint).stat().st_mtime
    return found
