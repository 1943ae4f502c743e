"""Pack the results of a test for the server of GOT-10k or TrackingNet."""

import argparse
import sys
from pathlib import Path

from config_sequences import load_test_set
from mmengine.config import DictAction

from mmsimtrack.evaluation.metrics.submission import write_submission


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file of the test')
    parser.add_argument('work_dir', help='work dir of the test')
    parser.add_argument('--out', required=True, help='zip file to write')
    parser.add_argument(
        '--allow-incomplete',
        action='store_true',
        help='pack another number of sequences than the server expects',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='settings that the test had: key=value',
    )
    return parser.parse_args()


def main() -> int:
    """Check that each sequence has its result, and pack; the exit status."""
    args = parse_args()
    folders = (Path(args.work_dir, name) for name in ('results', 'times'))
    try:
        benchmark, num_frames = find_lengths(args.config, args.cfg_options)
        write_submission(
            benchmark, *folders, num_frames, args.out, args.allow_incomplete
        )
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f'{args.out}: {len(num_frames)} sequences of {benchmark}')
    return 0


def find_lengths(
    config: str, options: dict | None
) -> tuple[str, dict[str, int]]:
    """The benchmark, and the number of frames of each sequence.

    Raises:
        OSError: If data are missing.
        ValueError: If the config has no test set, or an annotated one.
    """
    cfg, sequences = load_test_set(config, options)
    for sequence in sequences:
        if len(sequence.bboxes) == len(sequence) > 1:
            root = cfg.test_dataloader.dataset.data_root
            raise ValueError(
                f'{sequence.name} in {root} is annotated, so tools/test.py '
                'scores it. Give the test split, of which only first boxes '
                'are public.'
            )
    num_frames = {sequence.name: len(sequence) for sequence in sequences}
    return cfg.test_evaluator.benchmark, num_frames


if __name__ == '__main__':
    sys.exit(main())
