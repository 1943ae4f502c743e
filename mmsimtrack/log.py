"""Messages in the log of the run."""

import logging

from mmengine.logging import print_log


def log(text: str, level: int = logging.INFO) -> None:
    """Write a message to the log, or to the console where no run has one."""
    print_log(text, 'current', level)


def warn(text: str) -> None:
    """Write a warning."""
    log(text, logging.WARNING)
