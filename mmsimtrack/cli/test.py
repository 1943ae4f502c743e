"""Test a tracker on a benchmark."""

import argparse
import os.path as osp
from pathlib import Path

from mmengine.dist import is_main_process

from mmsimtrack.benchmarks import BENCHMARKS, use_benchmark
from mmsimtrack.cli.launch import (
    build_runner,
    hold_work_dir,
    load_config,
    set_up_distribution,
)
from mmsimtrack.cli.options import add_common_options, add_options
from mmsimtrack.cli.settings import check_roots
from mmsimtrack.evaluation.functional import KITS
from mmsimtrack.fileio import write_json
from mmsimtrack.models.weights import load_model

OPTIONS = {
    'config': 'config file',
    'checkpoint': 'checkpoint file',
    '--benchmark': "test set (default: the config's); the work dir is then a "
    "folder of that name in the config's",
    '--profile': 'whose rules score; see docs/en/evaluate.md (default: the '
    "benchmark's own kit)",
    '--work-dir DIR': 'folder for results/, times/, metrics.json and logs',
    '--num-slots N': 'sequences to track at a time in each process; 1 (with '
    '--overwrite) writes the latency of each frame instead of its share of a '
    'batch (default: test_cfg.num_slots)',
    '--out FILE': 'JSON file to write the metrics to',
    '--show-dir DIR': 'folder for a video of each sequence, boxes drawn',
    '--amp': 'track with bfloat16 where it is safe (float16: --cfg-options '
    'test_cfg.amp_dtype=float16)',
}
EARLIER_RESULTS = {
    '--resume': 'refuse a work dir with results of another test (default: '
    'set them aside; what this test has finished is kept in any case)',
    '--overwrite': 'set all results aside and track all sequences again',
}


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    choices = {'benchmark': {'choices': BENCHMARKS}}
    choices |= {'profile': {'choices': KITS}, 'num_slots': {'type': int}}
    add_options(parser, OPTIONS, **choices)
    add_options(
        parser.add_mutually_exclusive_group(),
        EARLIER_RESULTS,
        resume={'action': 'store_true', 'default': None},
        overwrite={'action': 'store_false', 'dest': 'resume'},
    )
    add_common_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Build a Runner from the config and test."""
    args = parse_args(argv)
    if args.out:  # before hours of work
        if Path(args.out).is_dir():
            raise SystemExit(f'--out {args.out} is a folder, expected a file')
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    if args.show_dir:
        Path(args.show_dir).mkdir(parents=True, exist_ok=True)
    cfg = load_config(args)
    use_benchmark(cfg, args.benchmark, args.profile)
    cfg.merge_from_dict(args.cfg_options or {})  # they come last
    check_roots(cfg, ['test'])
    if args.dry_run:
        return 0
    if args.benchmark and not args.work_dir:
        cfg.work_dir = osp.join(cfg.work_dir, args.benchmark)
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.resume is not None:
        cfg.test_cfg.resume = args.resume
    if args.num_slots is not None:
        cfg.test_cfg.num_slots = args.num_slots
    if args.amp:
        cfg.test_cfg.setdefault('amp_dtype', 'bfloat16')
    if args.show_dir:
        hook = dict(type='SequenceVideoHook', out_dir=args.show_dir)
        cfg.custom_hooks = cfg.get('custom_hooks', []) + [hook]
    # a checkpoint holds the averaged weights where there are any
    cfg.get('default_hooks', {}).pop('ema', None)
    hooks = cfg.get('custom_hooks', [])
    cfg.custom_hooks = [h for h in hooks if h['type'] != 'EMAHook']
    set_up_distribution(cfg)
    with hold_work_dir(cfg, 'the same command tracks the rest.'):
        runner = build_runner(cfg)
        # mmengine would take any file, and test what is left random
        load_model(runner.model, args.checkpoint, args.trust_checkpoint)
        runner._has_loaded = True
        metrics = runner.test()
    if args.out and is_main_process():
        write_json(args.out, metrics)
    return 0
