"""Track the sequences of a benchmark, and write down what was tracked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import TestLoop
from mmengine.structures import InstanceData

from mmsimtrack.datasets import FrameReader
from mmsimtrack.models import SimTrack
from mmsimtrack.registry import LOOPS
from mmsimtrack.structures import SOTDataSample, xywh_to_xyxy, xyxy_to_xywh
from mmsimtrack.structures.annotation_file import (
    read_bboxes_xywh,
    replace_atomically,
    write_bboxes_xywh,
)


@LOOPS.register_module()
class SequenceTestLoop(TestLoop):
    """Tracks one sequence after the other.

    Each finished sequence is written at once, to
    `<work_dir>/results/<sequence>.txt` (x,y,w,h per frame, first box
    included) and `<work_dir>/times/<sequence>.txt` (seconds per frame);
    metrics are computed from these files.

    Args:
        runner: The runner.
        dataloader: Of a `SequenceDataset`, batch size 1, `pseudo_collate`.
        evaluator: Config of the metrics.
        amp_dtype: `float16` or `bfloat16` to track under autocast, None for
            full precision.
        resume: Keep the sequences whose result files are complete, as left
            by an interrupted test of the same checkpoint; else all sequences
            are tracked, and their files replaced.
        wrong_exemplar: A control experiment: each sequence is tracked from
            its own first box, but with the exemplar of the next sequence. A
            tracker that scores the same does not look at its exemplar.
    """

    def __init__(
        self,
        runner,
        dataloader,
        evaluator,
        amp_dtype: str | None = None,
        resume: bool = False,
        wrong_exemplar: bool = False,
    ) -> None:
        super().__init__(runner, dataloader, evaluator)
        self.amp_dtype = amp_dtype
        self.resume = resume
        self.wrong_exemplar = wrong_exemplar
        self.results_dir = Path(runner.work_dir) / 'results'
        self.times_dir = Path(runner.work_dir) / 'times'
        for metric in self.evaluator.metrics:
            metric.results_dir = str(self.results_dir)

    def run(self) -> dict:
        """Track all sequences; returns the metrics."""
        if is_main_process():
            self._prepare_folders()
            for metric in self.evaluator.metrics:
                metric.check_annotations(self.dataloader.dataset)
        barrier()
        return super().run()

    def _prepare_folders(self) -> None:
        """Keep the results of an interrupted test, or make room for new ones.

        Raises:
            ValueError: If `resume` meets results of another test.
        """
        note = self.results_dir.parent / 'results.json'
        found = self._describe_test()
        if self.resume and note.exists():
            noted = json.loads(note.read_text())
            if noted != found:
                raise ValueError(
                    f'{self.results_dir} holds results of {noted}, but this '
                    f'test is {found}. Give another --work-dir, or leave out '
                    '--resume to track all sequences again.'
                )
        dataset = self.dataloader.dataset
        for folder in (self.results_dir, self.times_dir):
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.glob('.*'):  # half written when a test died
                path.unlink()
            if not (self.resume and note.exists()):
                for i in range(len(dataset)):
                    name = dataset.get_sequence(i).name
                    (folder / f'{name}.txt').unlink(missing_ok=True)
        with replace_atomically(note) as temporary:
            temporary.write_text(json.dumps(found, indent=2) + '\n')

    def _describe_test(self) -> dict:
        """What must be the same for results to belong together."""
        cfg = self.runner.cfg
        checkpoint = cfg.get('load_from')
        parts = [cfg.get('model'), cfg.get('test_dataloader')]
        digest = hashlib.sha256(repr(parts).encode()).hexdigest()
        found = {
            'checkpoint': checkpoint and str(Path(checkpoint).resolve()),
            'model_and_data': digest[:16],
            'amp_dtype': self.amp_dtype,
            'wrong_exemplar': self.wrong_exemplar,
        }
        if checkpoint and Path(checkpoint).exists():
            found['modified'] = Path(checkpoint).stat().st_mtime
        return found

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Track one sequence, or find it done.

        Args:
            idx: Number of the sequence.
            data_batch: `inputs` = [FrameReader] and `data_samples` =
                [SOTDataSample].
        """
        self.runner.call_hook(
            'before_test_iter', batch_idx=idx, data_batch=data_batch
        )
        (reader,), (sample,) = data_batch['inputs'], data_batch['data_samples']
        bboxes = self._finished(sample)
        if bboxes is not None:
            sample.pred_instances = InstanceData(
                bboxes=torch.from_numpy(bboxes),
                scores=torch.full((len(bboxes),), torch.nan),
            )
        else:
            start = time.perf_counter()
            self._track(reader, sample)
            fps = len(reader) / (time.perf_counter() - start)
            print_log(
                f'Tracked {sample.sequence} ({idx + 1}/'
                f'{len(self.dataloader)}): {len(reader)} frames, '
                f'{fps:.1f} frames/s with reading',
                'current',
            )
        self.evaluator.process(data_samples=[sample], data_batch=data_batch)
        self.runner.call_hook(
            'after_test_iter',
            batch_idx=idx,
            data_batch=data_batch,
            outputs=[sample],
        )

    def track(
        self, model: SimTrack, reader: FrameReader, sample: SOTDataSample
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Track one sequence from its first box.

        Returns:
            (T, 4) xyxy, (T,) scores and (T,) seconds per frame without the
            wait for the reader.
        """
        bboxes, scores, seconds = [], [], []
        state = None
        for frame in reader:
            start = time.perf_counter()
            if state is None:
                state = model.init([frame], sample.gt_instances.bboxes[:1])
                if self.wrong_exemplar:
                    state = replace(state, memory=self._other(model, sample))
            else:
                state = model.track([frame], state)
            seconds.append(time.perf_counter() - start)
            bboxes.append(state.bboxes[0].numpy())
            scores.append(state.scores[0].item())
        if state.kept[0]:
            print_log(
                f'{sample.sequence}: {scores.count(0)} predictions were not '
                'finite; the previous box was kept.',
                'current',
                level=logging.WARNING,
            )
        return np.stack(bboxes), np.array(scores), np.array(seconds)

    def _other(self, model: SimTrack, sample: SOTDataSample) -> tuple:
        """Memory of the next sequence of the data set."""
        dataset = self.dataloader.dataset
        other = dataset.get_sequence((sample.index + 1) % len(dataset))
        state = model.init([other.read_frame(0)], other.bboxes[:1])
        return state.memory

    def _track(self, reader: FrameReader, sample: SOTDataSample) -> None:
        """Track, write the files and fill in the prediction."""
        model = self.runner.model
        if is_model_wrapper(model):
            model = model.module
        with self._precision(next(model.parameters()).device.type):
            bboxes, scores, seconds = self.track(model, reader, sample)
        sample.pred_instances = InstanceData(
            bboxes=torch.from_numpy(bboxes), scores=torch.from_numpy(scores)
        )
        name = f'{sample.sequence}.txt'
        with replace_atomically(self.times_dir / name) as temporary:
            np.savetxt(temporary, seconds, fmt='%.6f')
        # last, since it is what says that the sequence is done
        write_bboxes_xywh(self.results_dir / name, xyxy_to_xywh(bboxes))

    def _precision(self, device: str):
        """Context in which the network runs."""
        if self.amp_dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(device, getattr(torch, self.amp_dtype))

    def _finished(self, sample: SOTDataSample) -> np.ndarray | None:
        """(T, 4) xyxy of a sequence that the resumed test has finished."""
        path = self.results_dir / f'{sample.sequence}.txt'
        if not self.resume or not path.exists():
            return None
        bboxes = xywh_to_xyxy(read_bboxes_xywh(path))
        return bboxes if len(bboxes) == sample.num_frames else None
