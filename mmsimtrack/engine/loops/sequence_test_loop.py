"""The loop that tracks the sequences of a benchmark and writes results."""

import contextlib
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from mmengine import dist
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

    Where a metric or a hook fails, the other sequences are still tracked; the
    error is raised at the end, when no result can get lost.

    As `val_cfg`, the loop validates the model in training: it tracks all
    sequences and writes to `<work_dir>/validation/iter_<n>/`.

    Args:
        runner: The runner.
        dataloader: Holds a `SequenceDataset`; its batches and samplers are
            not used.
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
        self.num_slots, self.amp_dtype = num_slots, amp_dtype
        self.resume, self.stage = resume, 'test'
        self.folder = ResultsFolder(runner.work_dir)

    @property
    def model(self) -> SOTTracker:
        """The tracker, without its wrapper."""
        model = self.runner.model
        return model.module if is_model_wrapper(model) else model

    def run(self) -> dict:
        """Track all sequences and return the metrics."""
        # `val_loop` would build a loop that nobody asked for
        self.stage = 'val' if self.runner._val_loop is self else 'test'
        if self.stage == 'val':
            name = f'validation/iter_{self.runner.iter}'
            self.folder = ResultsFolder(Path(self.runner.work_dir, name))
        dataset, hook = self.dataloader.dataset, self.runner.call_hook
        # first, since it may refuse
        for metric in self.evaluator.metrics:
            if hasattr(metric, 'before_tracking'):
                metric.before_tracking(dataset, self.folder.results)
        missing = [self._prepare() if dist.is_main_process() else None]
        # by one rank for all: files of the others may appear any moment
        dist.broadcast_object_list(missing)
        hook(f'before_{self.stage}')
        hook(f'before_{self.stage}_epoch')
        self.runner.model.eval()
        self.failure = None
        with torch.no_grad(), self._precision():
            done = self._report_finished(missing[0])
            self._track_missing(missing[0], done)
        if self.failure:
            raise self.failure
        metrics = self.evaluator.evaluate(len(dataset))
        hook(f'after_{self.stage}_epoch', metrics=metrics)
        hook(f'after_{self.stage}')
        return metrics

    def _prepare(self) -> list[int]:
        """Make the folders, and return indices of the sequences to track."""
        dataset = self.dataloader.dataset
        if self.stage == 'val':
            self.folder.make()
            return list(range(len(dataset)))
        test = describe_test(self.runner.cfg, amp_dtype=self.amp_dtype)
        return self.folder.prepare(dataset, test, self.resume)

    def _report_finished(self, missing: list[int]) -> int:
        """Report the sequences that were finished before; return how many."""
        dataset = self.dataloader.dataset
        finished = sorted({*range(len(dataset))} - {*missing})
        mine = finished[dist.get_rank() :: dist.get_world_size()]
        for idx, i in enumerate(mine):
            item = dataset[i]
            sample = item['data_samples']
            bboxes = self.folder.read(sample.sequence, sample.num_frames)
            scores = np.full(len(bboxes), np.nan)
            self._report(idx, item['inputs'], sample, bboxes, scores)
        return len(mine)

    def _track_missing(self, missing: list[int], idx: int) -> None:
        """Track the sequences that fall to this rank; write and report them.

        Args:
            missing: Indices of the sequences that are to be tracked.
            idx: How many sequences this rank has reported before.
        """
        dataset, rank = self.dataloader.dataset, dist.get_rank()
        lengths = dataset.num_frames()[missing]
        share = share_sequences(lengths, dist.get_world_size())[rank]
        mine = [missing[i] for i in share]
        opened = open_sequences(dataset, mine, self.num_slots)
        tracked = track_together(
            opened, self.num_slots, self.start, self.model.track
        )
        num_frames, done, num_done = int(lengths[share].sum()), 0, 0
        begin = written = time.monotonic()
        for batch_size, finished in tracked:
            done += batch_size
            texts = []
            for sequence in finished:
                self._write(sequence, idx + num_done)
                num_done += 1
                name = sequence.sample.sequence
                texts.append(f'Tracked {name} ({num_done}/{len(share)})')
            now = time.monotonic()
            if not finished and now - written > LOG_INTERVAL:
                texts = ['Tracking']
            for text in texts:
                written, fps = now, done / max(now - begin, 1e-9)
                left = timedelta(seconds=round((num_frames - done) / fps))
                self.runner.logger.info(
                    f'{text}: {done} of {num_frames} frames of rank {rank}, '
                    f'{fps:.1f} frames/s with reading, {left} left'
                )

    def start(
        self, frames: Sequence[np.ndarray], samples: Sequence[SOTDataSample]
    ) -> TrackState:
        """Return the state of sequences after their first frames."""
        bboxes = torch.cat([s.gt_instances.bboxes[:1] for s in samples])
        state = self.model.init(frames, bboxes)
        device = state.memory[0].device
        if device.type != 'cpu':  # its time is not that of the next batch
            torch.accelerator.synchronize(device)
        return state

    def _precision(self):
        """Return the context in which the network runs."""
        if self.amp_dtype is None:
            return contextlib.nullcontext()
        device = next(self.model.parameters()).device.type
        return torch.autocast(device, getattr(torch, self.amp_dtype))

    def _write(self, sequence: RunningSequence, idx: int) -> None:
        """Write the files of a finished sequence, and report it."""
        sample, reader = sequence.sample, sequence.reader
        if sequence.num_lost:
            self.runner.logger.warning(
                f'{sample.sequence}: {sequence.num_lost} predictions were not '
                'finite; the previous box was kept.'
            )
        bboxes, scores = np.stack(sequence.bboxes), np.array(sequence.scores)
        self.folder.write(sample.sequence, bboxes, np.array(sequence.seconds))
        self._report(idx, reader, sample, bboxes, scores)

    def _report(
        self, idx: int, reader: FrameReader, sample: SOTDataSample, *pred
    ) -> None:
        """Tell metrics and hooks of a sequence: its boxes and scores."""
        bboxes, scores = map(torch.from_numpy, pred)
        sample.pred_instances = InstanceData(bboxes=bboxes, scores=scores)
        batch = {'inputs': [reader], 'data_samples': [sample]}
        hook = self.runner.call_hook
        about = dict(batch_idx=idx, data_batch=batch)
        try:
            hook(f'before_{self.stage}_iter', **about)
            self.evaluator.process(data_samples=[sample], data_batch=batch)
            hook(f'after_{self.stage}_iter', outputs=[sample], **about)
        except Exception as error:  # raised by `run`, after tracking
            if self.failure is None:
                self.failure = error
                self.runner.logger.exception(
                    f'{sample.sequence}: a metric or a hook failed. The other '
                    'sequences are tracked before the test ends so.'
                )
