"""Commands, as a user gives them."""

import multiprocessing
import os
import socket
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


def forked(*arguments, check=True, ranks=None, **environ):
    """Run the command `mmsimtrack` in processes of their own, in a moment.

    Args:
        *arguments: Those of the command.
        check: Whether it has to succeed.
        ranks: Number of processes that work together, as `torchrun` starts
            them; None runs one alone.
        **environ: Further variables of the environment.

    Returns:
        As `run`; all that the processes say is in `stderr`.
    """
    arguments, environ = list(map(str, arguments)), {**os.environ, **environ}
    if ranks:
        arguments += ['--launcher', 'pytorch']
        with socket.create_server(('127.0.0.1', 0)) as server:
            environ['MASTER_PORT'] = str(server.getsockname()[1])
        environ |= {'MASTER_ADDR': '127.0.0.1', 'WORLD_SIZE': str(ranks)}
    with tempfile.NamedTemporaryFile('r') as log:
        processes = []
        for rank in map(str, range(ranks or 1)):
            own = {'RANK': rank, 'LOCAL_RANK': rank} if ranks else {}
            args = arguments, log.name, {**environ, **own}
            processes.append(SERVER.Process(target=_begin, args=args))
            processes[-1].start()
        for process in processes:
            process.join()
        text = log.read()
    status = max((p.exitcode for p in processes), key=abs)
    assert status == 0 or not check, text[-7000:]
    return subprocess.CompletedProcess(arguments, status, '', text)


def _begin(arguments, log, environ):
    """Begin a forked process: what it says goes to a file."""
    os.chdir(ROOT)
    os.environ.update(environ)
    sys.path[:0] = environ.get('PYTHONPATH', '').split(os.pathsep)
    with open(log, 'a') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(main(arguments))
