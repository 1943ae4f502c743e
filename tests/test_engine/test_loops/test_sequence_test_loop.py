import json
import os
import re
from functools import partial

import numpy as np
import pytest
import torch
from drifter import Drifter
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsimtrack.engine.loops.results_folder import describe_test
from mmsimtrack.evaluation.functional import get_profile
from mmsimtrack.fileio import read_bboxes_xywh


def make_runner(work_dir, data_root, **test_cfg):
    checkpoint, model = work_dir / 'drifter.pth', Drifter()
    work_dir.mkdir(exist_ok=True)
    if not checkpoint.exists():
        torch.save({'state_dict': model.state_dict()}, checkpoint)
    dataset = dict(type='Got10kDataset', split='val', test_mode=True)
    dataset['data_root'] = str(data_root)
    sampler = dict(type='DefaultSampler', shuffle=False)
    loader = dict(dataset=dataset, sampler=sampler, batch_size=1)
    weights = dict(load_from=str(checkpoint))
    return Runner(
        model,
        str(work_dir),
        test_dataloader=dict(loader, collate_fn=dict(type='pseudo_collate')),
        test_evaluator=dict(type='OPEMetric'),
        test_cfg=dict(type='SequenceTestLoop', **test_cfg),
        cfg=weights,
        default_scope='mmsimtrack',
        experiment_name=f'loop_{work_dir.parent.name}_{id(model)}',
        **weights,
    )


@pytest.fixture
def data_root(tmp_path, make_got10k):
    make_got10k(tmp_path / 'data', 'val', num_sequences=3, num_frames=5)
    return tmp_path / 'data'


@pytest.fixture
def work_dir(tmp_path):
    return tmp_path / 'work'


@pytest.fixture
def make(work_dir, data_root):
    """A function that makes the Runner of a test in the folder."""
    return partial(make_runner, work_dir, data_root)


def test_writes_boxes_times_and_metrics(make, work_dir):
    # what others left in the folder stays; what is half written goes
    (work_dir / 'results/.ipynb_checkpoints').mkdir(parents=True)
    (work_dir / 'results/.seq_0.123.txt').write_text('1,2\n')
    scores = make().test()
    assert not list(work_dir.glob('results/.seq*'))
    assert len(list(work_dir.glob('results/*.txt'))) == 3
    result = read_bboxes_xywh(work_dir / 'results/seq_1.txt')
    assert result.shape == (5, 4)
    assert result[:, :3].tolist() == [
        [16 + 2 * t, 12 + t, 16] for t in range(5)
    ]
    times = np.loadtxt(work_dir / 'times/seq_1.txt')
    assert times.shape == (5,) and (times > 0).all()
    metrics = json.loads((work_dir / 'metrics.json').read_text())
    assert list(metrics) == ['benchmark', 'profile', 'overall', 'per_sequence']
    assert sorted(metrics['per_sequence']) == ['seq_0', 'seq_1', 'seq_2']
    assert scores['sot/auc'] == pytest.approx(metrics['overall']['auc'], 1e-3)
    assert 0 < metrics['overall']['ao'] <= 1
    with pytest.raises(ValueError, match='num_slots is 0, expected at least'):
        make(num_slots=0).test()


NOT_WHOLE = [
    ('results/seq_1.txt', 'nan,2,3,4\n' * 5),
    ('results/seq_1.txt', '1,2,-3,4\n' * 5),
    ('results/seq_1.txt', '1,2,3\n' * 5),
    ('results/seq_1.txt', '1,2,3,4\n' * 3),
    ('times/seq_1.txt', '0.1\n'),
    ('times/seq_1.txt', None),
    ('results/seq_1.txt', None),
]


@pytest.mark.parametrize('file, text', NOT_WHOLE)
def test_the_same_test_tracks_what_is_not_whole(make, work_dir, file, text):
    resume = True if text else None  # which makes no difference here
    full = make().test()
    (work_dir / file).unlink()
    if text:
        (work_dir / file).write_text(text)
    runner = make(resume=resume, num_slots=2)
    assert runner.test() == full
    assert runner.model.tracked == 4
    assert not (work_dir / 'earlier').exists()


def test_what_tells_tests_apart(tmp_path):
    def describe(load_from='a.pth', data_root='data', **loader):
        dataset = dict(type='X', data_root=str(data_root))
        cfg = dict(load_from=load_from, model=dict(type='Y'))
        cfg['test_dataloader'] = dict(dataset=dataset, **loader)
        return describe_test(Config(cfg), amp_dtype=None)

    assert describe() == describe()
    # how it is read does not matter, nor how the path is written
    assert describe() == describe(num_workers=2, data_root='./data/')
    assert describe() != describe(data_root='other')
    assert describe() != describe(load_from='b.pth')
    # nobody knows these weights
    assert describe(load_from=None) != describe(load_from=None)


def test_overwriting_sets_all_results_aside(make, work_dir):
    for _ in range(3):
        runner = make(resume=False)
        runner.test()
        assert runner.model.tracked == 3 * 4
    first, second = sorted((work_dir / 'earlier').iterdir())
    for folder in (first, second):
        files = {'metrics.csv', 'metrics.json', 'metrics.md', 'results.json'}
        files |= {'metrics_curves.csv', 'results', 'times'}
        assert {*os.listdir(folder)} == files
        assert len(os.listdir(folder / 'results')) == 3


OTHER_TESTS = [
    ('drifter.pth', {}, 'Give another --work-dir, or leave'),
    ('results.json', {}, 'holds results of an unknown test,'),
    (None, dict(amp_dtype='bfloat16'), "'amp_dtype': None"),
]


@pytest.mark.parametrize('gone, options, message', OTHER_TESTS)
def test_results_of_another_test(make, work_dir, gone, options, message):
    """`resume` refuses them; by default they are set aside."""
    make().test()
    if gone:
        (work_dir / gone).unlink()
    runner = make(resume=True, **options)
    with pytest.raises(ValueError, match=message):
        runner.test()
    assert len(os.listdir(work_dir / 'results')) == 3
    runner = make(**options)
    runner.test()
    assert runner.model.tracked == 3 * 4
    assert len(list(work_dir.glob('earlier/*/results/*.txt'))) == 3


def test_resume_does_not_take_what_an_older_test_has_left(make, work_dir):
    """A test of A completes, one of B dies, and goes on."""
    make().test()
    (work_dir / 'drifter.pth').unlink()
    (work_dir / 'submission.zip').touch()
    runner = make()
    runner.model.track = lambda frames, state: 1 / 0
    with pytest.raises(ZeroDivisionError):
        runner.test()
    # those of A
    assert not list(work_dir.glob('metrics*'))
    assert not (work_dir / 'submission.zip').exists()
    assert len(list(work_dir.glob('earlier/*/results/*.txt'))) == 3
    assert len(list(work_dir.glob('earlier/*/metrics.json'))) == 1
    runner = make()
    runner.test()
    assert runner.model.tracked == 3 * 4


def test_annotations_are_checked_before_tracking(make, work_dir, data_root):
    """And before the results of another test are set aside."""
    make().test()
    path = data_root / 'val/seq_2/groundtruth.txt'
    lines = path.read_text().splitlines()
    lines[3] = 'NaN,NaN,NaN,NaN'
    path.write_text('\n'.join(lines))
    runner = make(resume=False)
    runner.test_loop.evaluator.metrics[0].rules = get_profile('stark', 'nfs')
    with pytest.raises(ValueError, match="'seq_2'.*expected no NaN"):
        runner.test()
    assert runner.model.tracked == 0
    assert len(os.listdir(work_dir / 'results')) == 3


def test_amp_and_the_log_of_speed_and_time_left(make, work_dir):
    runner = make(num_slots=2, amp_dtype='bfloat16')
    seen, track = set(), runner.model.track

    def look(frames, state):
        seen.add((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
        return track(frames, state)

    runner.model.track = look
    runner.test()
    assert seen == {torch.bfloat16}
    (path,) = work_dir.glob('*/*.log')
    found = re.findall(
        r'Tracked (\w+ \(./3\): \d+) of 15 frames of rank 0, \d+\.\d frames/s '
        r'with reading, (\S+) left',
        path.read_text(),
    )
    expected = ['seq_0 (1/3): 10', 'seq_1 (2/3): 10', 'seq_2 (3/3): 15']
    assert [text for text, _ in found] == expected
    assert found[0][1] == '0:00:00'


class FailsAt(Hook):
    """Fails at a sequence, or after all of them."""

    def __init__(self, moment):
        self.moment = moment

    def after_test_iter(self, runner, batch_idx, data_batch, outputs):
        if outputs[0].sequence == self.moment:
            raise OSError('no space left')

    def after_test_epoch(self, runner, metrics):
        if self.moment == 'end':
            raise OSError('no space left')


@pytest.mark.parametrize('moment', ['seq_0', 'end'])
def test_a_hook_that_fails_loses_no_result(make, work_dir, moment):
    runner = make()
    runner.register_hook(FailsAt(moment))
    with pytest.raises(OSError, match='no space left'):
        runner.test()
    assert len(list((work_dir / 'results').iterdir())) == 3
    runner = make()
    assert runner.test()['sot/auc'] > 0
    assert runner.model.tracked == 0


class Learner(Drifter):
    """Its weight grows by one in each step; boxes tell its value."""

    def track(self, frames, state):
        state = super().track(frames, state)
        state.bboxes[:, 2] = state.bboxes[:, 0] + 1 + self.weight.detach()
        return state

    def train_step(self, data, optim_wrapper):
        self.modes.append(self.training)
        with torch.no_grad():
            self.weight += 1
        return {}

    val_step = None  # which the Runner asks for


def test_validation_in_training(make, make_trainer, tmp_path):
    """Averaged weights are tracked with, those in training come back."""
    work_dir, model = tmp_path / 'training', Learner()
    model.modes = []
    best = dict(type='AtomicCheckpointHook', rule='greater')
    options = dict(
        max_epochs=2,
        val_dataloader=make()._test_dataloader,
        val_evaluator=dict(type='OPEMetric', benchmark='custom'),
        val_cfg=dict(type='SequenceTestLoop', num_slots=2),
        custom_hooks=[dict(type='EMAHook', momentum=0.5)],
    )
    for key in ('auc', 'sot/auc'):
        hooks = dict(checkpoint=dict(best, save_best=key))
        runner = make_trainer(
            work_dir, model, [0, 1], default_hooks=hooks, **options
        )
        if key == 'auc':  # before hours of training
            with pytest.raises(ValueError, match="save_best is 'auc', .*sot/"):
                runner.train()
            assert not model.modes
    runner.train()
    assert model.modes == [True] * 4
    assert model.weight.item() == 4
    widths = []
    for step in (2, 4):
        folder = work_dir / f'validation/iter_{step}'
        assert (folder / 'metrics.json').exists()
        assert len(list((folder / 'results').iterdir())) == 3
        boxes = read_bboxes_xywh(folder / 'results/seq_0.txt')
        widths.append(boxes[1, 2] - 1)
    # weights averaged: 1, then the mean of that and 2, and so on
    assert widths == [1.5, 3.125]
    assert not (work_dir / 'results').exists()
    assert not (work_dir / 'earlier').exists()
    assert list(work_dir.glob('best_sot_auc*'))
