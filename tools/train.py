"""Train a tracker."""

import argparse

import mmsimtrack  # noqa: F401  (checks the installation first)
import torch
from mmengine.runner import Runner

from launch import add_common_options, load_config, set_up_distribution


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
        '--amp', action='store_true', help='train with mixed precision'
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
        if not torch.accelerator.is_available():
            raise SystemExit(
                '--amp: mmengine trains in mixed precision on accelerators '
                'only, and there is none. Leave it out.'
            )
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise KeyError(
                f'{args.config}: --auto-scale-lr needs '
                'auto_scale_lr=dict(base_batch_size=...), the batch size that '
                'the learning rates are made for.'
            )
        cfg.auto_scale_lr.enable = True
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    set_up_distribution(cfg)
    Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    main()
