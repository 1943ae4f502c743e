"""Train a tracker."""

import argparse
import warnings

import torch
from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint

from mmsimtrack.cli.launch import (
    build_runner,
    hold_work_dir,
    load_config,
    set_up_distribution,
)
from mmsimtrack.cli.options import add_common_options, add_options
from mmsimtrack.cli.settings import check_roots
from mmsimtrack.engine.autocast import has_native_bfloat16
from mmsimtrack.models.weights import trust_checkpoints

OPTIONS = {
    'config': 'config file',
    '--work-dir DIR': 'folder for logs and checkpoints',
    '--resume CHECKPOINT': 'continue an interrupted training: from this '
    'checkpoint, or from the latest one in the work dir (none there: start '
    'anew)',
    '--amp': 'train with mixed precision (default: bfloat16)',
    '--auto-scale-lr': 'scale the learning rates to the batch size',
}
AMP = {'nargs': '?', 'const': 'bfloat16', 'choices': ['bfloat16', 'float16']}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    resume = {'nargs': '?', 'const': 'auto'}
    add_options(parser, OPTIONS, resume=resume, amp=AMP)
    add_common_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Build a Runner from the config and train."""
    args = parse_args(argv)
    cfg = load_config(args, training=True)
    check_roots(cfg, ['train', 'val'])
    if args.dry_run:
        return 0
    if args.amp:
        use_amp(cfg, args.amp)
    if args.auto_scale_lr:
        scale_learning_rates(cfg)
    if args.resume:
        continue_training(cfg, args.resume)
    optimizer = cfg.optim_wrapper.optimizer
    if optimizer.type == 'AdamW' and torch.accelerator.is_available():
        optimizer.setdefault('fused', True)
    set_up_distribution(cfg)
    advice = '--resume goes on from the latest checkpoint.'
    trust = trust_checkpoints(args.trust_checkpoint)
    with hold_work_dir(cfg, advice), trust:
        build_runner(cfg, training=True).train()
    return 0


def continue_training(cfg: Config, checkpoint: str) -> None:
    """Resume from a checkpoint, or from the latest one of the work dir.

    Where there is none yet, the training begins as without `--resume`, from
    `load_from` if the config has one.
    """
    if checkpoint != 'auto':
        cfg.update(resume=True, load_from=checkpoint)
    elif find_latest_checkpoint(cfg.work_dir):
        cfg.update(resume=True, load_from=None)


def use_amp(cfg: Config, dtype: str) -> None:
    """Train with `dtype` where it is safe, and float32 elsewhere."""
    on_cpu = not torch.accelerator.is_available()
    if dtype == 'bfloat16':
        if on_cpu and not has_native_bfloat16():
            warnings.warn(
                '--amp: this CPU does not compute with bfloat16; float32, '
                'without --amp, is several times as fast on it.',
                stacklevel=2,
            )
        cfg.optim_wrapper.type = 'AutocastOptimWrapper'
    elif on_cpu:
        raise SystemExit(
            '--amp float16 needs an accelerator, and there is none. Use '
            'bfloat16, or leave it out.'
        )
    else:
        cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype=dtype)
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def scale_learning_rates(cfg: Config) -> None:
    """Let mmengine scale the rates to the batch of a step."""
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise KeyError(
            f'{cfg.filename}: --auto-scale-lr needs '
            'auto_scale_lr=dict(base_batch_size=...), the batch size that '
            'the learning rates are made for.'
        )
    cfg.auto_scale_lr.enable = True
    # mmengine counts the batches of all processes, but not accumulated ones
    counts = cfg.optim_wrapper.get('accumulative_counts', 1)
    cfg.auto_scale_lr.base_batch_size /= counts
