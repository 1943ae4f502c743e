"""What a case of the corpus is, and how it is run."""

import re
import signal
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from mmsimtrack.cli.main import main

SECONDS = 30  # more is a hang
INPUTS = yaml.safe_load(Path(__file__).with_name('inputs.yaml').read_text())


@dataclass(frozen=True)
class Case:
    """A malformed input and its rule.

    Attributes:
        name: Unique in the corpus.
        make: Writes the input into a folder; returns what to run on it, the
            arguments of `mmsimtrack`, or a function to call.
        status: The exit status that is due. 2 stands for an error of a
            function, too.
        says: Regular expressions that the output matches.
        check: Looks at the folder and the value of the function afterwards.
    """

    name: str
    make: Callable[[Path], list | Callable]
    status: int = 2
    says: tuple[str, ...] = ()
    check: Callable | None = None


def judge(case, folder, capsys):
    """Run a case; fails where its rule is broken."""
    todo, value = case.make(folder), None
    with time_limit(SECONDS):
        if callable(todo):
            try:
                status, value = 0, todo()
            except (OSError, ValueError) as error:
                status, value = 2, error
        else:
            status = main([str(arg) for arg in todo])
    text = ''.join(capsys.readouterr())
    if isinstance(value, Exception):
        text += str(value)
    assert 'Traceback' not in text, text[-3000:]
    assert status == case.status, f'status {status}\n{text[-3000:]}'
    for pattern in case.says:
        assert re.search(pattern, text), f'no {pattern!r} in\n{text[-3000:]}'
    if status == 2:
        assert 'outside of mmsimtrack' not in text, text[-3000:]
        assert 0 < len(text) < 4000, f'{len(text)} characters'
    if case.check:
        case.check(folder, value)


@contextmanager
def time_limit(seconds):
    def stop(*_):
        raise AssertionError(f'it hangs: {seconds} s are over')

    former = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)
