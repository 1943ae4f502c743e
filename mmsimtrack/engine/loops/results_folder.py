"""Files of a test: boxes and times of each sequence."""

from __future__ import annotations

import hashlib
import json
import logging
import os
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
        self.note = Path(work_dir) / 'results.json'
        self.results = Path(work_dir) / 'results'
        self.times = Path(work_dir) / 'times'
        # what is made of the results when all are there
        self.reports = [
            Path(work_dir) / name
            for name in ('metrics.json', 'submission.zip')
        ]

    def prepare(
        self, dataset: SequenceDataset, test: dict, resume: bool
    ) -> list[int]:
        """Keep the results of an interrupted test, or make room for new ones.

        Args:
            dataset: The sequences.
            test: What must be the same for results to belong together.
            resume: Whether to keep results of the same test.

        Returns:
            Indices of the sequences without a complete result.

        Raises:
            ValueError: If `resume` meets results of another test.
        """
        resume = resume and self.note.exists()
        if resume:
            self._check_note(test)
        sequences = [dataset.get_sequence(i) for i in range(len(dataset))]
        outdated = [] if resume else list(self.reports)
        for folder in (self.results, self.times):
            folder.mkdir(parents=True, exist_ok=True)
            outdated += folder.glob('.*')  # half written when a test died
            if not resume:
                outdated += [folder / f'{s.name}.txt' for s in sequences]
        for path in outdated:
            path.unlink(missing_ok=True)
        with replace_atomically(self.note) as temporary:
            temporary.write_text(json.dumps(test, indent=2) + '\n')
        return [
            i
            for i, sequence in enumerate(sequences)
            if self.read(sequence.name, len(sequence)) is None
        ]

    def _check_note(self, test: dict) -> None:
        noted = json.loads(self.note.read_text())
        if noted != test:
            raise ValueError(
                f'{self.results} holds results of {noted}, but this test is '
                f'{test}. Give another --work-dir, or leave out --resume to '
                'track all sequences again.'
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
        return bboxes if len(bboxes) == num_frames else None


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
