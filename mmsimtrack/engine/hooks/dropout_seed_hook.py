"""A hook that makes dropout independent of interruptions."""

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmsimtrack.registry import HOOKS


@HOOKS.register_module()
class DropoutSeedHook(Hook):
    """Seeds torch from (seed, iteration, rank) before every training step.

    Checkpoints do not hold the state of torch's generators, so dropout (in
    STARK's transformer and the decoders of Table 9) would differ after a
    resume.
    """

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None
    ) -> None:
        """Seed the generators of all devices."""
        key = (runner.seed, runner.iter, get_rank())
        torch.manual_seed(
            int(np.random.SeedSequence(key).generate_state(1)[0])
        )
