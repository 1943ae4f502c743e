"""Track the sequences of a benchmark, and write down what was tracked."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import (
    broadcast_object_list,
    get_rank,
    get_world_size,
    is_main_process,
)
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import TestLoop
from mmengine.structures import InstanceData

from mmsimtrack.datasets import FrameReader
from mmsimtrack.engine.loops.results_folder import ResultsFolder, describe_test
from mmsimtrack.engine.loops.sequence_batch import (
    RunningSequence,
    open_sequences,
    share_sequences,
    track_together,
)
from mmsimtrack.models import SOTTracker, TrackState
from mmsimtrack.registry import LOOPS
from mmsimtrack.structures import SOTDataSample

LOG_INTERVAL = 60  # seconds


@LOOPS.register_module()
class SequenceTestLoop(TestLoop):
    """Tracks many sequences at once.

    Each rank keeps `num_slots` sequences alive: every step takes the next
    frame of each and runs the network on one batch. Sequences are shared
    between the ranks by their length, see `share_sequences`. The result of a
    sequence does not depend on its companions, but for the rounding of a
    network that runs on another batch size.

    Each finished sequence is written at once, to
    `<work_dir>/results/<sequence>.txt` (x,y,w,h per frame, first box
    included) and `<work_dir>/times/<sequence>.txt` (seconds per frame: its
    share of the time of its batch; with one slot the latency).

    A metric is a `BaseMetric` of mmengine: `process` gets each finished
    sequence, `compute_metrics` all at the end. It may have one more method,
    `before_tracking(dataset, results_dir)`, which is called on every rank
    before the first frame is tracked: there it can raise what would make it
    fail afterwards, and learn where the results are.

    As `val_cfg`, the loop validates the model in training: it tracks all
    sequences and writes to `<work_dir>/validation/iter_<n>/`.

    Args:
        runner: The runner.
        dataloader: Of a `SequenceDataset`; its batches and samplers are not
            used.
        evaluator: Config of the metrics.
        num_slots: Sequences to track at a time, on each rank.
        amp_dtype: `float16` or `bfloat16` to track under autocast, None for
            full precision.
        resume: None keeps the sequences whose result files are complete, as
            left by an interrupted test of the same checkpoint, model and
            data, and sets results of other tests aside; True refuses those;
            False tracks all sequences again.

    Raises:
        ValueError: If there is no slot.
    """

    def __init__(
        self,
        runner,
        dataloader,
        evaluator,
        num_slots: int = 1,
        amp_dtype: str | None = None,
        resume: bool | None = None,
    ) -> None:
        if num_slots < 1:
            raise ValueError(
                f'SequenceTestLoop: num_slots is {num_slots}, expected at '
                'least 1. Change test_cfg.num_slots or --num-slots.'
            )
        super().__init__(runner, dataloader, evaluator)
        self.num_slots = num_slots
        self.amp_dtype = amp_dtype
        self.resume = resume
        self.stage = 'test'
        self.folder = ResultsFolder(runner.work_dir)

    @property
    def model(self) -> SOTTracker:
        """The tracker, without its wrapper."""
        model = self.runner.model
        return model.module if is_model_wrapper(model) else model

    def run(self) -> dict:
        """Track all sequences; returns the metrics."""
        # `val_loop` would build a loop that nobody asked for
        self.stage = 'val' if self.runner._val_loop is self else 'test'
        if self.stage == 'val':
            name = f'validation/iter_{self.runner.iter}'
            self.folder = ResultsFolder(Path(self.runner.work_dir, name))
        dataset = self.dataloader.dataset
        # first, since it may refuse
        for metric in self.evaluator.metrics:
            if hasattr(metric, 'before_tracking'):
                metric.before_tracking(dataset, self.folder.results)
        missing = [self._prepare() if is_main_process() else None]
        # by one rank for all: files of the others may appear any moment
        broadcast_object_list(missing)
        hook = self.runner.call_hook
        hook(f'before_{self.stage}')
        hook(f'before_{self.stage}_epoch')
        self.runner.model.eval()
        done = self._report_finished(set(missing[0]))
        self._track_missing(missing[0], done)
        metrics = self.evaluator.evaluate(len(dataset))
        hook(f'after_{self.stage}_epoch', metrics=metrics)
        hook(f'after_{self.stage}')
        return metrics

    def _prepare(self) -> list[int]:
        """Make the folders; returns the sequences to track."""
        dataset = self.dataloader.dataset
        if self.stage == 'val':
            self.folder.make()
            return list(range(len(dataset)))
        test = describe_test(self.runner.cfg, amp_dtype=self.amp_dtype)
        return self.folder.prepare(dataset, test, self.resume)

    def _report_finished(self, missing: set[int]) -> int:
        """Report what an interrupted test has finished; returns how much."""
        dataset = self.dataloader.dataset
        finished = [i for i in range(len(dataset)) if i not in missing]
        mine = finished[get_rank() :: get_world_size()]
        for idx, i in enumerate(mine):
            item = dataset[i]
            sample = item['data_samples']
            bboxes = self.folder.read(sample.sequence, sample.num_frames)
            scores = np.full(len(bboxes), np.nan)
            self._report(idx, item['inputs'], sample, bboxes, scores)
        return len(mine)

    def _track_missing(self, missing: list[int], done: int) -> None:
        """Track what is this rank's, and write and report it."""
        dataset = self.dataloader.dataset
        num_frames = dataset.num_frames()[missing]
        share = share_sequences(num_frames, get_world_size())[get_rank()]
        mine = [missing[i] for i in share]
        batches = track_together(
            open_sequences(dataset, mine, self.num_slots),
            self.num_slots,
            self.start,
            self.track,
        )
        shared = get_world_size() > 1
        of = f'{len(mine)} of rank {get_rank()}' if shared else len(mine)
        log = FrameLog(int(num_frames[share].sum()))
        num_done = 0
        for batch_size, finished in batches:
            log.add(batch_size)
            for sequence in finished:
                self._write(sequence, done + num_done)
                num_done += 1
                name = sequence.sample.sequence
                log.write(f'Tracked {name} ({num_done}/{of})')

    @torch.no_grad()
    def start(
        self, frames: Sequence[np.ndarray], samples: Sequence[SOTDataSample]
    ) -> TrackState:
        """State of sequences after their first frames."""
        bboxes = torch.cat([s.gt_instances.bboxes[:1] for s in samples])
        with self._precision():
            state = self.model.init(frames, bboxes)
        device = state.memory[0].device
        if device.type != 'cpu':  # its time is not that of the next batch
            torch.accelerator.synchronize(device)
        return state

    @torch.no_grad()
    def track(
        self, frames: Sequence[np.ndarray], state: TrackState
    ) -> TrackState:
        """State of sequences after their next frames."""
        with self._precision():
            return self.model.track(frames, state)

    def _precision(self):
        """Context in which the network runs."""
        if self.amp_dtype is None:
            return contextlib.nullcontext()
        device = next(self.model.parameters()).device.type
        return torch.autocast(device, getattr(torch, self.amp_dtype))

    def _write(self, sequence: RunningSequence, idx: int) -> None:
        """Write the files of a finished sequence, and report it."""
        sample, scores = sequence.sample, np.array(sequence.scores)
        bboxes = np.stack(sequence.bboxes)
        if sequence.num_lost:
            print_log(
                f'{sample.sequence}: {sequence.num_lost} predictions were not '
                'finite; the previous box was kept.',
                'current',
                level=logging.WARNING,
            )
        self.folder.write(sample.sequence, bboxes, np.array(sequence.seconds))
        self._report(idx, sequence.reader, sample, bboxes, scores)

    def _report(
        self,
        idx: int,
        reader: FrameReader,
        sample: SOTDataSample,
        bboxes: np.ndarray,
        scores: np.ndarray,
    ) -> None:
        """Tell metrics and hooks of a sequence that is done."""
        sample.pred_instances = InstanceData(
            bboxes=torch.from_numpy(bboxes), scores=torch.from_numpy(scores)
        )
        batch = {'inputs': [reader], 'data_samples': [sample]}
        hook = self.runner.call_hook
        about = dict(batch_idx=idx, data_batch=batch)
        hook(f'before_{self.stage}_iter', **about)
        self.evaluator.process(data_samples=[sample], data_batch=batch)
        hook(f'after_{self.stage}_iter', outputs=[sample], **about)


class FrameLog:
    """Logs frames that are done, per second, and the time that is left.

    Args:
        num_frames: To do in this process.
    """

    def __init__(self, num_frames: int) -> None:
        self.num_frames = num_frames
        self.done = 0
        self.start = self.written = time.monotonic()

    def add(self, num_frames: int) -> None:
        """Count frames; log where no sequence ended for a while."""
        self.done += num_frames
        if time.monotonic() - self.written > LOG_INTERVAL:
            self.write('Tracking')

    def write(self, text: str) -> None:
        """Log a line that ends with the progress."""
        self.written = time.monotonic()
        fps = self.done / max(self.written - self.start, 1e-9)
        left = timedelta(seconds=round((self.num_frames - self.done) / fps))
        print_log(
            f'{text}: {self.done} of {self.num_frames} frames, {fps:.1f} '
            f'frames/s with reading, {left} left',
            'current',
        )
