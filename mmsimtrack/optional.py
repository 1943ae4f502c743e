"""Packages that only some parts need, and that may be missing."""

from importlib import import_module


def need(module: str, why: str, packages: str = ''):
    """Import a module of a package that may be missing.

    Args:
        module: Its name.
        why: What needs it, for the error.
        packages: What to install; empty for a package of the same name.

    Raises:
        ImportError: If it is missing; says how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{module} is not installed, but {why} needs it. Run: pip install '
            f'{packages or module}'
        ) from error
