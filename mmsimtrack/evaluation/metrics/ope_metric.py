"""Scores of one-pass evaluation, from result files."""

import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.datasets.layouts.otb100 import cut_to_range
from mmsimtrack.evaluation.functional import (
    FrameErrors,
    Profile,
    RefusedFile,
    RefusedInput,
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
from mmsimtrack.evaluation.results import find_oddity, find_results
from mmsimtrack.fileio import read_bboxes_xywh
from mmsimtrack.registry import METRICS


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
        results_dir: Folder of the result files. None: the test loop says it
            in `before_tracking`.
        benchmark: Such as ``'lasot'``; some rules depend on it, see
            `get_profile`.
        profile: Whose rules apply to odd frames, see `get_profile`. None:
            the default of the benchmark.
        out_file: JSON file of the scores. None: ``metrics.json`` beside
            ``results_dir``. Two metrics of one evaluator need two files.
        collect_device: Where results of several ranks meet, ``'cpu'`` or
            ``'gpu'``.
        prefix: Put before the names of printed scores, ``'sot'`` if None.
        adds_ao: Whether AO and SR are added to the scores of other profiles.

    Attributes:
        rules: The profile.
        overall: After evaluation, the scores of the benchmark.
        curves: After evaluation, its curves by name (``success``,
            ``precision``, ``norm_precision``), for plots.
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
        adds_ao: bool = True,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.results_dir = results_dir
        self.benchmark = benchmark
        row = BENCHMARKS.get(benchmark, BENCHMARKS['custom'])
        self.profile = profile or row.profile
        if out_file is not None:
            check_report_path(out_file)
        self.out_file = out_file
        self.overall: dict[str, float] = {}
        self.curves: dict[str, np.ndarray] = {}
        self.rules = get_profile(self.profile, benchmark)
        self._frame_rules = get_profile('got10k', 'got10k')
        self._adds_ao = adds_ao

    def process(
        self, data_batch: Any, data_samples: Sequence[BaseDataElement | dict]
    ) -> None:
        """Keep the annotation of whole sequences.

        Args:
            data_batch: Not used.
            data_samples: SOTDataSamples or their dict form: metainfo
                ``sequence``, ``img_shape`` (H, W) and, where fewer boxes than
                frames are public, ``num_frames`` T; `gt_instances` with
                ``bboxes_xywh`` (T, 4), as annotated, and ``visible`` (T,)
                bool. A sequence with its first box only cannot be scored; it
                is packed for the server of the benchmark if there is one.
        """
        for sample in data_samples:
            if isinstance(sample, BaseDataElement):
                sample = sample.to_dict()
            gt, name = sample['gt_instances'], sample['sequence']
            gt_xywh = torch.as_tensor(gt['bboxes_xywh']).cpu().numpy()
            num_frames = sample.get('num_frames', len(gt_xywh))
            if len(gt_xywh) < num_frames:
                self.results.append(dict(name=name, num_frames=num_frames))
                continue
            self.results.append(
                dict(
                    name=name,
                    gt_xywh=gt_xywh,
                    visible=torch.as_tensor(gt['visible']).cpu().numpy(),
                    # (H, W) -> (W, H)
                    image_size=tuple(sample['img_shape'][1::-1]),
                )
            )

    def before_tracking(
        self, dataset: SequenceDataset, results_dir: Path
    ) -> None:
        """Refuse before tracking what could not be scored after it.

        Args:
            dataset: The sequences that will be tracked.
            results_dir: Folder to which the test loop will write.

        Raises:
            ValueError: If the rules of the profile refuse an annotation.
        """
        self.results_dir = str(results_dir)
        for sequence in map(dataset.get_sequence, range(len(dataset))):
            gt_xywh = sequence.bboxes_xywh
            if len(gt_xywh) == len(sequence):
                # a result that all profiles take; LaSOT has negative sizes
                frame_errors(
                    sequence.name,
                    np.zeros_like(gt_xywh),
                    gt_xywh,
                    self.rules,
                    sequence.scored,
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
        """Score the result files and write the report.

        Args:
            results: What `process` kept, from all ranks. A sequence that
                occurs several times (samplers pad) counts once.

        Returns:
            The scores that the profile defines; none of sequences with their
            first box only, whose results are packed instead.

        Raises:
            ValueError: If a result file is missing, or the rules refuse it.
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
        _, content = self.score(sequences[name] for name in sorted(sequences))
        path = self.out_file or self._results_dir().parent / 'metrics.json'
        write_report(path, content, self.curves)
        return {k: v for k, v in self.overall.items() if math.isfinite(v)}

    def score(
        self, sequences: Iterable[dict]
    ) -> tuple[dict[str, FrameErrors], dict]:
        """Score result files, of this or of any tracker.

        Args:
            sequences: What `frame_errors` takes of each, without the result.
                `annotation`, if any, is the file to name if it is refused.

        Returns:
            Errors by sequence, and the content of the report.

        Raises:
            RefusedFile: If a result is missing, damaged or refused.
        """
        sequences = list(sequences)
        runs = self._find_runs([sequence['name'] for sequence in sequences])
        errors, frames, oddities = {}, {}, []
        for sequence in sequences:
            name, length = sequence['name'], len(sequence['gt_xywh'])
            results = self._read_runs(runs[name], sequence, oddities)
            errors[name] = _errors(sequence, results, self.rules)
            if self._adds_ao and length > 1:  # AO does not count the first
                frames[name] = _errors(sequence, results, self._frame_rules)
        if oddities:
            more = f', and {len(oddities) - 1} more' if oddities[1:] else ''
            print_log(
                f'OPEMetric: {oddities[0]}{more}', 'current', logging.WARNING
            )
        self.curves = overall_curves(list(errors.values()), self.rules)
        overall, per_sequence = {}, {name: {} for name in errors}
        for rules, group in (
            (self.rules, errors),
            (self._frame_rules, frames),
        ):
            if group:
                overall |= overall_scores(list(group.values()), rules)
            for name, each in group.items():
                per_sequence[name] |= sequence_scores(each, rules)
        self.overall = overall
        content = report(self.benchmark, self.profile, overall, per_sequence)
        return errors, content

    def _find_runs(self, names: list[str]) -> dict[str, tuple[Path, ...]]:
        """Find the result files of each sequence."""
        folder, server = self._results_dir(), self.rules.measure == 'server'
        runs = {name: find_results(folder, name, server) for name in names}
        for name, paths in runs.items():
            taken = {path.stem for path in paths} & runs.keys() - {name}
            if taken:
                raise RefusedFile(
                    paths[0],
                    f"is a run of '{name}', or the result of "
                    f"{sorted(taken)[0]!r}. Name the result of '{name}' "
                    f'{name}.txt.',
                )
        if not any(runs.values()):
            raise RefusedFile(
                folder, 'no result is there. Correct the folder.'
            )
        return runs

    def _read_runs(
        self, paths: tuple[Path, ...], sequence: dict, oddities: list[str]
    ) -> dict[Path | None, np.ndarray]:
        """Read the results of a sequence, and note what looks wrong."""
        gt_xywh, results = sequence['gt_xywh'], {}
        for path in paths:
            try:
                result_xywh = read_bboxes_xywh(path)
            except (OSError, ValueError) as error:
                raise RefusedFile(path, str(error)) from None
            if self.benchmark == 'otb100':
                result_xywh = cut_to_range(result_xywh, sequence['name'])
            first_only = len(gt_xywh) == 1 < len(result_xywh)
            if first_only and BENCHMARKS[self.benchmark].server:
                raise RefusedFile(
                    sequence.get('annotation', sequence['name']),
                    'holds the first box only. Let the server of the '
                    'benchmark score the results: upload submission.zip of '
                    'the test.',
                )
            oddity = find_oddity(result_xywh, gt_xywh)
            if oddity:
                oddities.append(f'{path}: {oddity}')
            results[path] = result_xywh
        if not results:  # what TrackingNet makes of a missing file
            name = sequence['name']
            print_log(
                f'{name}: no result, scored as boxes of zeros', 'current'
            )
            results[None] = np.zeros_like(gt_xywh)
        return results

    def _results_dir(self) -> Path:
        if self.results_dir is None:
            raise ValueError(
                'OPEMetric: found results_dir=None, expected the folder of '
                'the result files. Run it in a SequenceTestLoop, which sets '
                'it, or set results_dir in test_evaluator.'
            )
        return Path(self.results_dir)


def _errors(
    sequence: dict, results: dict[Path | None, np.ndarray], rules: Profile
) -> FrameErrors:
    """Compare the runs of a sequence with its annotation.

    Raises:
        RefusedFile: If the rules refuse a result or the annotation; names
            the file and, if there is one, the line.
    """
    inputs = {k: v for k, v in sequence.items() if k != 'annotation'}
    errors = []
    for path, result_xywh in results.items():
        try:
            errors.append(
                frame_errors(result_xywh=result_xywh, profile=rules, **inputs)
            )
        except RefusedInput as error:
            if error.part != 'result':
                path = sequence.get('annotation')
            if path is None:
                raise
            raise RefusedFile(path, _locate(path, error)) from None
    return FrameErrors.cat(errors)


def _locate(path: Path, error: RefusedInput) -> str:
    """Name the line of a file in which a refused row stands."""
    if error.row is None:
        return error.reason
    lines = enumerate(path.read_text(errors='replace').splitlines(), 1)
    numbers = [number for number, line in lines if line.strip()]
    return f'line {numbers[error.row]}: {error.reason}'
