from contextlib import suppress

import pytest
import torch
from layouts import make_got10k
from mmengine.hooks import Hook
from mmengine.runner import Runner
from small_models import load_demo

STEPS = 5  # per epoch


class Killed(BaseException):
    """Like a kill: nothing may catch it and go on."""


class Watch(Hook):
    """Notes pairs and losses; spoils a batch, or kills the run after one."""

    priority = 'LOWEST'

    def __init__(self, kill_after=None, spoil=None):
        self.kill_after, self.spoil = kill_after, spoil
        self.seen, self.states = {}, {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.spoil:
            data_batch['inputs']['exemplar_bbox'][0] = torch.nan

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        keys = tuple(sample.key for sample in data_batch['data_samples'])
        loss = outputs['loss'].item()
        self.seen[runner.iter + 1] = (batch_idx, keys, loss)
        self.states[runner.iter + 1] = state(runner)
        if runner.iter + 1 == self.kill_after:
            raise Killed


class EvalNorm(Hook):
    """BatchNorm in eval mode: no statistics of the batch."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()


def state(runner):
    return {k: v.clone() for k, v in runner.model.state_dict().items()}


def train(data, work_dir, watch=None, resume=False, hooks=(), **options):
    """Train a small network; what the hook `watch` saw."""
    cfg = load_demo()
    cfg.train_cfg.max_epochs = 2
    loader = cfg.train_dataloader
    loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    loader.sampler.num_pairs = 2 * STEPS + 1  # the last one is left out
    loader.dataset.datasets[0].data_root = str(data)
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=1)
    cfg.work_dir = str(work_dir)
    cfg.resume = bool(resume)
    cfg.load_from = resume if isinstance(resume, str) else None
    name = f'{work_dir.parent.name}_{work_dir.name}_{bool(resume)}'
    cfg.experiment_name = name
    cfg.merge_from_dict(options)
    runner = Runner.from_cfg(cfg)
    watch = watch or Watch()
    for hook in (watch, *hooks):
        runner.register_hook(hook)
    with suppress(Killed):
        runner.train()
    runner.train_dataloader._iterator = None  # ends its workers
    return watch


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    make_got10k(folder, 'train', num_frames=4)
    return folder


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    """A training that nothing happens to."""
    return train(data, tmp_path_factory.mktemp('runs') / 'whole')


@pytest.fixture
def run(data, tmp_path):
    """A function that trains in a folder of this name."""
    return lambda name, *args, **options: train(
        data, tmp_path / name, *args, **options
    )


def assert_same(state, other):
    assert state.keys() == other.keys()
    assert all(torch.equal(state[key], other[key]) for key in state)


def keys_of(watch):
    return [keys for _, keys, _ in watch.seen.values()]


# in the first epoch, at its end, in the second epoch
@pytest.mark.parametrize('kill_after', [3, STEPS, STEPS + 2])
def test_a_resumed_run_goes_on_with_the_next_pair(run, whole, kill_after):
    first = [((0, 2 * i), (0, 2 * i + 1)) for i in range(STEPS)]
    # an epoch of 11 pairs begins at a multiple of 11
    second = [tuple((0, k + 11) for _, k in keys) for keys in first]
    assert keys_of(whole) == [tuple(map(tuple, x)) for x in first + second]
    run('parts', Watch(kill_after=kill_after))
    rest = run('parts', resume=True)
    assert next(iter(rest.seen)) == kill_after + 1
    assert rest.seen == {k: whole.seen[k] for k in rest.seen}
    assert max(rest.seen) == 2 * STEPS
    assert_same(rest.states[2 * STEPS], whole.states[2 * STEPS])


ACCUMULATE = {
    'optim_wrapper.accumulative_counts': 2,
    'default_hooks.checkpoint.interval': 2,
}


def test_accumulated_gradients_and_averages_survive_a_kill(run, tmp_path):
    ema = {'default_hooks.ema': dict(type='EMAHook', momentum=0.1)}
    options = {**ema, **ACCUMULATE}
    whole = run('whole', **options)
    assert len(whole.seen) == 8  # an epoch has whole steps: 4 iterations
    run('parts', Watch(kill_after=7), **options)
    rest = run('parts', resume=True, **options)
    assert rest.seen == {k: whole.seen[k] for k in (7, 8)}
    found, expected = (
        torch.load(tmp_path / name / 'iter_8.pth', weights_only=False)
        for name in ('parts', 'whole')
    )
    for part in ('state_dict', 'ema_state_dict'):
        assert_same(found[part], expected[part])


def test_losses_do_not_depend_on_workers(run, whole):
    """Neither in a run that is resumed in the middle of an epoch."""
    loader = dict(num_workers=2, persistent_workers=True)
    run('parts', Watch(kill_after=3), train_dataloader=loader)
    rest = run('parts', resume=True, train_dataloader=loader)
    assert rest.seen == {k: whole.seen[k] for k in range(4, 2 * STEPS + 1)}


def test_accumulation_equals_a_larger_batch(run):
    """The same pairs, and the same weights to rounding."""
    # Adam would blow up the rounding of gradients that are zero
    options = {
        'train_cfg.max_epochs': 1,
        'param_scheduler': None,
        'optim_wrapper.optimizer': dict(_delete_=True, type='SGD', lr=0.1),
    }
    small = {**options, **ACCUMULATE, 'train_dataloader.batch_size': 1}
    parts = run('parts', hooks=[EvalNorm()], **small)
    large = run('large', hooks=[EvalNorm()], **options)
    pairs = zip(keys_of(parts)[::2], keys_of(parts)[1::2])
    assert [(*a, *b) for a, b in pairs] == keys_of(large)
    for key, value in large.states[STEPS].items():
        torch.testing.assert_close(parts.states[2 * STEPS][key], value)


def test_a_lost_loss_leaves_the_last_good_state(run, whole, tmp_path):
    watch = Watch(spoil=4)
    good = tmp_path / 'spoiled/good_iter_3.pth'
    message = (
        r'Training stopped before iteration 4: The loss is not finite '
        r'\(in this process: loss nan, loss_iou 4, loss_bbox nan\). Keys '
        r'\(seed, k\) of its pairs: process 0: \(0, 6\), \(0, 7\)\. '
        rf'The last good state is {good}; --resume {good} repeats'
    )
    with pytest.raises(FloatingPointError, match=message):
        run('spoiled', watch)
    # with the statistics of BatchNorm, which had seen the batch
    saved = torch.load(good, weights_only=False)
    assert_same(saved['state_dict'], watch.states[3])
    rest = run('spoiled', resume=str(good))
    assert rest.seen == {k: whole.seen[k] for k in range(4, 2 * STEPS + 1)}


def test_a_loss_that_is_lost_between_two_steps(run, tmp_path):
    """The batches of the unfinished step come again."""
    with pytest.raises(FloatingPointError, match='iteration 4: .*iter_2.pth'):
        run('spoiled', Watch(spoil=4), **ACCUMULATE)
    good = tmp_path / 'spoiled/good_iter_2.pth'
    rest = run('spoiled', resume=str(good), **ACCUMULATE)
    assert next(iter(rest.seen)) == 3


class SpoilGradient(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 2:
            weight = runner.model.backbone.patch_embed.projection.weight
            weight.register_hook(lambda grad: grad * torch.nan)


@pytest.mark.parametrize('clip', [True, False])
def test_a_lost_gradient(run, tmp_path, clip):
    """It stops before the step; without a clip the weights may be lost."""
    watch, message = Watch(), 'The weights are not finite either, and not sa'
    options = {'hooks': [SpoilGradient()]}
    if clip:
        message = r'iteration 3: The norm .* is nan, not.*\(0, 4\), \(0, 5\)'
    else:
        message += '.*clip_grad'
        options['optim_wrapper.clip_grad'] = None
    with pytest.raises(FloatingPointError, match=message):
        run('spoiled', watch, **options)
    good = list(tmp_path.glob('spoiled/good*'))
    assert [path.name for path in good] == ['good_iter_2.pth'] * clip
    for path in good:
        saved = torch.load(path, weights_only=False)
        assert_same(saved['state_dict'], watch.states[2])


def test_other_errors_pass(run):
    class Broken(Hook):
        def after_train_iter(self, runner, *args, **kwargs):
            raise RuntimeError('out of memory')

    with pytest.raises(RuntimeError, match='^out of memory$'):
        run('broken', hooks=[Broken()])


REFUSED = [
    (
        {**ACCUMULATE, 'train_dataloader.sampler.num_pairs': 3},
        r'3 pairs per epoch are less than one step: 1 processes x batch 2 '
        r'x 2 accumulated\. Raise train_dataloader.sampler.num_pairs',
    ),
    (
        {**ACCUMULATE, 'default_hooks.checkpoint.interval': 3},
        r'interval is 3 iterations, but 2 of them make a step',
    ),
    (
        {'train_dataloader.batch_size': 1, 'resume': True},
        r'made 7 iterations in 1 epochs, but an epoch now has 11\. Resume '
        'with the same number of processes',
    ),
]


@pytest.mark.parametrize('options, message', REFUSED)
def test_what_is_refused(run, options, message):
    options = dict(options)
    resume = options.pop('resume', False)
    if resume:
        run('parts', Watch(kill_after=STEPS + 2))
    with pytest.raises(ValueError, match=message):
        run('parts', resume=resume, **options)
