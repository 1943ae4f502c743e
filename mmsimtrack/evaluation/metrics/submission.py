"""Archives for the servers that score GOT-10k and TrackingNet."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np

from mmsimtrack.benchmarks import BENCHMARKS
from mmsimtrack.fileio import read_bboxes_xywh, replace_atomically

# how many sequences each server expects
SERVERS = {
    name: row.num_sequences for name, row in BENCHMARKS.items() if row.server
}
SHOWN = 5  # problems in a message


def write_submission(
    benchmark: str,
    results_dir: str | os.PathLike,
    times_dir: str | os.PathLike,
    num_frames: dict[str, int],
    path: str | os.PathLike,
    allow_incomplete: bool = False,
) -> None:
    """Write the archive of a finished test, once all of it is there.

    GOT-10k takes `<sequence>/<sequence>_001.txt` and
    `<sequence>/<sequence>_time.txt`, TrackingNet `<sequence>.txt`, both
    without a folder around. Result files of other sequences stay out.

    Args:
        benchmark: `got10k` or `trackingnet`.
        results_dir: Folder of the boxes, `<sequence>.txt`.
        times_dir: Folder of the times, only read for GOT-10k.
        num_frames: Number of frames of each sequence of the benchmark.
        path: Zip file to create or to replace.
        allow_incomplete: Whether to pack fewer sequences than the server
            expects, or more.

    Raises:
        ValueError: If the benchmark has no server, if it has another number
            of sequences, or if the result of a sequence is missing, has
            another length or is not finite; names the first such files.
    """
    if benchmark not in SERVERS:
        raise ValueError(
            f'Benchmark is {benchmark!r}, expected one of {tuple(SERVERS)}: '
            'the others are scored here, with tools/test.py.'
        )
    if len(num_frames) != SERVERS[benchmark] and not allow_incomplete:
        raise ValueError(
            f'Found {len(num_frames)} sequences of {benchmark}, but its '
            f'server expects {SERVERS[benchmark]}. Complete the data set, or '
            'pack what is there with results.py pack --allow-incomplete.'
        )
    results, times = Path(results_dir), Path(times_dir)
    texts, problems = {}, []
    for name, length in sorted(num_frames.items()):
        try:
            boxes = _format(results / f'{name}.txt', '%.4f', length)
            if benchmark == 'trackingnet':
                texts[f'{name}.txt'] = boxes
            else:
                seconds = _format(times / f'{name}.txt', '%.8f', length)
                texts[f'{name}/{name}_001.txt'] = boxes
                texts[f'{name}/{name}_time.txt'] = seconds
        except (OSError, ValueError) as error:
            problems.append(str(error))
    if problems:
        shown = problems[:SHOWN]
        if len(problems) > SHOWN:
            shown.append(f'... and {len(problems) - SHOWN} more.')
        raise ValueError(
            f'{len(problems)} of {len(num_frames)} sequences are not ready, '
            'no archive is written. Run the test again, it tracks what is '
            'missing:\n' + '\n'.join(shown)
        )
    with (
        replace_atomically(path) as temporary,
        zipfile.ZipFile(temporary, 'w', zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, text in texts.items():
            archive.writestr(name, text)


def pack_unscored(
    benchmark: str, results_dir: Path, num_frames: dict[str, int]
) -> str:
    """Pack a test with first boxes only: `submission.zip` in its work dir.

    Args:
        benchmark: What was tested.
        results_dir: `<work_dir>/results`.
        num_frames: Length of each sequence that cannot be scored here.

    Returns:
        What was done, for the log.

    Raises:
        ValueError: If a result is not complete.
    """
    count, expected = len(num_frames), SERVERS.get(benchmark)
    done = f'{count} sequences have their first box only and are not scored.'
    if expected is None:
        return done
    if count != expected:
        return (
            f'{done} No submission.zip, since the server of {benchmark} '
            f'expects {expected}: results.py pack --allow-incomplete packs '
            'what is there.'
        )
    path = results_dir.with_name('submission.zip')
    folders = results_dir, results_dir.with_name('times')
    write_submission(benchmark, *folders, num_frames, path)
    return f'{done} For the server: {path}'


def _format(path: Path, fmt: str, num_frames: int) -> str:
    """Write a file of boxes or times anew, if it has a finite row per frame.

    Raises:
        OSError: If it is missing.
        ValueError: If its rows are too few, too many, or not finite.
    """
    if not path.exists():
        raise FileNotFoundError(f'{path} is missing.')
    is_box = fmt == '%.4f'
    rows = read_bboxes_xywh(path) if is_box else np.loadtxt(path, ndmin=2)
    if len(rows) != num_frames:
        raise ValueError(
            f'{path} has {len(rows)} rows, expected {num_frames}, one per '
            'frame.'
        )
    for number, row in enumerate(rows, 1):
        if not np.isfinite(row).all():
            raise ValueError(
                f'{path}, row {number}: found {row}, expected finite numbers.'
            )
    file = io.StringIO()
    np.savetxt(file, rows, fmt, ',')
    return file.getvalue()
