import pytest
from mmengine.registry import MODELS as ROOT

from mmsimtrack import registry


@pytest.mark.parametrize(
    ('name', 'type_'),
    [
        ('DATASETS', 'Got10kDataset'),
        ('DATA_SAMPLERS', 'PairSampler'),
        ('TRANSFORMS', 'PackPair'),
        ('MODELS', 'SOTTracker'),
        ('METRICS', 'OPEMetric'),
        ('LOOPS', 'SequenceTestLoop'),
        ('HOOKS', 'AtomicCheckpointHook'),
        ('VISUALIZERS', 'SOTVisualizer'),
        ('INFERENCERS', 'SOTInferencer'),
    ],
)
def test_types_are_found_without_an_import(name, type_):
    found = getattr(registry, name).get(type_)
    assert found.__name__ == type_
    assert found.__module__.startswith('mmsimtrack.')


def test_the_first_name_of_the_tracker_stays():
    models = registry.MODELS
    assert models.get('SimTrack') is models.get('SOTTracker')


@pytest.mark.parametrize(
    'type_',
    [
        'mmdet.GIoULoss',
        'mmdet.PyramidVisionTransformer',
        'mmpretrain.QuickGELU',
    ],
)
def test_types_of_other_libraries(type_):
    assert registry.MODELS.get(type_).__name__ == type_.split('.')[1]
    assert ROOT.get(type_) is registry.MODELS.get(type_)
