"""The quick start: track a clip at once, then train a small tracker.

First the tracker that comes with the package, sim_s16-6l_real, tracks a clip;
that takes seconds. Then a much smaller one is trained from scratch on
generated sequences, tested beside three baselines, and tracks a clip too.
Everything that exists already is used again, so an interrupted run continues.
"""

import copy
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmsimtrack import fileio, structures
from mmsimtrack.apis import SOTInferencer, open_source
from mmsimtrack.cli.options import make_parser, parse_bbox, parse_source
from mmsimtrack.engine.loops import SequenceTestLoop
from mmsimtrack.evaluation import OPEMetric
from mmsimtrack.evaluation.reports import (
    markdown_table,
    read_reports,
    worst_sequences,
)
from mmsimtrack.models import TrackState
from mmsimtrack.models.weights.load import write_checkpoint
from mmsimtrack.registry import DATASETS, LOOPS, MODELS
from mmsimtrack.visualization import plot_curves

TOOLS = Path(__file__).parent
CONFIG = TOOLS.parent / 'configs/demo/sim_tiny_generated.py'
SHIPPED = 'sim_s16-6l_real'
GENERATOR = 'dataset_converters/generate_sequences.py'
CLIP = ('--num-train', 0, '--num-val', 1, '--seed', 5, '--size', 480, 360)
# a minute, to see that every step works; nothing is learned
QUICK_DATA = ('--num-train', 12, '--num-val', 3, '--val-frames', 12)
QUICK_OPTIONS = {
    'train_dataloader.sampler.num_pairs': 64,
    'train_cfg.max_epochs': 2,
}
# the batch of the config, shared by two processes of one thread each: on two
# cores a quarter faster than one process of two threads
TWO_PROCESSES = (
    'train_dataloader.batch_size=16',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
)
TITLES = {
    'trained': 'SimTrack, trained',
    'untrained': 'untrained network',
    'first_box': 'first box kept still',
    'wrong_exemplar': "another sequence's exemplar",
}
BASELINES = list(TITLES)[1:]
COLUMNS = ('auc', 'precision20', 'norm_precision_at_0_2', 'ao')


@LOOPS.register_module()
class WrongExemplarLoop(SequenceTestLoop):
    """Tracks each sequence from its own box, with the next one's exemplar.

    A tracker that scores the same does not look at its exemplar.
    """

    def start(
        self, frames: Sequence[np.ndarray], samples: Sequence
    ) -> TrackState:
        """Start as usual, but exchange what is remembered of the target."""
        dataset = self.dataloader.dataset
        numbers = [(s.index + 1) % len(dataset) for s in samples]
        others = [dataset.get_sequence(number) for number in numbers]
        images = [other.read_frame(0) for other in others]
        bboxes = np.concatenate([other.bboxes[:1] for other in others])
        other = self.model.init(images, bboxes)
        return replace(super().start(frames, samples), memory=other.memory)


class Demo:
    """A quick start, whose steps are methods.

    Args:
        work_dir: Folder for everything that is made from the data.
        data_root: Folder of the generated data.
        quick: Make a pass of a minute, which learns nothing.
    """

    def __init__(self, work_dir: Path, data_root: Path, quick: bool) -> None:
        self.work_dir, self.data_root = work_dir, data_root
        self.quick, self.start = quick, time.time()
        options = {
            'train_dataloader.dataset.datasets.0.data_root': str(data_root),
            'test_dataloader.dataset.data_root': str(data_root),
            **(QUICK_OPTIONS if quick else {}),
        }
        self.cfg = Config.fromfile(CONFIG)
        self.cfg.merge_from_dict(options)
        self.options = [f'{key}={value}' for key, value in options.items()]
        epochs = self.cfg.train_cfg.max_epochs
        self.checkpoint = work_dir / f'epoch_{epochs}.pth'
        self.work_dirs = {n: work_dir / 'baselines' / n for n in BASELINES}
        self.work_dirs['trained'] = work_dir

    def say(self, text: str) -> None:
        """Print the headline of a step."""
        print(f'\n[{time.time() - self.start:4.0f} s] {text}', flush=True)

    def run(self, tool: str, *args) -> None:
        """Run another tool, which prints for itself."""
        python = [] if tool.endswith('.sh') else [sys.executable]
        command = [str(part) for part in (*python, TOOLS / tool, *args)]
        print('$', *command, flush=True)
        environment = {**os.environ, 'PYTHON': sys.executable}
        subprocess.run(command, check=True, env=environment)

    def track_with_shipped(self, clip: tuple | None) -> None:
        """Track the clip of the user, or a rendered one, in seconds.

        Args:
            clip: Source and first box.
        """
        self.say(f'1/6 {SHIPPED}, which comes with the package, tracks a clip')
        truth = None
        if clip is None:
            root = self.data_root.with_name(f'{self.data_root.name}_clip')
            self.run(GENERATOR, root, *CLIP)
            (folder,) = (root / 'val').glob('Synthetic_Val_*')
            truth = read_truth(folder)
            clip = str(folder), truth[0]
        tracker = SOTInferencer(SHIPPED)
        found = tracker(*clip, self.work_dir / 'shipped')
        print('It was trained on photos and short videos. Look at the result:')
        print(*(f'  {path}' for path in found['files'].values()), sep='\n')
        if truth is not None:
            iou = structures.aligned_iou(found['bboxes'], truth).mean()
            print(f'Mean IoU with the rendered truth: {iou:.2f}')

    def generate(self) -> None:
        """Write data in GOT-10k layout: some to train on, others to test."""
        self.say(
            '2/6 Generate sequences to train a small tracker from scratch'
        )
        self.run(GENERATOR, self.data_root, *QUICK_DATA * self.quick)

    def train(self) -> None:
        """Train, or continue a training."""
        self.say(f'3/6 Train it: {CONFIG.stem}')
        if self.checkpoint.exists():
            print(f'{self.checkpoint} exists and is used again.')
            return
        about = '--resume', '--work-dir', self.work_dir, '--cfg-options'
        if torch.accelerator.is_available():
            self.run('train.py', CONFIG, *about, *self.options)
        else:
            about = *about, *self.options, *TWO_PROCESSES
            self.run('dist_train.sh', CONFIG, 2, *about)

    def test(self) -> None:
        """Track the held-out sequences, with the tracker and baselines."""
        self.say('4/6 Test it on the held-out sequences')
        untrained = self.work_dirs['untrained'] / 'untrained.pth'
        if not untrained.exists():
            torch.manual_seed(self.cfg.randomness.seed)
            model = MODELS.build(self.cfg.model)
            model.init_weights()
            write_checkpoint({'state_dict': model.state_dict()}, untrained)
        for path in (self.checkpoint, untrained):
            about = '--work-dir', path.parent, '--cfg-options'
            self.run('test.py', CONFIG, path, *about, *self.options)
        cfg = copy.deepcopy(self.cfg)
        cfg.load_from = str(self.checkpoint)
        cfg.work_dir = str(self.work_dirs['wrong_exemplar'])
        cfg.test_cfg.type = 'WrongExemplarLoop'
        Runner.from_cfg(cfg).test()

    def score(self) -> dict[str, dict]:
        """Score tracker and baselines; write metrics.json and a plot."""
        self.say('5/6 Compare it with three baselines')
        dataset = DATASETS.build(self.cfg.test_dataloader.dataset)
        samples = [item['data_samples'] for item in dataset]
        folder = self.work_dirs['first_box'] / 'results'
        for sample in samples:
            first = np.asarray(sample.gt_instances.bboxes_xywh[:1])
            path = folder / f'{sample.sequence}.txt'
            fileio.write_bboxes_xywh(path, first.repeat(sample.num_frames, 0))
        metric = OPEMetric(str(folder), self.cfg.test_evaluator.benchmark)
        metric.process({}, samples)
        metric.compute_metrics(metric.results)  # writes metrics.json
        folders = [self.work_dirs[name] for name in TITLES]
        reports = read_reports(folders, list(TITLES), with_curves=True)
        curves = {
            TITLES[name]: report.pop('curves')['success']
            for name, report in reports.items()
        }
        scores = {name: report['overall'] for name, report in reports.items()}
        metrics = reports['trained']
        metrics['baselines'] = {name: scores[name] for name in BASELINES}
        fileio.write_json(self.work_dir / 'metrics.json', metrics)
        title = 'Success on held-out generated sequences'
        plot_curves(curves, self.work_dir / 'success.png', title=title)
        return scores

    def track(self, clip: tuple | None) -> dict[str, Path]:
        """Track the clip of the user, or the median held-out sequence."""
        self.say('6/6 Track a clip with it')
        if clip is None:
            ((_, report),) = read_reports([self.work_dir]).items()
            names = worst_sequences(report, len(report['per_sequence']))
            folder = self.data_root / 'val' / names[len(names) // 2]
            clip = str(folder), read_truth(folder)[0]
        inferencer = SOTInferencer(self.cfg, str(self.checkpoint))
        return inferencer(*clip, self.work_dir)['files']

    def report(self, scores: dict[str, dict], files: dict[str, Path]) -> None:
        """Print the table, and where to look."""
        self.say('Done: the small tracker, trained from scratch')
        rows = [
            [title, *(scores[name][key] for key in COLUMNS)]
            for name, title in TITLES.items()
        ]
        print(markdown_table(['', 'AUC', 'P@20', 'P_norm@0.2', 'AO'], rows))
        print(
            f'In {self.work_dir}:\n'
            f'  shipped/: boxes, video and contact sheet of {SHIPPED}\n'
            f'  {self.checkpoint.name}, <date>/<date>.log: the training\n'
            '  results/*.txt, metrics.json, success.png: the test\n'
            f'  {files["video"].name}, {files["sheet"].name}: the clip'
        )


def read_truth(folder: Path) -> np.ndarray:
    """Read the boxes of a generated sequence, (T, 4) xyxy."""
    boxes = fileio.read_bboxes_xywh(folder / 'groundtruth.txt')
    return structures.xywh_to_xyxy(boxes)


def main() -> None:
    """Read the command line and make all steps."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    text = 'track this video, folder of frames or camera instead'
    add('--video', type=parse_source, help=text)
    text = 'target in its first frame: x,y,w,h in pixels'
    add('--bbox', type=parse_bbox, help=text)
    add('--work-dir', type=Path, help='folder for all results')
    add('--data-root', type=Path, help='folder for generated data')
    text = 'see in a minute that every step works; learns nothing'
    add('--quick', action='store_true', help=text)
    args = parser.parse_args()
    if (args.video is None) != (args.bbox is None):
        parser.error('a video needs a box, and a box a video')
    clip = None
    if args.video is not None:  # refuse in the first second
        frame = next(open_source(args.video))
        structures.check_first_box(args.bbox, frame.shape, str(args.video))
        clip = args.video, args.bbox
    name = 'demo_quick' if args.quick else 'demo'
    work_dir = args.work_dir or Path('work_dirs', name)
    data_root = args.data_root or Path('data', name)
    demo = Demo(work_dir, data_root, args.quick)
    try:
        demo.track_with_shipped(clip)
        demo.generate()
        demo.train()
        demo.test()
    except subprocess.CalledProcessError as error:  # which has said why
        sys.exit(f'The demo stopped: {error.cmd[1]} failed.')
    scores = demo.score()
    demo.report(scores, demo.track(clip))


if __name__ == '__main__':
    main()
