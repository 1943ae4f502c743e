"""Scores of one-pass evaluation, from the files that the test loop wrote."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.evaluation.functional import (
    frame_errors,
    get_profile,
    overall_curves,
    overall_scores,
    sequence_scores,
)
from mmsimtrack.evaluation.metrics.submission import pack_unscored
from mmsimtrack.evaluation.reports import (
    check_report_path,
    report,
    write_report,
)
from mmsimtrack.fileio import read_bboxes_xywh
from mmsimtrack.registry import METRICS
from mmsimtrack.structures.bbox import xyxy_to_xywh


@METRICS.register_module()
class OPEMetric(BaseMetric):
    """Success, precision, normalized precision, AO and SR.

    The curves follow the rules of `profile`. AO and SR have one definition,
    that of the GOT-10k kit, and follow it under every profile. Under that of
    TrackingNet, the scores are those of its server.

    The test loop writes ``<results_dir>/<sequence>.txt``, one ``x,y,w,h`` row
    per frame. This metric keeps the annotation of every sequence that it
    sees, reads those files at the end and writes a report, see
    `write_report`. Where only the first box is public, it writes
    ``submission.zip`` beside ``results_dir`` for the server of GOT-10k or
    TrackingNet.

    Args:
        results_dir: Folder of the result files. None: the test loop sets the
            attribute to ``<work_dir>/results``.
        benchmark: Such as ``'lasot'``; some rules depend on it, see
            `get_profile`.
        profile: Whose rules apply to odd frames, see `get_profile`. None:
            the default of the benchmark.
        out_file: JSON file of the scores. None: ``metrics.json`` beside
            ``results_dir``. Two metrics of one evaluator need two files.
        collect_device: Where results of several ranks meet, ``'cpu'`` or
            ``'gpu'``.
        prefix: Put before the names of printed scores, ``'sot'`` if None.

    Attributes:
        curves: After evaluation, the curves of the benchmark by name
            (``success``, ``precision``, ``norm_precision``), for plots.
    """

    default_prefix = 'sot'

    def __init__(
        self,
        results_dir: str | None = None,
        benchmark: str = 'custom',
        profile: str | None = None,
        out_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.results_dir = results_dir
        self.benchmark = benchmark
        self.profile = profile or (
            BENCHMARKS[benchmark].profile
            if benchmark in BENCHMARKS
            else 'stark'
        )
        if out_file is not None:
            check_report_path(out_file)
        self.out_file = out_file
        self.curves: dict[str, np.ndarray] = {}
        self._rules = get_profile(self.profile, benchmark)
        self._frame_rules = get_profile('got10k', 'got10k')

    def process(
        self, data_batch: Any, data_samples: Sequence[BaseDataElement | dict]
    ) -> None:
        """Keep the annotation of whole sequences.

        Args:
            data_batch: Not used.
            data_samples: SOTDataSamples or their dict form: metainfo
                ``sequence``, ``img_shape`` (H, W) and, where fewer boxes than
                frames are public, ``num_frames`` T; `gt_instances` with
                ``bboxes`` (T, 4) xyxy in frame pixels and ``visible`` (T,)
                bool. A sequence with its first box only cannot be scored; it
                is packed for the server of the benchmark if there is one.
        """
        for sample in data_samples:
            if isinstance(sample, BaseDataElement):
                sample = sample.to_dict()
            gt = sample['gt_instances']
            visible = torch.as_tensor(gt['visible'])
            if len(gt['bboxes']) < sample.get('num_frames', 0):
                self.results.append(
                    dict(
                        name=sample['sequence'],
                        num_frames=sample['num_frames'],
                    )
                )
                continue
            gt_xywh = xyxy_to_xywh(torch.as_tensor(gt['bboxes']).cpu())
            self.results.append(
                dict(
                    name=sample['sequence'],
                    # the numbers of the file again, which xyxy has rounded:
                    # overlaps of 1 depend on the last bit
                    gt_xywh=np.round(gt_xywh, 9),
                    visible=visible.cpu().numpy(),
                    # (H, W) -> (W, H)
                    image_size=tuple(sample['img_shape'][1::-1]),
                )
            )

    def check_annotations(self, dataset: SequenceDataset) -> None:
        """Refuse before tracking what could not be scored after it.

        Raises:
            ValueError: If the rules of the profile refuse an annotation.
        """
        for i in range(len(dataset)):
            sequence = dataset.get_sequence(i)
            if len(sequence.bboxes) == len(sequence):
                gt_xywh = xyxy_to_xywh(sequence.bboxes)
                # a result that all profiles take; LaSOT has negative sizes
                zeros = np.zeros_like(gt_xywh)
                frame_errors(
                    sequence.name,
                    zeros,
                    gt_xywh,
                    self._rules,
                    sequence.visible,
                    image_size=(np.inf, np.inf),
                )

    def evaluate(self, size: int) -> dict:
        """Scores of all ranks, which meet in the folder of the results."""
        if self.results_dir is not None:
            # one for each metric of an evaluator
            name = Path(self.out_file or 'metrics').stem
            self.collect_dir = str(self._results_dir().parent / f'.{name}')
        return super().evaluate(size)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Score the result files and write the JSON file.

        Args:
            results: What `process` kept, from all ranks. A sequence that
                occurs several times (samplers pad) counts once.

        Returns:
            The scores that the profile defines; none of sequences with their
            first box only, whose results are packed instead.

        Raises:
            FileNotFoundError: If a result file is missing.
            ValueError: If a file has the wrong number of rows, or the rules
                refuse it.
        """
        unscored = {
            r['name']: r['num_frames'] for r in results if 'num_frames' in r
        }
        if unscored:
            done = pack_unscored(self.benchmark, self._results_dir(), unscored)
            print_log(f'OPEMetric: {done}', 'current')
        sequences = {r['name']: r for r in results if 'gt_xywh' in r}
        if not sequences:
            return {}
        errors, frames = {}, {}
        for name, sequence in sorted(sequences.items()):
            sequence['result_xywh'] = self._read_result(
                name, len(sequence['gt_xywh'])
            )
            errors[name] = frame_errors(profile=self._rules, **sequence)
            if len(sequence['gt_xywh']) > 1:  # AO does not count the first
                frames[name] = frame_errors(
                    profile=self._frame_rules, **sequence
                )
        overall = overall_scores(list(errors.values()), self._rules)
        self.curves = overall_curves(list(errors.values()), self._rules)
        per_sequence = {
            name: sequence_scores(e, self._rules) for name, e in errors.items()
        }
        if frames:
            pool = list(frames.values())
            overall |= overall_scores(pool, self._frame_rules)
        for name, e in frames.items():
            per_sequence[name] |= sequence_scores(e, self._frame_rules)
        path = self.out_file or self._results_dir().parent / 'metrics.json'
        content = report(self.benchmark, self.profile, overall, per_sequence)
        write_report(path, content, self.curves)
        return {k: v for k, v in overall.items() if math.isfinite(v)}

    def _read_result(self, name: str, num_frames: int) -> np.ndarray:
        path = self._results_dir() / f'{name}.txt'
        if not path.is_file():
            raise FileNotFoundError(
                f'OPEMetric: {path} is missing, the result of sequence '
                f"'{name}'. Run the test again: it skips finished sequences."
            )
        result_xywh = read_bboxes_xywh(path)
        if len(result_xywh) != num_frames:
            raise ValueError(
                f'OPEMetric: found {len(result_xywh)} rows in {path}, '
                f'expected {num_frames}, one per annotated frame. Delete the '
                'file and run the test again.'
            )
        return result_xywh

    def _results_dir(self) -> Path:
        if self.results_dir is None:
            raise ValueError(
                'OPEMetric: found results_dir=None, expected the folder of '
                'the result files. Run it in a SequenceTestLoop, which sets '
                'it, or set results_dir in test_evaluator.'
            )
        return Path(self.results_dir)
