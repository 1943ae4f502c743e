"""A hook that tells what reading the data costs a training."""

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsimtrack.registry import HOOKS

WINDOW = 50  # steps; LoggerHook writes as often


@HOOKS.register_module()
class DataReportHook(Hook):
    """Logs `data_share`, and how often an epoch met a corrupt frame.

    `data_share` is the share of the time of the last 50 steps in which the
    step waited for its batch, in [0, 1]. Needs mmengine's `IterTimerHook`.
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the count of corrupt frames to 0."""
        self.num_corrupt = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Give the share of waiting to the log, and count corrupt frames."""
        hub = runner.message_hub
        wait, total = (
            hub.get_scalar(f'train/{name}').mean(WINDOW)
            for name in ('data_time', 'time')
        )
        hub.update_scalar('train/data_share', wait / total)
        for sample in data_batch['data_samples']:
            self.num_corrupt += sample.get('num_corrupt', 0)

    def after_train_epoch(self, runner: Runner) -> None:
        """Log the count of all ranks, unless it is 0."""
        count = torch.tensor(self.num_corrupt)
        all_reduce(count)
        if count:
            runner.logger.warning(
                f'In epoch {runner.epoch + 1}, {count} pairs were drawn again '
                'because of corrupt frames (on_corrupt=skip). The workers '
                'have logged each of these frames above; unpack or download '
                'them again.'
            )
