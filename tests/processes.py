"""Commands, as a user gives them."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mmsimtrack.cli.main import main

ROOT = Path(__file__).parents[1]
# forks processes from one that has imported what they need
SERVER = multiprocessing.get_context('forkserver')
SERVER.set_forkserver_preload(
    [f'mmsimtrack.{x}' for x in 'cli.train cli.test deployment.export'.split()]
    + [f'mmsimtrack.{x}' for x in 'engine.hooks evaluation apis'.split()]
    + ['mmdet.models', 'mmpretrain.models', 'pytest']
)


def run(*command, check=True, cwd=ROOT, **options):
    """Run a command; unless it is to fail, it says why it did."""
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        cwd=cwd,
        **options,
    )
    if check:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-4000:]
    return done


def python(*arguments, **options):
    return run(sys.executable, *arguments, **options)


def forked(*arguments, check=True):
    """Run the command `mmsimtrack` in a process of its own, in a moment.

    Returns:
        As `run`; all that it says is in `stderr`.
    """
    with tempfile.NamedTemporaryFile() as log:
        args = list(map(str, arguments)), log.name, dict(os.environ)
        process = SERVER.Process(target=_begin, args=args)
        process.start()
        process.join()
        text = Path(log.name).read_text()
    status = process.exitcode
    assert status == 0 or not check, text[-7000:]
    return subprocess.CompletedProcess(arguments, status, '', text)


def _begin(arguments, log, environ):
    """Begin a forked process: what it says goes to a file."""
    os.chdir(ROOT)
    os.environ.update(environ)
    with open(log, 'w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(main(arguments))
