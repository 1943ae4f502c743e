"""Start of a training or a test: the config, several processes."""

import argparse
import os
import os.path as osp
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmsimtrack.cli.settings import read_settings
from mmsimtrack.fileio import lock_folder, naming_disk

# the number of a process, as launchers tell it
RANKS = 'RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'
# what a wrong value raises somewhere in what is built of a config
CONFIG_ERRORS = ArithmeticError, AssertionError, AttributeError, KeyError
CONFIG_ERRORS += RuntimeError, TypeError
SHORT = 10  # lines of a message on the console


def load_config(args: argparse.Namespace, training: bool = False) -> Config:
    """Read the config of the command line, with its options.

    The work dir is that of the command line, else of the config, else it is
    named after the config.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_settings(args.config, args.cfg_options, training)
    cfg.launcher = args.launcher
    name = osp.splitext(osp.basename(args.config))[0]
    cfg.work_dir = (
        args.work_dir or cfg.get('work_dir') or osp.join('work_dirs', name)
    )
    return cfg


def build_runner(cfg: Config, training: bool = False) -> Runner:
    """Build the runner of a config, whose long texts stay in its log file.

    On the console, the config would hide an error in it.

    Args:
        cfg: Config of the run.
        training: Whether to build the training loop with its data, too.

    Raises:
        ValueError: If something in the config cannot be built.
    """
    class_ = Runner
    if training:
        class_ = RUNNERS.get(cfg.get('runner_type', 'Runner'))

    class Concise(class_):
        def build_logger(self, *args, **kwargs) -> MMLogger:
            logger = super().build_logger(*args, **kwargs)
            logger.handlers[0].addFilter(
                lambda record: record.getMessage().count('\n') < SHORT
            )
            return logger

    try:
        runner = Concise.from_cfg(cfg)
        if training:
            runner.train_loop  # noqa: B018, builds its data, too
    except CONFIG_ERRORS as error:
        raise ValueError(
            f'{cfg.filename} does not fit: {type(error).__name__}: {error}. '
            'Correct it; --traceback shows where the error comes from.'
        ) from error
    return runner


@contextmanager
def hold_work_dir(cfg: Config, advice: str) -> Iterator[None]:
    """Keep other runs out of the work dir, and end by Ctrl-C in one line.

    Args:
        cfg: Config of the run.
        advice: Says how to go on after Ctrl-C.

    Raises:
        RuntimeError: If another run uses the work dir.
        SystemExit: With status 130, after Ctrl-C.
    """
    ranks = [os.environ.get(name, '0') for name in RANKS]
    is_first = cfg.launcher == 'none' or set(ranks) == {'0'}
    lock = lock_folder(cfg.work_dir) if is_first else nullcontext()
    try:
        with naming_disk(cfg.work_dir), lock:
            yield
    except KeyboardInterrupt:
        if is_first:
            text = f'\nInterrupted. {cfg.work_dir} keeps what is finished; '
            print(text + advice, file=sys.stderr)
        raise SystemExit(130) from None


def set_up_distribution(cfg: Config) -> None:
    """Let several processes run without an accelerator.

    mmengine's launcher asks for CUDA and its wrapper for device numbers. On
    machines with neither, the processes meet here, through gloo, before the
    Runner is built.

    Args:
        cfg: Config of the run; its wrapper is set where needed.
    """
    if cfg.launcher == 'none' or torch.accelerator.is_available():
        return
    if cfg.launcher == 'slurm':
        _read_slurm_environment()
    elif cfg.launcher != 'pytorch':
        raise ValueError(
            f'Without an accelerator, --launcher {cfg.launcher} is not '
            'supported. Use pytorch (tools/dist_train.sh) or slurm.'
        )
    # ranks meet again when all have tracked their sequences
    torch.distributed.init_process_group('gloo', timeout=timedelta(days=1))
    cfg.model_wrapper_cfg = {
        'type': 'MMDistributedDataParallel',
        'device_ids': None,
        'broadcast_buffers': False,
    }


def _read_slurm_environment() -> None:
    """Tell torch what Slurm has decided; MASTER_ADDR comes from the script."""
    if 'SLURM_PROCID' not in os.environ:
        raise KeyError(
            '--launcher slurm found no SLURM_PROCID in the environment. Start '
            'it with tools/slurm_train.sh or srun.'
        )
    os.environ['RANK'] = os.environ['SLURM_PROCID']
    os.environ['WORLD_SIZE'] = os.environ['SLURM_NTASKS']
    os.environ['LOCAL_RANK'] = os.environ['SLURM_LOCALID']
