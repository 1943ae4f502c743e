"""Train a tracker."""

import argparse

import mmsimtrack  # noqa: F401  (checks the installation first)
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS

from mmsimtrack.cli.launch import load_config, set_up_distribution
from mmsimtrack.cli.options import add_common_options
from mmsimtrack.models.weights import trust_checkpoints


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='continue an interrupted training: from this checkpoint, or '
        'from the latest one in the work dir (none there: start anew)',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='bfloat16',
        choices=['bfloat16', 'float16'],
        help='train with mixed precision (default: bfloat16)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rates to the batch size',
    )
    add_common_options(parser)
    return parser.parse_args()


def main() -> None:
    """Build a Runner from the config and train."""
    args = parse_args()
    cfg = load_config(args)
    if args.amp:
        use_amp(cfg, args.amp)
    if args.auto_scale_lr:
        scale_learning_rates(cfg)
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    optimizer = cfg.optim_wrapper.optimizer
    if optimizer.type == 'AdamW' and torch.accelerator.is_available():
        optimizer.setdefault('fused', True)
    set_up_distribution(cfg)
    with trust_checkpoints(args.trust_checkpoint):
        RUNNERS.build(cfg).train()


def use_amp(cfg: Config, dtype: str) -> None:
    """Train with `dtype` where it is safe, and float32 elsewhere."""
    if not torch.accelerator.is_available():
        raise SystemExit(
            '--amp: mmengine trains in mixed precision on accelerators '
            'only, and there is none. Leave it out.'
        )
    # bfloat16 has the range of float32: nothing to scale
    scale = 'dynamic' if dtype == 'float16' else 1.0
    cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype=dtype)
    cfg.optim_wrapper.setdefault('loss_scale', scale)


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


if __name__ == '__main__':
    main()
