"""The registries of mmsimtrack, children of mmengine's.

Their modules are imported the first time that a type is looked up, so a config
needs no set-up call. A class of another library is named with its prefix,
such as `mmdet.GIoULoss`. Some registries hold no class of mmsimtrack: mmengine
warns whenever it looks up a registry that the default scope does not define.
"""

from mmengine import registry as mmengine
from mmengine.registry import Registry

from mmsimtrack.compat import refuse_yaml_tags

refuse_yaml_tags()


def _child(parent: Registry, *modules: str) -> Registry:
    locations = [f'mmsimtrack.{name}' for name in modules]
    return Registry(parent.name, parent=parent, locations=locations)


DATASETS = _child(mmengine.DATASETS, 'datasets', 'benchmarks')
DATA_SAMPLERS = _child(mmengine.DATA_SAMPLERS, 'datasets.samplers')
TRANSFORMS = _child(mmengine.TRANSFORMS, 'datasets.transforms')
MODELS = _child(mmengine.MODELS, 'models')
METRICS = _child(mmengine.METRICS, 'evaluation')
LOOPS = _child(mmengine.LOOPS, 'engine.loops')
HOOKS = _child(mmengine.HOOKS, 'engine.hooks')
VISUALIZERS = _child(mmengine.VISUALIZERS, 'visualization')
INFERENCERS = _child(mmengine.INFERENCERS, 'apis.sot_inferencer')
OPTIM_WRAPPERS = _child(
    mmengine.OPTIM_WRAPPERS, 'engine.autocast', 'engine.fsdp'
)
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    mmengine.OPTIM_WRAPPER_CONSTRUCTORS, 'engine.learning_rates'
)
FUNCTIONS = _child(mmengine.FUNCTIONS)
LOG_PROCESSORS = _child(mmengine.LOG_PROCESSORS)
MODEL_WRAPPERS = _child(mmengine.MODEL_WRAPPERS)
OPTIMIZERS = _child(mmengine.OPTIMIZERS)
PARAM_SCHEDULERS = _child(mmengine.PARAM_SCHEDULERS)
VISBACKENDS = _child(mmengine.VISBACKENDS)
WEIGHT_INITIALIZERS = _child(mmengine.WEIGHT_INITIALIZERS)
