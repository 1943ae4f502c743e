"""Train on pairs: resume anywhere, stop where the loss is lost."""

from __future__ import annotations

from functools import wraps

import torch
from mmengine.dist import all_gather_object
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from torch import Tensor

from mmsimtrack.engine.loops.pair_val_loop import filled
from mmsimtrack.registry import LOOPS


@LOOPS.register_module()
class PairTrainLoop(EpochBasedTrainLoop):
    """Epochs of pairs that can be left after any step and resumed.

    mmengine's loop begins a resumed epoch anew. This one tells `PairSampler`
    how much of the epoch is done; an epoch has whole steps of the optimizer,
    gradient accumulation included.

    A loss or gradient that is not finite stops the training, before it
    reaches the network.

    Args:
        runner: The runner.
        dataloader: With a `PairSampler`; see `fill_pairs` for its crops.
        max_epochs: Epochs to train.
        **kwargs: Of mmengine's `EpochBasedTrainLoop`: `val_begin`,
            `val_interval`, `dynamic_intervals`.

    Raises:
        ValueError: If an epoch has no whole step.
    """

    def __init__(self, runner, dataloader, max_epochs: int, **kwargs) -> None:
        super().__init__(
            runner, filled(dataloader, runner), max_epochs, **kwargs
        )
        self.batch_size = self.dataloader.batch_size
        self.accumulative_counts = _accumulative_counts(runner.optim_wrapper)
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
        """Train on a batch.

        Raises:
            FloatingPointError: If the loss or gradient of any process is not
                finite; names the pairs and a checkpoint of the state before.
        """
        # BatchNorm takes notice of a batch before its loss is known
        buffers = [buffer.clone() for buffer in self.runner.model.buffers()]
        try:
            super().run_iter(idx, data_batch)
        except FloatingPointError as error:  # of loss or gradient, by us
            for buffer, kept in zip(self.runner.model.buffers(), buffers):
                buffer.copy_(kept)
            message = self._report(error, data_batch)
            self.runner.logger.error(message)
            raise FloatingPointError(message) from error

    def _report(self, error: Exception, data_batch: dict) -> str:
        """Say which pairs did it, and save the state before them."""
        step = self._iter
        keys = all_gather_object([s.key for s in data_batch['data_samples']])
        ranks = [
            f'process {rank}: {", ".join(map(str, of_rank))}'
            for rank, of_rank in enumerate(keys)
        ]
        return (
            f'Training stopped before iteration {step + 1}: {error} Keys '
            f'(seed, k) of its pairs: {"; ".join(ranks)}. {self._save()} '
            'Look at pairs with tools/analysis_tools/browse_pairs.py CONFIG '
            '--num 1 --first-key K; if they are sound, lower the learning '
            'rate or train in a higher precision.'
        )

    def _save(self) -> str:
        """Save a checkpoint of the last good state; says where."""
        parameters = self.runner.model.parameters()
        if not all(parameter.isfinite().all() for parameter in parameters):
            return (
                'The weights are not finite either, and not saved: the step '
                'before spoiled them. Resume from an earlier checkpoint, and '
                'set optim_wrapper.clip_grad, which checks the gradients.'
            )
        # gradients that were accumulated are lost: their batches come again
        counts = self.accumulative_counts
        good = self._iter - self._iter % counts
        name = f'good_iter_{good}.pth'
        self.runner.save_checkpoint(
            self.runner.work_dir,
            name,
            meta={'epoch': self._epoch, 'iter': good},
            backend_args={'backend': 'atomic_local'},
        )
        path = f'{self.runner.work_dir}/{name}'
        return f'The last good state is {path}; --resume {path} repeats them.'


def _accumulative_counts(wrapper: OptimWrapper | dict) -> int:
    """Batches per step of the optimizer, of a wrapper or of its config."""
    if isinstance(wrapper, dict):
        return wrapper.get('accumulative_counts', 1)
    return wrapper._accumulative_counts


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
