"""Tracking in a few lines.

Names are imported when they are used, so that listing the models or opening
a video needs no network library.
"""

from importlib import import_module

_HOMES = {
    'sot_inferencer': (
        'SOTInferencer',
        'TrackedFrame',
        'Tracker',
        'inference_sot',
        'init_model',
    ),
    'sources': ('Footage', 'open_source'),
    'zoo': ('find_model', 'get_model', 'list_models'),
}
__all__ = sorted(name for names in _HOMES.values() for name in names)


def __getattr__(name: str):
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f'{__name__}.{module}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
