"""The registries of mmsimtrack, children of mmengine's.

`locations` are imported the first time that a type is looked up, so a config
needs no set-up call. A class of another library is named with its prefix,
such as `mmdet.GIoULoss`. Registries without a class of ours are there for
`default_scope`: mmengine warns at every look-up where a scope has none.
"""

from mmengine import registry as mmengine
from mmengine.registry import Registry

DATASETS = Registry(
    'dataset',
    parent=mmengine.DATASETS,
    locations=['mmsimtrack.datasets', 'mmsimtrack.benchmarks'],
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
    locations=['mmsimtrack.apis.sot_inferencer'],
)

LOG_PROCESSORS = Registry('log processor', parent=mmengine.LOG_PROCESSORS)
MODEL_WRAPPERS = Registry('model wrapper', parent=mmengine.MODEL_WRAPPERS)
OPTIMIZERS = Registry('optimizer', parent=mmengine.OPTIMIZERS)
OPTIM_WRAPPERS = Registry(
    'optim wrapper',
    parent=mmengine.OPTIM_WRAPPERS,
    locations=['mmsimtrack.engine.autocast', 'mmsimtrack.engine.fsdp'],
)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optim wrapper constructor',
    parent=mmengine.OPTIM_WRAPPER_CONSTRUCTORS,
    locations=['mmsimtrack.engine.learning_rates'],
)
PARAM_SCHEDULERS = Registry(
    'parameter scheduler', parent=mmengine.PARAM_SCHEDULERS
)
VISBACKENDS = Registry('vis backend', parent=mmengine.VISBACKENDS)
WEIGHT_INITIALIZERS = Registry(
    'weight initializer', parent=mmengine.WEIGHT_INITIALIZERS
)
