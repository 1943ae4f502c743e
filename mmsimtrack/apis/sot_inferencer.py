"""Follow targets in videos, folders, cameras or any frames."""

import ast
import math
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger

from mmsimtrack.apis.follow import Job, follow
from mmsimtrack.apis.sinks import write_all
from mmsimtrack.apis.sources import Footage, Source, is_clip
from mmsimtrack.apis.zoo import describe_weights, find_model
from mmsimtrack.fileio import read_config
from mmsimtrack.models import SOTTracker
from mmsimtrack.models.weights import load_model, trust_checkpoints
from mmsimtrack.models.weights.load import read_checkpoint, read_safetensors
from mmsimtrack.registry import INFERENCERS, MODELS
from mmsimtrack.structures import read_boxes

Model = str | Path | Config | SOTTracker
File = str | Path | None
Device = str | torch.device | None


def init_model(
    config: Model | None,
    checkpoint: File = None,
    device: Device = None,
    cfg_options: dict | None = None,
    trust_checkpoint: bool = False,
) -> SOTTracker:
    """Build a tracker and load its weights.

    Args:
        config: Name of the model zoo (see `list_models`), path of a config, a
            `Config`, or a built tracker. None takes the config that a
            training wrote into the checkpoint, or without one, the model
            `sim_s16-6l_real`.
        checkpoint: Weights to load. None takes those of the zoo, if the
            package has them; it keeps the weights of a built model, and
            those of a config random.
        device: Such as `cuda:0` or `cpu`; None takes an accelerator if there
            is one.
        cfg_options: Changes of the config, such as `{'model.search.size':
            192}`.
        trust_checkpoint: Allow Python objects in `checkpoint`; loading them
            can run code in the file.

    Raises:
        FileNotFoundError: If there are no such weights.
        ValueError: If there is no such model, or the weights cannot be read
            safely or do not fit it.
    """
    if config is None and checkpoint is None:
        config = 'sim_s16-6l_real'
    model, help_ = config, 'Give a checkpoint to track with.'
    with trust_checkpoints(trust_checkpoint):
        if model is None:
            model = _config_in(checkpoint)
        if isinstance(model, str) and not model.endswith('.py'):
            help_ = describe_weights(model)
            model, shipped = find_model(model)
            checkpoint = checkpoint or shipped
        if isinstance(model, (str, Path)):
            model = read_config(model)
        if isinstance(model, Config):
            model.merge_from_dict(cfg_options or {})
            cfg = model.model
            try:
                model = MODELS.build(cfg)
            except (KeyError, TypeError) as error:
                raise ValueError(
                    f'The model of {config or checkpoint} cannot be built: '
                    f'{error}. Correct its config.'
                ) from error
            model.cfg = cfg
            if checkpoint is None:
                MMLogger.get_current_instance().warning(
                    'SOTInferencer: weights is None, so the network is '
                    f'random. {help_}'
                )
        if checkpoint is not None:
            load_model(model, checkpoint, trust_checkpoint)
    return model.to(device or get_device()).eval()


def _config_in(checkpoint: str | Path) -> str | Config:
    """Find out which model a checkpoint belongs to, without running code."""
    if str(checkpoint).endswith('.safetensors'):
        meta = read_safetensors(checkpoint)['meta']
        if 'config' in meta:  # a name of the zoo
            return meta['config']
    else:
        meta = read_checkpoint(checkpoint).get('meta')
    # whatever else may be there
    with suppress(
        AttributeError, KeyError, SyntaxError, TypeError, ValueError
    ):
        for node in ast.parse(meta['cfg']).body:
            if isinstance(node, ast.Assign) and node.targets[0].id == 'model':
                return Config({'model': dict(_evaluate(node.value))})
    raise ValueError(
        f'{checkpoint} does not say which config it belongs to. Give the '
        'config, or a name of the model zoo, too (--model).'
    )


def _evaluate(node: ast.expr):
    """Evaluate a literal of a config, in which dictionaries are calls."""
    match node:
        case ast.Call(func=ast.Name(id='dict'), args=[]):
            return {k.arg: _evaluate(k.value) for k in node.keywords}
        case ast.Dict():
            keys = map(ast.literal_eval, node.keys)
            return dict(zip(keys, map(_evaluate, node.values)))
        case ast.List() | ast.Tuple():
            return [_evaluate(item) for item in node.elts]
    return ast.literal_eval(node)


@dataclass(frozen=True)
class TrackedFrame:
    """One frame of a tracked video.

    Attributes:
        frame: (H, W, 3) RGB uint8.
        bbox: (4,) xyxy in frame pixels; (N, 4) if N boxes were given.
        score: In [0, 1]; 1 for the first frame. (N,) if N boxes were given.
        number: Number of the frame in its source, from 0.
        time: In seconds since frame 0.
        lost: Whether the target is lost, so that the box is one of an
            earlier frame. (N,) if N boxes were given.
    """

    frame: np.ndarray
    bbox: np.ndarray
    score: float | np.ndarray
    number: int = 0
    time: float = 0.0
    lost: bool | np.ndarray = False


@INFERENCERS.register_module()
class SOTInferencer:
    """Follows targets through videos.

    Args:
        model: See `config` of `init_model`.
        weights: See `checkpoint` of `init_model`.
        device: See `init_model`.
        trust_checkpoint: See `init_model`.

    Raises:
        FileNotFoundError: If there are no such weights.
        ValueError: If there is no such model, or the weights cannot be read
            safely or do not fit it.
    """

    def __init__(
        self,
        model: Model | None = None,
        weights: File = None,
        device: Device = None,
        trust_checkpoint: bool = False,
    ) -> None:
        name = weights if model is None else model
        self.name = str(name) if isinstance(name, (str, Path)) else ''
        self.model = init_model(
            model, weights, device, trust_checkpoint=trust_checkpoint
        )

    def __call__(
        self,
        inputs: Source | Sequence[Source],
        bboxes=None,
        out_dir: str | Path | None = None,
        *,
        bbox=None,
        batch_size: int = 1,
        show: bool = False,
        return_vis: bool = False,
        pred_score_thr: float = 0,
        **outputs,
    ) -> dict | list[dict]:
        """Track through whole sources.

        Args:
            inputs: A source, or a list of them: video file, address of a
                stream (`rtsp://...`), folder or pattern of frames, number of
                a camera, `Footage`. A list of images (paths or arrays), or
                any other iterable of frames (H, W, 3) RGB uint8, is one
                source. Ctrl-C ends it.
            bboxes: (4,) xyxy of the target in the first frame, in pixels, or
                (N, 4) of N targets. A list of these for a list of sources.
            out_dir: Folder for `<name>_tracked.txt` (x,y,w,h per frame), a
                video `.mp4` and a contact sheet `.png`; None writes nothing.
            bbox: Another name of `bboxes`.
            batch_size: Sources to track at a time, in one batch.
            show: Show the frames in a window; needs OpenCV with a display.
            return_vis: Return the drawn frames, too.
            pred_score_thr: Boxes with a lower score are not drawn.
            **outputs: Other arguments of `Outputs`, such as
                `formats=('csv', 'json')`.

        Returns:
            `bboxes` (T, 4) xyxy in frame pixels, `scores` (T,) in [0, 1],
            `lost` (T,) bool, where the box is one of an earlier frame,
            `frames` (T,) numbers and `times` (T,) in seconds, and `files`,
            the paths written as `boxes`, `video` and `sheet`; with
            `return_vis`, `visualization`, the drawn frames. For N boxes,
            `bboxes` is (T, N, 4), and `scores` and `lost` (T, N). For a list
            of sources, a list of such dictionaries.

        Raises:
            FileNotFoundError: If a source does not exist.
            ValueError: If it holds no frame, or a box gives no target.
        """
        bboxes = bbox if bboxes is None else bboxes
        if bboxes is None:
            raise TypeError(
                'SOTInferencer: bboxes is missing. Give the box of the target '
                'in the first frame, xyxy in pixels.'
            )
        kinds = str, Path, int, list, tuple, Iterator
        many = isinstance(inputs, (list, tuple)) and not is_clip(inputs)
        many = many and any(isinstance(one, kinds) for one in inputs)
        sources = inputs if many else [inputs]
        groups = bboxes if many else [bboxes]
        if len(groups) != len(sources):
            raise ValueError(
                f'SOTInferencer: found {len(groups)} boxes for '
                f'{len(sources)} sources. Give a box, or a list of boxes, for '
                'each source.'
            )
        pairs = list(zip(sources, groups))
        jobs = [make_job(*pair, pred_score_thr) for pair in pairs]
        options = {'formats': ('txt',), 'overwrite': True, **outputs}
        write_all(jobs, out_dir, **{'model': self.name, **options})
        # as plain numbers: a day of a camera is many frames
        found = {job: (array('d'), []) for job in jobs}
        steps = follow(self.model, jobs, batch_size)
        try:
            with closing(steps):
                for job, step in steps:
                    if step is None:
                        continue
                    if show:
                        show_frame(step.drawn)
                    row = step.number, step.time, *step.bboxes.flat
                    found[job][0].extend([*row, *step.scores, *step.lost])
                    found[job][1].extend([step.drawn] * return_vis)
        except KeyboardInterrupt:  # how a camera ends
            if not any(rows for rows, _ in found.values()):
                raise
        for job in jobs:
            if job.error:
                raise job.error
        results = [
            _collect(job, *found[job], np.shape(group))
            for job, group in zip(jobs, groups)
        ]
        return results if many else results[0]

    def stream(self, source: Source, bbox) -> Iterator[TrackedFrame]:
        """Yield frame by frame, in constant memory; see `__call__`."""
        job, single = make_job(source, bbox), np.ndim(bbox) == 1
        for _, step in follow(self.model, [job]):
            if step is not None:
                bboxes, scores, lost = step.bboxes, step.scores, step.lost
                if single:
                    bboxes, scores = bboxes[0], scores[0].item()
                    lost = lost[0].item()
                about = step.number, step.time, lost
                yield TrackedFrame(step.frame, bboxes, scores, *about)
        if job.error:
            raise job.error


def make_job(source: Source, bboxes, threshold: float = 0) -> Job:
    """Make a job of a source and the boxes, xyxy, in its first frame."""
    rows = enumerate(read_boxes(bboxes), 1)
    starts = [(-math.inf, id_, row) for id_, row in rows]
    footage = source if isinstance(source, Footage) else Footage(source)
    return Job(footage, starts, threshold=threshold)


def _collect(job: Job, rows: array, drawn: list, shape: tuple) -> dict:
    """Make the result of a job; see `SOTInferencer.__call__`.

    Args:
        job: The job.
        rows: Number, time, N boxes, N scores and, N times, whether a target
            is lost, of each of its frames.
        drawn: The drawn frames, if wanted.
        shape: That of its boxes: (4,) or (N, 4).
    """
    if not rows:  # ended before it began
        return {}
    end, count = 2 + math.prod(shape), math.prod(shape[:-1])
    table = np.reshape(rows, (-1, end + 2 * count))
    scores, lost = np.split(table[:, end:], 2, axis=1)
    result = {
        'bboxes': table[:, 2:end].reshape(-1, *shape),
        'scores': scores.reshape(-1, *shape[:-1]),
        'lost': lost.reshape(-1, *shape[:-1]) > 0,
        'frames': table[:, 0].astype(int),
        'times': table[:, 1],
        'files': job.outputs.files if job.outputs else {},
    }
    return result | ({'visualization': drawn} if drawn else {})


def show_frame(frame: np.ndarray, window: str = 'mmsimtrack') -> bool:
    """Show an RGB frame; False if the user wants to end (q or Esc).

    Raises:
        ValueError: If OpenCV has no display.
    """
    try:
        cv2.imshow(window, frame[..., ::-1])
        return cv2.waitKey(1) & 0xFF not in (ord('q'), 27)
    except cv2.error as error:
        raise ValueError(
            'Frames cannot be shown: this OpenCV has no window system. '
            'Install opencv-python instead of opencv-python-headless, or '
            'leave out show (--show).'
        ) from error


class Tracker:
    """Follows one target, for a loop of one's own, as OpenCV's trackers do.

    Args:
        model: See `config` of `init_model`.
        weights: See `checkpoint` of `init_model`.
        device: See `init_model`.
    """

    def __init__(
        self,
        model: Model | None = None,
        weights: File = None,
        device: Device = None,
    ) -> None:
        self.model = init_model(model, weights, device)
        self._state = None

    def init(self, frame: np.ndarray, bbox) -> None:
        """Start with the target in `bbox`, xyxy, of an RGB frame.

        OpenCV's own trackers take BGR and x, y, w, h.
        """
        self._state = self.model.init([frame], read_boxes(bbox))

    def update(self, frame: np.ndarray) -> tuple[bool, np.ndarray, float]:
        """Find the target in the next frame.

        Returns:
            Whether the target is seen (if it is lost, or the network gave no
            finite box, the former one stands), (4,) xyxy in frame pixels, and
            the score in [0, 1].

        Raises:
            RuntimeError: If `init` was not called.
        """
        if self._state is None:
            raise RuntimeError(
                'Tracker.update was called before Tracker.init. Call '
                'init(frame, bbox) with the first frame.'
            )
        former = self._state.extra.get('num_failed')
        self._state = state = self.model.track([frame], self._state)
        ok = former is None or bool(state.extra['num_failed'] == former)
        ok = ok and not state.lost[0].item()
        # a copy does not keep the tensors
        return ok, state.bboxes[0].numpy().copy(), state.scores[0].item()


_STATES = WeakKeyDictionary()  # of `inference_sot`; a model holds no video


def inference_sot(
    model: SOTTracker, image: np.ndarray, init_bbox, frame_id: int
) -> dict:
    """Track one frame, called as in mmtracking.

    Args:
        model: The tracker, of `init_model`.
        image: (H, W, 3) RGB uint8.
        init_bbox: (4,) xyxy of the target; used where `frame_id` is 0.
        frame_id: 0 starts a video.

    Returns:
        `track_bboxes`, (5,): x1, y1, x2, y2, score.
    """
    if frame_id == 0:
        state = model.init([image], read_boxes(init_bbox))
    elif model in _STATES:
        state = model.track([image], _STATES[model])
    else:
        raise RuntimeError(
            f'inference_sot: frame_id is {frame_id}, but this model has seen '
            'no frame 0. Call it with frame_id=0 and the first frame.'
        )
    _STATES[model] = state
    bbox, score = state.bboxes[0].numpy(), state.scores[0].item()
    return {'track_bboxes': np.append(bbox, score)}
