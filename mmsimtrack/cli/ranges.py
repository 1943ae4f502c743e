"""Types of options that are numbers in a range."""

import math
from collections.abc import Callable

from mmsimtrack.cli.options import BadValue


def at_least(
    least: float, below: float = math.inf, kind: type = int
) -> Callable[[str], float]:
    """Make the type of an option: a number from `least` on."""

    def parse(text: str) -> float:
        if not least <= kind(text) < below:
            limit = f' and < {below}' if below < math.inf else ''
            raise BadValue(f'found {text}, expected >= {least}{limit}')
        return kind(text)

    return parse
