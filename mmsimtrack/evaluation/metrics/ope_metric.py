"""The metric that scores result files by the rules of a kit."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.structures import BaseDataElement

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.datasets.layouts.otb100 import cut_to_range
from mmsimtrack.evaluation import functional as F
from mmsimtrack.evaluation.metrics.submission import pack_unscored
from mmsimtrack.evaluation.reports import (
    check_report_path,
    report,
    write_report,
)
from mmsimtrack.evaluation.results import find_oddity, find_results
from mmsimtrack.fileio import read_bboxes_xywh
from mmsimtrack.log import log, warn
from mmsimtrack.registry import METRICS


@METRICS.register_module()
class OPEMetric(BaseMetric):
    """Computes success, precision, normalized precision, AO and SR.

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
        adds_ao: Whether AO and SR are added to the scores of other profiles.
        **kwargs: `collect_device` and `prefix` of mmengine's `BaseMetric`.

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
        adds_ao: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        row = BENCHMARKS.get(benchmark, BENCHMARKS['custom'])
        self.benchmark, self.profile = benchmark, profile or row.profile
        self.rules = F.get_profile(self.profile, benchmark)
        self.results_dir, self.out_file = results_dir, out_file
        if out_file is not None:
            check_report_path(out_file)
        self._adds_ao = adds_ao
        self.overall: dict[str, float] = {}
        self.curves: dict[str, np.ndarray] = {}

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
            kept, gt = dict(name=sample['sequence']), sample['gt_instances']
            gt_xywh = torch.as_tensor(gt['bboxes_xywh']).cpu().numpy()
            num_frames = sample.get('num_frames', len(gt_xywh))
            if len(gt_xywh) < num_frames:
                kept['num_frames'] = num_frames
            else:
                kept['gt_xywh'] = gt_xywh
                kept['visible'] = torch.as_tensor(gt['visible']).cpu().numpy()
                kept['image_size'] = sample['img_shape'][1::-1]  # (W, H)
            self.results.append(kept)

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
                F.frame_errors(
                    sequence.name,
                    np.zeros_like(gt_xywh),
                    gt_xywh,
                    self.rules,
                    sequence.scored,
                )

    def evaluate(self, size: int) -> dict:
        """Score what all ranks have seen; they meet beside the results."""
        # each metric of an evaluator needs a folder of its own
        name = f'.{Path(self.out_file or "metrics").stem}'
        self.collect_dir = str(self._find_results_dir().with_name(name))
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
        folder = self._find_results_dir()
        unscored = [r for r in results if 'num_frames' in r]
        unscored = {r['name']: r['num_frames'] for r in unscored}
        if unscored:
            log(pack_unscored(self.benchmark, folder, unscored))
        sequences = {r['name']: r for r in results if 'gt_xywh' in r}
        if not sequences:
            return {}
        _, content = self.score(sequences[name] for name in sorted(sequences))
        path = self.out_file or folder.with_name('metrics.json')
        write_report(path, content, self.curves)
        return {k: v for k, v in self.overall.items() if math.isfinite(v)}

    def score(
        self, sequences: Iterable[dict]
    ) -> tuple[dict[str, F.FrameErrors], dict]:
        """Score result files, of this or of any tracker.

        Args:
            sequences: What `frame_errors` takes of each, without the result.
                `annotation`, if any, is the file to name if it is refused.

        Returns:
            Errors by sequence, and the content of the report.

        Raises:
            RefusedFile: If a result is missing, damaged or refused.
        """
        sequences = {sequence['name']: sequence for sequence in sequences}
        runs = self._read_results(sequences)
        groups = {self.rules: sequences}
        if self._adds_ao:  # which does not count the first frame
            long = {
                k: v for k, v in sequences.items() if v['gt_xywh'][1:].size
            }
            groups.setdefault(F.get_profile('got10k', 'got10k'), long)
        self.overall, per_sequence = {}, {name: {} for name in sequences}
        errors = {}
        for rules, group in groups.items():
            found = {k: _compare(v, runs[k], rules) for k, v in group.items()}
            for name, each in found.items():
                per_sequence[name] |= F.sequence_scores(each, rules)
            if found:
                self.overall |= F.overall_scores([*found.values()], rules)
            errors[rules] = found
        found = errors[self.rules]
        self.curves = F.overall_curves([*found.values()], self.rules)
        return found, report(
            self.benchmark, self.profile, self.overall, per_sequence
        )

    def _read_results(
        self, sequences: dict[str, dict]
    ) -> dict[str, dict[Path | None, np.ndarray]]:
        """Read the boxes of each run of each sequence; warn of odd ones."""
        folder = self._find_results_dir()
        server = self.rules.measure == 'server'
        paths = {k: find_results(folder, k, server) for k in sequences}
        if not any(paths.values()):
            raise F.RefusedFile(
                folder, 'no result is there. Correct the folder.'
            )
        results, oddities = {}, []
        for name, sequence in sequences.items():
            runs = results[name] = {}
            for path in paths[name]:
                if path.stem != name and path.stem in sequences:
                    raise F.RefusedFile(
                        path,
                        f"is a run of '{name}', or the result of "
                        f"'{path.stem}'. Name the result of '{name}' "
                        f'{name}.txt.',
                    )
                runs[path] = self._read(path, sequence)
                oddity = find_oddity(runs[path], sequence['gt_xywh'])
                oddities += [f'{path}: {oddity}'] if oddity else []
            if not runs:  # TrackingNet's server takes it for zeros
                log(f'{name}: no result, scored as boxes of zeros')
                runs[None] = np.zeros_like(sequence['gt_xywh'])
        if oddities:
            more = f', and {len(oddities) - 1} more' if oddities[1:] else ''
            warn(f'{oddities[0]}{more}')
        return results

    def _read(self, path: Path, sequence: dict) -> np.ndarray:
        """Read the boxes of a run."""
        with F.refusing(path):
            boxes = read_bboxes_xywh(path)
        first_only = len(sequence['gt_xywh']) == 1 < len(boxes)
        if first_only and BENCHMARKS[self.benchmark].server:
            raise F.RefusedFile(
                sequence.get('annotation', sequence['name']),
                'holds the first box only. Let the server of the benchmark '
                'score the results: upload submission.zip of the test.',
            )
        if self.benchmark == 'otb100':
            return cut_to_range(boxes, sequence['name'])
        return boxes

    def _find_results_dir(self) -> Path:
        if self.results_dir is None:
            raise ValueError(
                'OPEMetric: found results_dir=None, expected the folder of '
                'the result files. Run it in a SequenceTestLoop, which sets '
                'it, or set results_dir in test_evaluator.'
            )
        return Path(self.results_dir)


def _compare(
    sequence: dict, results: dict[Path | None, np.ndarray], rules: F.Profile
) -> F.FrameErrors:
    """Compare the runs of a sequence with its annotation.

    Raises:
        RefusedFile: If the rules refuse a result or the annotation; names
            the file and, if there is one, the line.
    """
    inputs = {k: v for k, v in sequence.items() if k != 'annotation'}
    errors = []
    for path, boxes in results.items():
        try:
            errors.append(
                F.frame_errors(result_xywh=boxes, profile=rules, **inputs)
            )
        except F.RefusedInput as error:
            if error.part != 'result':
                path = sequence.get('annotation')
            if path is None:
                raise
            reason = error.reason
            if error.row is not None:
                lines = path.read_text(errors='replace').splitlines()
                numbers = [
                    n for n, line in enumerate(lines, 1) if line.strip()
                ]
                reason = f'line {numbers[error.row]}: {reason}'
            raise F.RefusedFile(path, reason) from None
    return F.FrameErrors.cat(errors)
