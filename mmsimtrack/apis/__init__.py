"""Tracking in a few lines.

Names are imported when they are used, so that listing the models or opening
a video needs no network library.
"""

from importlib import import_module

_HOMES = {
    'SOTInferencer': 'sot_inferencer',
    'TrackedFrame': 'sot_inferencer',
    'Tracker': 'sot_inferencer',
    'inference_sot': 'sot_inferencer',
    'init_model': 'sot_inferencer',
    'Footage': 'sources',
    'open_source': 'sources',
    'find_model': 'zoo',
    'get_model': 'zoo',
    'list_models': 'zoo',
}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
