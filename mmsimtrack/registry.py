"""The registries of mmsimtrack, children of mmengine's.

`locations` are imported the first time that a type is looked up, so a config
needs no set-up call. A class of another library is named with its prefix,
such as `mmdet.GIoULoss`.
"""

from mmengine import registry as mmengine
from mmengine.registry import Registry

DATASETS = Registry(
    'dataset',
    parent=mmengine.DATASETS,
    locations=['mmsimtrack.datasets'],
)
DATA_SAMPLERS = Registry(
    'data sampler',
    parent=mmengine.DATA_SAMPLERS,
    locations=['mmsimtrack.datasets.samplers'],
)
TRANSFORMS = Registry(
    'transform',
    parent=mmengine.TRANSFORMS,
    locations=['mmsimtrack.datasets.transforms'],
)
MODELS = Registry(
    'model',
    parent=mmengine.MODELS,
    locations=['mmsimtrack.models'],
)
METRICS = Registry(
    'metric',
    parent=mmengine.METRICS,
    locations=['mmsimtrack.evaluation'],
)
LOOPS = Registry(
    'loop',
    parent=mmengine.LOOPS,
    locations=['mmsimtrack.engine.loops'],
)
HOOKS = Registry(
    'hook',
    parent=mmengine.HOOKS,
    locations=['mmsimtrack.engine.hooks'],
)
VISUALIZERS = Registry(
    'visualizer',
    parent=mmengine.VISUALIZERS,
    locations=['mmsimtrack.visualization'],
)
INFERENCERS = Registry(
    'inferencer',
    parent=mmengine.INFERENCERS,
    locations=['mmsimtrack.apis'],
)
