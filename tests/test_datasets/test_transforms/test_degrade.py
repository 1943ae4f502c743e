import numpy as np
import pytest

from mmsimtrack.registry import TRANSFORMS

CONFIGS = [
    dict(type='ColorJitter', amount=0.5),
    dict(type='Blur', length=0.2, sigma=0.05),
    dict(type='SensorNoise', sigma=20),
    dict(type='JpegNoise', quality=(10, 40)),
    dict(type='Coarsen', factor=4),
]


def pair(seed=0):
    rng = np.random.default_rng(1)
    return dict(
        exemplar=rng.integers(0, 255, (32, 32, 3), np.uint8),
        search=rng.integers(0, 255, (64, 64, 3), np.uint8),
        rng=np.random.default_rng(seed),
    )


@pytest.mark.parametrize('cfg', CONFIGS, ids=lambda cfg: cfg['type'])
def test_changes_the_drawn_view_and_is_pure(cfg):
    transform = TRANSFORMS.build({**cfg, 'prob': dict(exemplar=0, search=1)})
    before = pair()
    first, second = transform(pair()), transform(pair())
    np.testing.assert_array_equal(first['exemplar'], before['exemplar'])
    np.testing.assert_array_equal(first['search'], second['search'])
    assert first['search'].dtype == np.uint8
    assert first['search'].shape == (64, 64, 3)
    assert (first['search'] != before['search']).mean() > 0.3
    other = transform(pair(seed=3))
    assert (first['search'] != other['search']).any()


def test_probabilities():
    prob = dict(exemplar=0.2, search=0.6)
    transform = TRANSFORMS.build(dict(type='SensorNoise', sigma=50, prob=prob))
    before, changed = pair(), np.zeros(2)
    for seed in range(500):
        after = transform(pair(seed))
        changed += [(after[v] != before[v]).any() for v in prob]
    np.testing.assert_allclose(changed / 500, [0.2, 0.6], atol=0.06)
