import cv2
import numpy as np
import pytest

from mmsimtrack.datasets.transforms import effects
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


def test_motion_blur_smears_along_its_line():
    image = np.zeros((31, 31, 3), np.uint8)
    image[15, 15] = 255
    across = effects.motion_blur(image, 9, 0)[..., 0] > 8
    assert across[15].sum() == 9 and across[:, 15].sum() == 1
    down = effects.motion_blur(image, 9, 90)[..., 0] > 8
    np.testing.assert_array_equal(down, across.T)
    diagonal = effects.motion_blur(image, 9, 45)[..., 0] > 4
    assert diagonal[12, 12] and diagonal[18, 18] and not diagonal[12, 18]


def test_effects_that_change_nothing():
    image = pair()['search']
    same = effects.color(image, 1, 0, 1, (1, 1, 1))
    np.testing.assert_array_equal(same, image)
    np.testing.assert_array_equal(effects.coarsen(image, 1), image)


def test_color_by_hand():
    image = np.array([[[30, 60, 90]]], np.uint8)
    gray = effects.color(image, 1, 0, 0, (1, 1, 1))
    np.testing.assert_array_equal(gray, [[[60, 60, 60]]])
    changed = effects.color(image, 2, 10, 1, (1, 0.5, 2))
    np.testing.assert_array_equal(changed, [[[70, 70, 255]]])


def test_jpeg_keeps_the_order_of_colors():
    image = np.full((16, 16, 3), (200, 100, 20), np.uint8)
    np.testing.assert_allclose(effects.jpeg(image, 90), image, atol=6)


def test_noise_has_the_given_deviation():
    image = np.full((64, 64, 3), 128, np.uint8)
    noisy = effects.noise(image, 12, np.random.default_rng(0))
    assert noisy.std() == pytest.approx(12, rel=0.05)


def test_coarse_images_lack_detail():
    image = np.uint8(np.indices((64, 64)).sum(0) % 2 * 255)
    image = cv2.merge([image] * 3)
    assert image.std() > 100 and effects.coarsen(image, 4).std() < 30
