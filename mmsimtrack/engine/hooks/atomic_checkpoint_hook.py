"""Checkpoints that a kill cannot harm."""

import os
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmsimtrack.datasets.samplers import PairSampler
from mmsimtrack.registry import HOOKS


@register_backend('atomic_local')
class AtomicLocalBackend(LocalBackend):
    """Local files that appear once they are complete, and go last.

    mmengine's hook writes a checkpoint in place, and deletes the one that it
    replaces before. Here a file is written under another name and moved, and
    what is to be removed stays until `remove_for_good`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._outdated = []

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file, or leave the old one as it is."""
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
        try:
            with open(temporary, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Write a text file, or leave the old one as it is."""
        self.put(obj.encode(encoding), filepath)

    def remove(self, filepath: str | Path) -> None:
        """Remember a file that is no longer wanted."""
        self._outdated.append(filepath)

    def remove_for_good(self, keep: set) -> None:
        """Remove what was remembered, but for the paths to keep."""
        for path in self._outdated:
            if path not in keep and self.isfile(path):
                super().remove(path)
        self._outdated.clear()


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's hook, safe against a kill at any moment.

    Files appear whole or not at all, and an older checkpoint is deleted only
    after the newer one is on the disk. Checkpoints go to local disks only.

    Args:
        **kwargs: Of mmengine's `CheckpointHook`.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(backend_args={'backend': 'atomic_local'}, **kwargs)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to resume with other pairs than the run began with.

        Raises:
            ValueError: If the sampler's seed is not that of the checkpoint;
                mmengine restores its own seed too late for the sampler.
        """
        if not runner._resume:
            return  # a test has no training data, and must not ask for it
        sampler = getattr(runner.train_dataloader, 'sampler', None)
        if not isinstance(sampler, PairSampler):
            return
        seed = checkpoint['meta']['seed']
        if sampler.seed != seed:
            raise ValueError(
                f'The run to resume was trained with seed {seed}, but the '
                f'sampler has {sampler.seed}. Set randomness = '
                f'dict(seed={seed}) in the config.'
            )

    def before_train(self, runner: Runner) -> None:
        """Prepare the folder; sweep up what a kill left half written.

        Raises:
            ValueError: If checkpoints were due between the batches of one
                step, whose gradients they do not hold.
        """
        counts = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if not self.by_epoch and self.interval % counts:
            raise ValueError(
                f'AtomicCheckpointHook: interval is {self.interval} '
                f'iterations, but {counts} of them make a step '
                '(optim_wrapper.accumulative_counts). Set '
                'default_hooks.checkpoint.interval to a multiple.'
            )
        super().before_train(runner)
        if is_main_process():
            for path in Path(self.out_dir).glob('.*.tmp'):
                path.unlink(missing_ok=True)

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        """Save, note the name, then delete what is outdated."""
        name = self.filename_tmpl.format(step)
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                oldest = self.filename_tmpl.format(self.keep_ckpt_ids[0])
                self.file_backend.remove(os.path.join(self.out_dir, oldest))
            self.keep_ckpt_ids.append(step)  # bounded, drops the oldest
            runner.message_hub.update_info(
                'keep_ckpt_ids', list(self.keep_ckpt_ids)
            )
        self.last_ckpt = os.path.join(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            # where `--resume` looks for the latest checkpoint
            note = os.path.join(runner.work_dir, 'last_checkpoint')
            self.file_backend.put_text(self.last_ckpt, note)
            self._remove_outdated()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Save the best checkpoint, then delete the former best."""
        super()._save_best_checkpoint(runner, metrics)
        if self.save_best and is_main_process():
            self._remove_outdated()

    def _remove_outdated(self) -> None:
        # the newest files may bear the name of an outdated one
        keep = {self.last_ckpt}
        if self.save_best and len(self.key_indicators) == 1:
            keep.add(self.best_ckpt_path)
        elif self.save_best:
            keep.update(self.best_ckpt_path_dict.values())
        self.file_backend.remove_for_good(keep)
