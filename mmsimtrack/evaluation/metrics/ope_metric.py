"""Scores of one-pass evaluation, from the files that the test loop wrote."""

import json
import math
import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement

from mmsimtrack.datasets import SequenceDataset
from mmsimtrack.evaluation.functional import (
    FRAME_SCORES,
    FrameErrors,
    frame_errors,
    get_profile,
    overall_curves,
    overall_scores,
)
from mmsimtrack.registry import METRICS
from mmsimtrack.structures.annotation_file import (
    read_bboxes_xywh,
    replace_atomically,
)
from mmsimtrack.structures.bbox import xyxy_to_xywh


@METRICS.register_module()
class OPEMetric(BaseMetric):
    """Success, precision, normalized precision, AO and SR.

    The curves follow the rules of `profile`. AO and SR have one definition,
    that of the GOT-10k kit, and follow it under every profile.

    The test loop writes ``<results_dir>/<sequence>.txt``, one ``x,y,w,h`` row
    per frame. This metric keeps the annotation of every sequence that it
    sees, reads those files at the end and writes all scores to a JSON file.

    Args:
        results_dir: Folder of the result files. None: the test loop sets the
            attribute to ``<work_dir>/results``.
        benchmark: Lower case name, such as ``'lasot'``; some rules depend on
            it, see `get_profile`.
        profile: Whose rules apply to odd frames, see `get_profile`.
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
        profile: str = 'stark',
        out_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.results_dir = results_dir
        self.benchmark = benchmark
        self.profile = profile
        self.out_file = out_file
        self.curves: dict[str, np.ndarray] = {}
        self._rules = get_profile(profile, benchmark)
        self._frame_rules = get_profile('got10k', benchmark)

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
                bool. A sequence with its first box only cannot be scored and
                is left out, with a logged line.
        """
        for sample in data_samples:
            if isinstance(sample, BaseDataElement):
                sample = sample.to_dict()
            gt = sample['gt_instances']
            visible = torch.as_tensor(gt['visible'])
            if len(gt['bboxes']) < sample.get('num_frames', 0):
                print_log(
                    f'OPEMetric: {sample["sequence"]} has its first box only '
                    'and is not scored; its result is written, for the '
                    'server of the benchmark.',
                    'current',
                )
                continue
            self.results.append(
                dict(
                    name=sample['sequence'],
                    gt_xywh=xyxy_to_xywh(torch.as_tensor(gt['bboxes']).cpu()),
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
                perfect = np.nan_to_num(gt_xywh)
                frame_errors(
                    sequence.name,
                    perfect,
                    gt_xywh,
                    self._rules,
                    sequence.visible,
                    image_size=(np.inf, np.inf),
                )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Score the result files and write the JSON file.

        Args:
            results: What `process` kept, from all ranks. A sequence that
                occurs several times (samplers pad) counts once.

        Returns:
            The scores that the profile defines.

        Raises:
            FileNotFoundError: If a result file is missing.
            ValueError: If a file has the wrong number of rows, or the rules
                refuse it.
        """
        if not results:
            return {}
        sequences = {sequence['name']: sequence for sequence in results}
        errors, frames = {}, {}
        for name, sequence in sorted(sequences.items()):
            sequence['result_xywh'] = self._read_result(
                name, len(sequence['gt_xywh'])
            )
            errors[name] = [frame_errors(profile=self._rules, **sequence)]
            frames[name] = []
            if len(sequence['gt_xywh']) > 1:  # AO does not count the first
                by_frame = frame_errors(profile=self._frame_rules, **sequence)
                frames[name].append(by_frame)
        all_errors = list(chain.from_iterable(errors.values()))
        all_frames = list(chain.from_iterable(frames.values()))
        self.curves = overall_curves(all_errors, self._rules)
        overall = self._scores(all_errors, all_frames)
        self._write(
            overall,
            {
                name: self._scores(errors[name], frames[name])
                for name in errors
            },
        )
        return {k: v for k, v in overall.items() if math.isfinite(v)}

    def _scores(
        self, errors: list[FrameErrors], frames: list[FrameErrors]
    ) -> dict[str, float]:
        """Scores of the profile, with AO and SR by the GOT-10k kit."""
        scores = overall_scores(errors, self._rules)
        if frames:
            by_frame = overall_scores(frames, self._frame_rules)
            scores |= {key: by_frame[key] for key in FRAME_SCORES}
        return scores

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

    def _write(
        self,
        overall: dict[str, float],
        per_sequence: dict[str, dict[str, float]],
    ) -> None:
        content = dict(
            benchmark=self.benchmark,
            profile=self.profile,
            overall=_rounded(overall),
            per_sequence={
                name: _rounded(scores) for name, scores in per_sequence.items()
            },
        )
        path = Path(
            self.out_file or self._results_dir().parent / 'metrics.json'
        )
        os.makedirs(path.parent, exist_ok=True)
        with replace_atomically(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + '\n')


def _rounded(scores: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN: an undefined score is null."""
    return {
        key: round(value, 4) if math.isfinite(value) else None
        for key, value in scores.items()
    }
