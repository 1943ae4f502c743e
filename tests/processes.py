"""Commands, as a user gives them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


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
