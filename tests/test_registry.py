from mmengine.registry import MODELS as ROOT

from mmsimtrack import registry

TYPES = dict(
    DATASETS='Got10kDataset',
    DATA_SAMPLERS='PairSampler',
    TRANSFORMS='PackPair',
    MODELS='SOTTracker',
    METRICS='OPEMetric',
    LOOPS='SequenceTestLoop',
    HOOKS='AtomicCheckpointHook',
    VISUALIZERS='SOTVisualizer',
    INFERENCERS='SOTInferencer',
)


def test_types_are_found_without_an_import():
    for name, type_ in TYPES.items():
        found = getattr(registry, name).get(type_)
        assert found.__name__ == type_
        assert found.__module__.startswith('mmsimtrack.')
    models = registry.MODELS
    assert models.get('SimTrack') is models.get('SOTTracker')


def test_types_of_other_libraries():
    for type_ in ('mmdet.GIoULoss', 'mmpretrain.QuickGELU'):
        assert registry.MODELS.get(type_).__name__ == type_.split('.')[1]
        assert ROOT.get(type_) is registry.MODELS.get(type_)
