"""Loops that train and validate on pairs of crops."""

from functools import wraps

import torch
from mmengine.dist import all_gather_object
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner, ValLoop
from torch import Tensor

from mmsimtrack.datasets import fill_pairs
from mmsimtrack.registry import LOOPS


@LOOPS.register_module()
class PairValLoop(ValLoop):
    """Validates on pairs that are cut as the model says.

    Args:
        runner: The runner; its config has the model.
        dataloader: Config of the pairs; see `fill_pairs`.
        **kwargs: Arguments of mmengine's `ValLoop`.
    """

    def __init__(self, runner: Runner, dataloader: dict, **kwargs) -> None:
        super().__init__(runner, _filled(dataloader, runner), **kwargs)


@LOOPS.register_module()
class PairTrainLoop(EpochBasedTrainLoop):
    """Trains in epochs of pairs, and can be resumed after any step.

    mmengine's loop begins a resumed epoch anew. This one tells `PairSampler`
    how much of the epoch is done; an epoch has whole steps of the optimizer,
    gradient accumulation included.

    A loss or gradient that is not finite stops the training, before it
    reaches the network.

    Args:
        runner: The runner.
        dataloader: With a `PairSampler`; see `fill_pairs` for its crops.
        max_epochs: Epochs to train.
        **kwargs: Others of mmengine's `EpochBasedTrainLoop`: `val_begin`,
            `val_interval`, `dynamic_intervals`.

    Raises:
        ValueError: If an epoch has no whole step.
    """

    def __init__(
        self, runner: Runner, dataloader: dict, max_epochs: int, **kwargs
    ) -> None:
        dataloader = _filled(dataloader, runner)
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        self.batch_size = self.dataloader.batch_size
        wrapper = runner.optim_wrapper
        self.accumulative_counts = (
            wrapper.get('accumulative_counts', 1)
            if isinstance(wrapper, dict)  # which is built later
            else wrapper._accumulative_counts
        )
        sampler = self.dataloader.sampler
        sampler.step_size = self.batch_size * self.accumulative_counts
        if not len(sampler):
            raise ValueError(
                f'PairTrainLoop: {sampler.num_pairs} pairs per epoch are less '
                f'than one step: {sampler.world_size} processes x batch '
                f'{self.batch_size} x {self.accumulative_counts} accumulated. '
                'Raise train_dataloader.sampler.num_pairs, or lower '
                'batch_size or optim_wrapper.accumulative_counts.'
            )
        self._max_iters = self._max_epochs * len(self.dataloader)

    def run(self) -> torch.nn.Module:
        """Train; see `EpochBasedTrainLoop`."""
        _check_gradients(self.runner.optim_wrapper)
        return super().run()

    def run_epoch(self) -> None:
        """Train an epoch, or what is left of it.

        Raises:
            ValueError: If the resumed run counted its steps otherwise.
        """
        done = self._iter - self._epoch * len(self.dataloader)
        if not 0 <= done <= len(self.dataloader):
            raise ValueError(
                f'The run to resume made {self._iter} iterations in '
                f'{self._epoch} epochs, but an epoch now has '
                f'{len(self.dataloader)}. Resume with the same number of '
                'processes, batch_size, num_pairs and accumulative_counts.'
            )
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        self.dataloader.sampler.set_epoch(self._epoch, done * self.batch_size)
        for idx, data_batch in enumerate(self.dataloader, done):
            self.run_iter(idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: dict) -> None:
        """Train on a batch, and stop if its loss or gradient is not finite.

        Raises:
            FloatingPointError: If the loss or gradient of any process is not
                finite; names the pairs and a checkpoint of the state before.
        """
        # BatchNorm takes notice of a batch before its loss is known
        model = self.runner.model
        before = [buffer.clone() for buffer in model.buffers()]
        try:
            super().run_iter(idx, data_batch)
        except FloatingPointError as error:  # of loss or gradient, by us
            for buffer, old in zip(model.buffers(), before):
                buffer.copy_(old)
            samples = data_batch['data_samples']
            keys = all_gather_object([str(sample.key) for sample in samples])
            keys = [f'process {i}: {", ".join(x)}' for i, x in enumerate(keys)]
            message = (
                f'Training stopped before iteration {self._iter + 1}: {error} '
                f'Keys (seed, k) of its pairs: {"; ".join(keys)}. '
                f'{self._save()} Look at pairs with '
                'tools/analysis_tools/browse_pairs.py CONFIG --num 1 '
                '--first-key K; if they are sound, lower the learning rate '
                'or train in a higher precision.'
            )
            self.runner.logger.error(message)
            raise FloatingPointError(message) from error

    def _save(self) -> str:
        """Save a checkpoint of the last good state, and say where it is."""
        parameters = self.runner.model.parameters()
        if not all(parameter.isfinite().all() for parameter in parameters):
            return (
                'The weights are not finite either, and not saved: the step '
                'before spoiled them. Resume from an earlier checkpoint, and '
                'set optim_wrapper.clip_grad, which checks the gradients.'
            )
        # gradients that were accumulated are lost: their batches come again
        good = self._iter - self._iter % self.accumulative_counts
        folder, name = self.runner.work_dir, f'good_iter_{good}.pth'
        meta = {'epoch': self._epoch, 'iter': good}
        where = {'backend': 'atomic_local'}
        self.runner.save_checkpoint(
            folder, name, meta=meta, backend_args=where
        )
        path = f'{folder}/{name}'
        return f'The last good state is {path}; --resume {path} repeats them.'


def _filled(dataloader: dict, runner: Runner) -> dict:
    """Fill the pairs of a dataloader's config with the model's crops."""
    if not isinstance(dataloader, dict):  # built by the caller
        return dataloader
    model = runner.cfg.get('model', {})
    return {**dataloader, 'dataset': fill_pairs(dataloader['dataset'], model)}


def _check_gradients(wrapper: OptimWrapper) -> None:
    """Let the gradient clip refuse a norm that is not finite.

    In float16 such gradients are part of the plan: the scaler skips them.
    """
    scaled = isinstance(wrapper, AmpOptimWrapper) and (
        wrapper.cast_dtype is not torch.bfloat16
    )
    if scaled or not wrapper.clip_grad_kwargs:
        return
    clip = wrapper.clip_func

    @wraps(clip)
    def checked(params: list, **options) -> Tensor | None:
        norm = clip(params, **options)  # None: clipped by value
        if norm is not None and not norm.isfinite():
            raise FloatingPointError(
                f'The norm of the gradient is {norm.item():g}, not finite.'
            )
        return norm

    wrapper.clip_func = checked
