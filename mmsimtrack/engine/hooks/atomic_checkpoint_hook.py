"""A hook that saves checkpoints which a kill cannot harm."""

import os
from collections.abc import Iterable
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmsimtrack.datasets.samplers import PairSampler
from mmsimtrack.fileio import replace_atomically, write_text
from mmsimtrack.registry import HOOKS


@register_backend('atomic_local')
class AtomicLocalBackend(LocalBackend):
    """Writes local files that appear once complete, and removes files last.

    mmengine's hook writes a checkpoint in place, and deletes the one that it
    replaces before. Here a file is written under another name and moved, and
    what is to be removed stays until `remove_for_good`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._outdated = {}

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file, or leave the old one as it is."""
        with replace_atomically(filepath) as temporary:
            with open(temporary, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())

    def remove(self, filepath: str | Path) -> None:
        """Remember a file that is no longer wanted."""
        self._outdated[Path(filepath)] = os.stat(filepath).st_ino

    def remove_for_good(self) -> None:
        """Remove what was remembered, unless it was written anew."""
        for path, inode in self._outdated.items():
            if path.exists() and path.stat().st_ino == inode:
                path.unlink()
        self._outdated.clear()


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """Saves checkpoints that a kill cannot harm at any moment.

    Files appear whole or not at all, and an older checkpoint is deleted only
    after the newer one is on the disk. Checkpoints go to local disks only. A
    work dir may be moved between two runs.

    Args:
        **kwargs: Arguments of mmengine's `CheckpointHook`.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(backend_args={'backend': 'atomic_local'}, **kwargs)

    def before_run(self, runner: Runner) -> None:
        """Find the checkpoint to resume, wherever the work dir is now."""
        if runner._resume and runner._load_from is None:
            runner._load_from = latest_checkpoint(Path(runner.work_dir))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to resume without a training's state, or with other pairs.

        Raises:
            ValueError: If the checkpoint holds weights only, or the sampler's
                seed is not that of the checkpoint; mmengine restores its own
                seed too late for the sampler.
        """
        if not runner._resume:
            return  # a test has no training data, and must not ask for it
        if 'iter' not in checkpoint.get('meta', {}):
            raise ValueError(
                f'{runner._load_from} holds weights only, expected the '
                'checkpoint of a training to resume. To start a new training '
                'from these weights, leave --resume out and set load_from to '
                'this file in the config.'
            )
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
                step, whose gradients they do not hold, or if no score will
                have the name of the best one.
        """
        counts = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if not self.by_epoch and self.interval % counts:
            raise ValueError(
                f'AtomicCheckpointHook: interval is {self.interval} '
                f'iterations, but {counts} of them make a step '
                '(optim_wrapper.accumulative_counts). Set '
                'default_hooks.checkpoint.interval to a multiple.'
            )
        evaluator = getattr(runner.val_loop, 'evaluator', None)
        metrics = getattr(evaluator, 'metrics', ())
        prefixes = {getattr(metric, 'prefix', None) for metric in metrics}
        for key in self.key_indicators if self.save_best else ():
            known = {'auto', *prefixes}
            if prefixes and not known & {key, key.partition('/')[0], None}:
                self._refuse_best(key, [f'{each}/*' for each in prefixes])
        super().before_train(runner)
        # else a run in a copy would delete the best checkpoint of the other
        if getattr(self, 'best_ckpt_path', None):
            self.best_ckpt_path = self._move(self.best_ckpt_path)
        for key, path in getattr(self, 'best_ckpt_path_dict', {}).items():
            self.best_ckpt_path_dict[key] = path and self._move(path)
        if is_main_process():
            for path in Path(self.out_dir).glob('.*.pth'):
                path.unlink(missing_ok=True)

    def _refuse_best(self, key: str, known: Iterable[str]) -> None:
        """Raise `ValueError` for a score that no validation gives."""
        raise ValueError(
            f'default_hooks.checkpoint.save_best is {key!r}, expected a score '
            f'of the validation: {", ".join(known)}. Correct it; --resume '
            'goes on from the latest checkpoint.'
        )

    def _move(self, path: str) -> str:
        """Return the path of a checkpoint in the folder of this run."""
        return os.path.join(self.out_dir, os.path.basename(path))

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        """Save, note the name, then delete what is outdated."""
        super()._save_checkpoint_with_step(runner, step, meta)
        if is_main_process():
            # mmengine's note has the path at this moment, and no safe place
            name = os.path.relpath(self.last_ckpt, runner.work_dir)
            write_text(Path(runner.work_dir, 'last_checkpoint'), name)
            self.file_backend.remove_for_good()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Save the best checkpoint, then delete the former best.

        Raises:
            ValueError: If no score has the name of the best one.
        """
        for key in self.key_indicators if self.save_best else ():
            if key not in {'auto', *metrics}:
                self._refuse_best(key, metrics)
        super()._save_best_checkpoint(runner, metrics)
        if is_main_process():
            self.file_backend.remove_for_good()


def latest_checkpoint(work_dir: Path) -> str | None:
    """Find the latest checkpoint of a work dir.

    It is the one that `last_checkpoint` names, relative to the work dir. If
    a kill cut the note short, or it names a place before a move, it is the
    newest in the work dir.

    Returns:
        Its path; None if there is none.
    """
    note = work_dir / 'last_checkpoint'
    noted = work_dir
    if note.exists():  # a damaged one names nothing
        noted /= note.read_text('utf-8', 'replace').strip()
    found = [*work_dir.glob('epoch_*.pth'), *work_dir.glob('iter_*.pth')]
    newest = max(found, key=os.path.getmtime, default=None)
    return str(noted) if noted.is_file() else newest and str(newest)
