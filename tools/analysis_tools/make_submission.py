"""Pack the results of a test for the server of GOT-10k or TrackingNet."""

import argparse

from mmengine.config import Config, DictAction

import mmsimtrack  # noqa: F401  (checks the installation first)
from mmsimtrack.evaluation.metrics.submission import write_submission
from mmsimtrack.registry import DATASETS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file of the test')
    parser.add_argument('work_dir', help='work dir of the test')
    parser.add_argument('--out', required=True, help='zip file to write')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='settings that the test had: key=value',
    )
    return parser.parse_args()


def main() -> None:
    """Check that each sequence of the benchmark has its result, and pack."""
    args = parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    # frames were checked by the test
    dataset = DATASETS.build(
        {**cfg.test_dataloader.dataset, 'test_mode': False}
    )
    sequences = [dataset.get_sequence(i) for i in range(len(dataset))]
    num_frames = {sequence.name: len(sequence) for sequence in sequences}
    benchmark = cfg.test_evaluator.benchmark
    write_submission(benchmark, args.work_dir, num_frames, args.out)
    print(f'{args.out}: {len(num_frames)} sequences of {benchmark}')


if __name__ == '__main__':
    main()
