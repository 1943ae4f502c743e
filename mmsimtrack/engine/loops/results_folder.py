"""Files of a test: boxes and times of each sequence."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from datetime import datetime
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log

from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.structures import xywh_to_xyxy, xyxy_to_xywh
from mmsimtrack.structures.annotation_file import (
    read_bboxes_xywh,
    replace_atomically,
    write_bboxes_xywh,
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
        for folder in (self.results, self.times):
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.glob('.*'):  # half written when a test died
                path.unlink()
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
        if not self._has_results():
            return
        folder = self.work_dir / 'earlier' / f'{datetime.now():%Y%m%d_%H%M%S}'
        while folder.exists():
            folder = folder.with_name(f'{folder.name}_')
        folder.mkdir(parents=True)
        # the note last: it tells whose results are left if this is stopped
        for name in (
            'submission.zip',
            'metrics*',
            'times',
            'results',
            'results.json',
        ):
            for path in self.work_dir.glob(name):
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
        if not whole or (bboxes[:, 2:] < bboxes[:, :2]).any():
            print_log(
                f'Tracked again: {path} has {len(bboxes)} rows for '
                f'{num_frames} frames, NaN or negative sizes.',
                'current',
                logging.WARNING,
            )
            return None
        return bboxes


def describe_test(cfg: Config, **settings) -> dict:
    """What must be the same for results to belong together.

    Args:
        cfg: Of the run; its checkpoint, model and data count.
        **settings: Of the test loop.
    """
    checkpoint = cfg.get('load_from')
    parts = [cfg.get('model'), cfg.get('test_dataloader')]
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    found = {
        'checkpoint': checkpoint and str(Path(checkpoint).resolve()),
        'model_and_data': digest[:16],
        **settings,
    }
    if checkpoint and Path(checkpoint).exists():
        found['modified'] = Path(checkpoint).stat().st_mtime
    return found
